use std::path::Path;
use std::time::Duration;

use super::*;
use crate::connect::tests::{PATIENCE, answered, delivery, failure};
use crate::connect::{AnswerClass, Expression, Sent, TransportKind};

fn files(directory: &Path, name: &str) -> Files {
    let name = Expression::compile(name).unwrap();
    Files::new(FileSettings { directory: directory.to_path_buf(), name, mode: 0o600, timeout: PATIENCE })
}

/// The names in a folder, sorted.
fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn named(control_id: &str) -> String {
    format!("MSH|^~\\&|A|B|C|D|2026||ADT^A01|{control_id}|P|2.5\rPID|1||7\r")
}

#[tokio::test]
async fn a_message_becomes_one_whole_file_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let files = files(directory.path(), "msg.controlId + '.hl7'");
    let out = delivery(1, named("42"));
    let answer = answered(files.open().send(&out).await);
    assert_eq!((answer.class, answer.answer.code.as_str()), (AnswerClass::Accepted, "written"));
    assert_eq!(names(directory.path()), ["42.hl7"]);
    assert_eq!(std::fs::read(directory.path().join("42.hl7")).unwrap(), &out.record.payload[..]);
}

#[tokio::test]
async fn the_same_message_again_finds_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let files = files(directory.path(), "msg.controlId + '.hl7'");
    let out = delivery(1, named("42"));
    answered(files.open().send(&out).await);
    let again = answered(files.open().send(&out).await);
    assert_eq!((again.class, again.answer.code.as_str()), (AnswerClass::Accepted, "present"));
    assert_eq!(names(directory.path()), ["42.hl7"]);
}

#[tokio::test]
async fn another_message_under_the_same_name_goes_beside_and_harms_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let files = files(directory.path(), "'same.hl7'");
    let (first, second) = (delivery(1, named("1")), delivery(2, named("2")));
    let mut slot = files.open();
    for out in [&first, &second, &second, &first] {
        answered(slot.send(out).await);
    }
    let beside = format!("same-{:.8}.hl7", second.id().to_string());
    let mut expected = vec!["same.hl7".to_owned(), beside.clone()];
    expected.sort();
    assert_eq!(names(directory.path()), expected);
    assert_eq!(std::fs::read(directory.path().join("same.hl7")).unwrap(), &first.record.payload[..]);
    assert_eq!(std::fs::read(directory.path().join(beside)).unwrap(), &second.record.payload[..]);
}

#[tokio::test]
async fn many_slots_that_write_one_name_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let files = std::sync::Arc::new(files(directory.path(), "'same.hl7'"));
    let writing = (0..16_u32).map(|id| {
        let files = std::sync::Arc::clone(&files);
        tokio::spawn(async move { answered(files.open().send(&delivery(id, named(&id.to_string()))).await) })
    });
    for written in writing.collect::<Vec<_>>() {
        written.await.unwrap();
    }
    let mut contents: Vec<_> =
        names(directory.path()).iter().map(|name| std::fs::read(directory.path().join(name)).unwrap()).collect();
    contents.sort();
    contents.dedup();
    assert_eq!(contents.len(), 16);
}

#[test]
fn a_name_stays_inside_the_folder_whatever_the_message_says() {
    let cases = [
        ("42.hl7", "42.hl7"),
        ("2026/11/42.hl7", "2026/11/42.hl7"),
        ("a..b/..c", "a..b/_.c"),
        ("/etc/passwd", "etc/passwd"),
        ("a/./b", "a/b"),
        (".hidden", "_hidden"),
        ("a\u{0}b\nc\\d", "a_b_c_d"),
        ("مريم.hl7", "مريم.hl7"),
    ];
    for (given, expected) in cases {
        assert_eq!(name::relative(given).unwrap(), Path::new(expected), "{given:?}");
    }
    assert_eq!(name::relative("//").ok(), None);
    let long = name::relative(&format!("{}.hl7", "é".repeat(300))).unwrap();
    let long = long.to_str().unwrap();
    assert!(long.len() <= NAME_MAX && long.ends_with("é.hl7"), "{long}");
    let deep = name::relative(&"a/".repeat(500)).unwrap();
    assert!(deep.components().count() <= FOLDERS_MAX + 1);
    assert!(deep.components().all(|part| part.as_os_str().len() <= NAME_MAX));
}

