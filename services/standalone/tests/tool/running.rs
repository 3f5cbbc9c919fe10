//! `barid run`: start, readiness, signals and the ways it cannot start.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::binary::{barid, command};

const DOCUMENTS: &str = "\
kind: Listener
metadata: {name: mllp}
spec:
  mllp: {port: PORT, address: 127.0.0.1}
---
kind: Destination
metadata: {name: files}
spec:
  file: {directory: out, name: \"message.uid + '.hl7'\"}
---
kind: Channel
metadata: {name: all}
spec:
  from: {listeners: [{name: mllp}]}
  routes: [{name: files, to: {destination: files}}]
";

/// A running engine in a process of its own; killed when dropped.
struct Running {
    child: Child,
    admin: String,
    log: Option<std::thread::JoinHandle<String>>,
}

impl Running {
    fn start(directory: &Path, data: &Path) -> Self {
        Self::start_with(directory, data, &[])
    }

    /// With these variables in its environment.
    fn start_with(directory: &Path, data: &Path, environment: &[(&str, &str)]) -> Self {
        let mut child = command()
            .envs(environment.iter().copied())
            .arg("run")
            .arg(directory)
            .arg("--data")
            .arg(data)
            .args(["--admin", "127.0.0.1:0", "--log-format", "json"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut log = String::new();
        let admin = loop {
            let before = log.len();
            assert_ne!(lines.read_line(&mut log).unwrap(), 0, "it ended: {log}");
            let line: serde_json::Value = serde_json::from_str(&log[before..]).unwrap();
            if line["message"] == "running" {
                break line["admin"].as_str().unwrap().to_owned();
            }
        };
        let log = std::thread::spawn(move || {
            lines.read_to_string(&mut log).unwrap();
            log
        });
        Self { child, admin, log: Some(log) }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.admin).unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    fn until_ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.get("/readyz").starts_with("HTTP/1.1 200") {
            assert!(Instant::now() < deadline, "{}", self.get("/readyz"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Tells it to stop, and gives its exit code and log.
    fn stop(mut self, signal: &str) -> (i32, String) {
        std::process::Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        (code, self.log.take().unwrap().join().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended before.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn documents() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    std::fs::write(directory.path().join("barid.yaml"), DOCUMENTS.replace("PORT", &port.to_string())).unwrap();
    directory
}

#[test]
fn it_becomes_ready_shows_metrics_and_ends_well_when_told_to_stop() {
    let (directory, data) = (documents(), tempfile::tempdir().unwrap());
    for signal in ["-TERM", "-INT"] {
        let engine = Running::start(directory.path(), data.path());
        engine.until_ready();
        assert!(engine.get("/healthz").starts_with("HTTP/1.1 200"));
        assert!(engine.get("/metrics").contains("barid_build_info"));
        let (code, log) = engine.stop(signal);
        assert_eq!(code, 0, "{log}");
        assert!(
            log.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()),
            "every line is JSON: {log}"
        );
        assert!(!log.contains("\"ERROR\"") && !log.contains("\"WARN\""), "{log}");
    }
    assert!(!data.path().join("control.sock").exists(), "the socket goes with the engine");
}

#[test]
fn a_second_engine_on_the_same_data_is_refused() {
    let (directory, data) = (documents(), tempfile::tempdir().unwrap());
    let engine = Running::start(directory.path(), data.path());
    let path = data.path().to_str().unwrap();
    let second = barid(&["run", documents().path().to_str().unwrap(), "--data", path, "--admin", "127.0.0.1:0"]);
    assert_ne!(second.code, 0);
    assert!(second.stderr.contains(path), "it says which: {}", second.stderr);
    engine.until_ready();
    assert_eq!(engine.stop("-TERM").0, 0);
}

#[test]
fn a_taken_admin_port_is_said_before_anything_is_opened() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let parent = tempfile::tempdir().unwrap();
    let data = parent.path().join("data");
    let ran =
        barid(&["run", documents().path().to_str().unwrap(), "--data", data.to_str().unwrap(), "--admin", &address])
            .with(1);
    assert!(ran.stderr.contains(&address) && ran.stderr.contains("--admin"), "{}", ran.stderr);
    assert!(!data.exists());
}

#[test]
fn a_data_directory_is_made_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = documents();
    let data = home.path().join("new/data");
    let running = Running::start(home.path(), &data);
    running.until_ready();
    let bits = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((bits(&data), bits(&data.join("snapshot.json"))), (0o700, 0o600));
    assert_eq!(running.stop("-TERM").0, 0);
}

#[test]
fn a_probe_has_the_secrets_of_the_engine_not_those_of_the_tool() {
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = receiver.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in receiver.incoming().flatten() {
            let mut request = [0; 4_096];
            if stream.read(&mut request).is_ok_and(|bytes| bytes > 0) {
                stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").unwrap_or_default();
            }
        }
    });
    let home = documents();
    let web = format!(
        "kind: Destination\nmetadata: {{name: web}}\nspec:\n  http:\n    url: http://127.0.0.1:{port}/\n    \
         auth: {{bearer: {{env: TOKEN_OF_THE_ENGINE}}}}\n"
    );
    std::fs::write(home.path().join("web.yaml"), web).unwrap();
    let (directory, data) = (home.path().to_str().unwrap(), home.path().join("data"));
    let running = Running::start_with(home.path(), &data, &[("TOKEN_OF_THE_ENGINE", "s3cret")]);
    running.until_ready();
    let ran = barid(&["probe", "web", "--data", data.to_str().unwrap()]).well();
    assert!(ran.text().contains("can be used") && ran.stderr.is_empty(), "{} {}", ran.text(), ran.stderr);
    let ran = barid(&["probe", "web", "--dir", directory]).with(4);
    assert!(ran.text().contains(": secret: $TOKEN_OF_THE_ENGINE cannot be read"), "{}", ran.text());
    assert_eq!(running.stop("-TERM").0, 0);
}
