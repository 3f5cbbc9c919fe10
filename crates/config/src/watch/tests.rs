//! Changes are noticed when they have settled, and only when they are changes.

use std::fs;
use std::path::Path;

use super::*;

/// A file with a time of its own, so that a test does not depend on how fine a file system's clock is.
fn write(folder: &Path, name: &str, text: &str, second: u64) {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000 + second);
    fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
}

fn watched() -> (tempfile::TempDir, Watcher) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.yaml", "a: 1\n", 0);
    let watcher = Watcher::new(&load_dir(folder.path()));
    (folder, watcher)
}

#[test]
fn nothing_is_told_while_nothing_changes() {
    let (_folder, mut watcher) = watched();
    for _ in 0..100 {
        assert!(watcher.look().is_none());
    }
}

#[test]
fn a_change_is_told_once_when_two_looks_agree() {
    let (folder, mut watcher) = watched();
    write(folder.path(), "a.yaml", "a: 2\n", 1);
    assert!(watcher.look().is_none(), "it may not be finished");
    write(folder.path(), "b.yaml", "b: 1\n", 2);
    assert!(watcher.look().is_none(), "it was not");
    let found = watcher.look().expect("settled");
    assert_eq!(found.files().collect::<Vec<_>>(), ["a.yaml", "b.yaml"]);
    assert!(watcher.look().is_none() && watcher.look().is_none(), "once");
}

#[test]
fn a_file_that_is_replaced_or_removed_is_noticed() {
    let (folder, mut watcher) = watched();
    write(folder.path(), ".a.yaml.swp", "half", 1);
    assert!(watcher.look().is_none() && watcher.look().is_none(), "an editor's own file is none of ours");
    write(folder.path(), ".new", "a: 3\n", 2);
    fs::rename(folder.path().join(".new"), folder.path().join("a.yaml")).unwrap();
    assert!(watcher.look().is_none());
    assert!(watcher.look().is_some());
    fs::remove_file(folder.path().join("a.yaml")).unwrap();
    assert!(watcher.look().is_none());
    assert_eq!(watcher.look().expect("removed").files().count(), 0);
}

#[test]
fn a_file_that_was_only_touched_is_no_change() {
    let (folder, mut watcher) = watched();
    write(folder.path(), "a.yaml", "a: 1\n", 50);
    for _ in 0..5 {
        assert!(watcher.look().is_none());
    }
}

#[test]
fn a_change_that_time_and_size_do_not_show_is_noticed_after_a_while() {
    let (folder, mut watcher) = watched();
    write(folder.path(), "a.yaml", "a: 7\n", 0);
    let told = (0..2 * LOOKS_UNTIL_READ).find_map(|_| watcher.look());
    assert!(told.is_some());
}

#[test]
fn a_folder_that_goes_away_for_a_moment_removes_no_documents() {
    let (folder, mut watcher) = watched();
    let away = folder.path().with_extension("away");
    fs::rename(folder.path(), &away).unwrap();
    let told = (0..3).find_map(|_| watcher.look());
    assert!(told.is_none_or(|sources| sources.unreadable), "unreadable is not empty");
    fs::rename(&away, folder.path()).unwrap();
    let back = (0..3).find_map(|_| watcher.look());
    assert!(back.is_none_or(|sources| !sources.unreadable));
}