#[tokio::test]
async fn a_name_that_leads_out_of_the_folder_sets_the_message_aside_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().join("out");
    for name in ["'../' + msg.controlId", "'a/../../' + msg.controlId", "'..'", "'a\\\\..\\\\b'"] {
        let sent = files(&base, name).open().send(&delivery(1, named("SECRET"))).await;
        let Sent::Unsendable(finding) = sent else { panic!("{name}: {sent:?}") };
        assert!(finding.rule == "file.name" && finding.text.contains("`..`"), "{finding:?}");
        assert!(!finding.text.contains("SECRET"), "{finding:?}");
    }
    assert!(names(directory.path()).is_empty());
}

#[tokio::test]
async fn files_and_their_folders_are_their_owners_alone_unless_the_document_says_otherwise() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let bits = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    for (mode, folder_mode) in [(0o600, 0o700), (0o640, 0o750), (0o664, 0o775)] {
        let base = directory.path().join(format!("{mode:o}"));
        let name = Expression::compile("msg.type + '/' + msg.controlId").unwrap();
        let files = Files::new(FileSettings { directory: base.clone(), name, mode, timeout: PATIENCE });
        answered(files.open().send(&delivery(1, named("42"))).await);
        assert_eq!((bits(&base), bits(&base.join("ADT"))), (folder_mode, folder_mode), "{mode:o}");
        assert_eq!(bits(&base.join("ADT/42")), mode, "{mode:o}");
    }
}

#[tokio::test]
async fn missing_folders_are_made() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().join("out/archive");
    let files = files(&base, "msg.type + '/' + msg.controlId");
    answered(files.open().send(&delivery(1, named("42"))).await);
    assert!(base.join("ADT/42").is_file());
}

#[tokio::test]
async fn an_expression_that_names_nothing_sets_the_message_aside() {
    let directory = tempfile::tempdir().unwrap();
    let sent = files(directory.path(), "msg['ZZZ-1']").open().send(&delivery(1, named("1"))).await;
    let Sent::Unsendable(finding) = sent else { panic!("{sent:?}") };
    assert_eq!(finding.rule, "file.name");
    assert!(names(directory.path()).is_empty());
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_a_failure_that_tells_no_names() {
    let directory = tempfile::tempdir().unwrap();
    let blocked = directory.path().join("blocked");
    std::fs::write(&blocked, "a file").unwrap();
    let error = failure(files(&blocked, "'SECRET-NAME'").open().send(&delivery(1, named("1"))).await);
    assert_eq!(error.kind, TransportKind::Storage);
    assert!(error.text.contains("blocked") && !error.text.contains("SECRET"), "{error}");
}

/// A file system of this size, where the test may mount one.
fn small_disk(directory: &Path, size: &str) -> bool {
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
        .arg(directory)
        .status();
    mounted.is_ok_and(|status| status.success())
}

#[tokio::test]
async fn a_full_disk_leaves_nothing_behind_and_passes_when_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    if !small_disk(directory.path(), "64k") {
        eprintln!("skipped: a small file system cannot be mounted here");
        return;
    }
    let files = files(directory.path(), "msg.controlId");
    let big = delivery(1, format!("{}OBX|1|ED|||{}\r", named("1"), "x".repeat(200_000)));
    let error = failure(files.open().send(&big).await);
    assert_eq!(error.kind, TransportKind::Storage);
    assert!(names(directory.path()).is_empty(), "nothing partial stays");
    answered(files.open().send(&delivery(2, named("2"))).await);
    assert_eq!(names(directory.path()), ["2"]);
    std::process::Command::new("umount").arg(directory.path()).status().unwrap();
}

#[tokio::test]
async fn a_probe_tells_the_room_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let met = files(directory.path(), "'x'").probe().await;
    assert!(met[0].problem.is_none() && met[0].facts[0].0 == "free", "{met:?}");
    assert!(names(directory.path()).is_empty());
    let missing = files(&directory.path().join("missing"), "'x'").probe().await;
    assert!(missing[0].problem.is_some());
}

#[test]
fn the_limits_leave_room_for_the_temporary_name() {
    let longest = format!(".tmp-{}-{}", "f".repeat(32), u64::MAX);
    assert!(longest.len() <= 255 && NAME_MAX + "-12345678".len() <= 255);
    assert!(Duration::from_millis(1) < PATIENCE);
}
