use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// A program that takes the arguments of `barid run` and does as the script says; `$port` is its admin port.
fn program(folder: &Path, script: &str) -> PathBuf {
    let path = folder.join("program");
    let text = format!("#!/bin/sh\nport=${{6##*:}}\n{script}\n");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn is_running(pid: u32) -> bool {
    // A child that was killed and waited for is gone from the table.
    Path::new(&format!("/proc/{pid}")).exists()
}

#[tokio::test]
async fn a_process_that_ends_by_itself_is_told_with_its_last_words() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::of(program(folder.path(), "echo admin port $port is taken; exit 3")).unwrap();
    let mut running = home.start().unwrap();
    let error = running.ready(Duration::from_secs(10)).await.unwrap_err();
    let told = error.to_string();
    assert!(told.contains(&format!("admin port {} is taken", home.admin().port())), "{told}");
    assert!(told.contains("exit status: 3"), "{told}");
}

#[tokio::test]
async fn one_that_is_never_ready_is_late_and_killed_when_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::of(program(folder.path(), "echo waiting; exec sleep 60")).unwrap();
    let mut running = home.start().unwrap();
    let pid = running.pid();
    let error = running.ready(Duration::from_millis(200)).await.unwrap_err();
    assert!(matches!(error, ProcessError::Late { what: "ready", .. }), "{error}");
    drop(running);
    assert!(!is_running(pid));
}

#[tokio::test]
async fn stopping_lets_it_end_and_killing_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let script = "trap 'echo ended in order; exit 7' TERM; echo started; while :; do sleep 0.05; done";
    let home = Home::of(program(folder.path(), script)).unwrap();
    let started = |times: usize| {
        let deadline = Instant::now() + Duration::from_secs(10);
        while home.log().matches("started").count() < times {
            assert!(Instant::now() < deadline, "{}", home.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let running = home.start().unwrap();
    started(1);
    running.kill().unwrap();
    assert!(!home.log().contains("in order"));
    let running = home.start().unwrap();
    started(2);
    let status = running.stop(Duration::from_secs(10)).await.unwrap();
    assert_eq!(status.code(), Some(7));
    assert!(home.log().contains("ended in order"));
}

#[test]
fn ports_are_free_and_documents_are_where_the_program_looks() {
    let home = Home::of(PathBuf::from("/bin/true")).unwrap();
    home.write("channel.yaml", "kind: Channel").unwrap();
    assert_eq!(std::fs::read_to_string(home.documents().join("channel.yaml")).unwrap(), "kind: Channel");
    assert!(TcpListener::bind(("127.0.0.1", free_port().unwrap())).is_ok());
}

#[tokio::test]
async fn an_audit_that_does_not_hold_is_an_error_with_what_it_said() {
    let folder = tempfile::tempdir().unwrap();
    let script = "echo 'messages accepted  7'; echo '  quarantined  2'; echo '  quarantined  3'; exit $(cat $2/code)";
    let home = Home::of(program(folder.path(), script)).unwrap();
    std::fs::write(home.data().join("code"), "0").unwrap();
    let balance = home.audit(false).await.unwrap();
    assert_eq!(
        ["messages accepted", "quarantined", "held"].map(|words| balance.count(words)),
        [Some(7), Some(3), None]
    );
    std::fs::write(home.data().join("code"), "7").unwrap();
    let told = home.audit(true).await.unwrap_err().to_string();
    assert!(told.contains("exit status: 7") && told.contains("messages accepted"), "{told}");
}
