use std::io::ErrorKind;

use super::*;

#[test]
fn a_file_is_read_up_to_the_bound_and_refused_beyond_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    fs::write(&path, "12345678").unwrap();
    assert_eq!(read(&path, 8).unwrap(), b"12345678");
    let error = read(&path, 7).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::FileTooLarge, "larger than 7 bytes"));
    let endless = read(Path::new("/dev/zero"), 1 << 10).unwrap_err();
    assert_eq!(endless.kind(), ErrorKind::FileTooLarge, "its length is not what counts");
    assert_eq!(read(&folder.path().join("none"), 8).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn text_is_utf_8() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("name");
    fs::write(&path, "Néma").unwrap();
    assert_eq!(read_text(&path, 5).unwrap(), "Néma");
    assert_eq!(read_text(&path, 4).unwrap_err().kind(), ErrorKind::FileTooLarge);
    fs::write(&path, b"N\xe9ma").unwrap();
    assert_eq!(read_text(&path, 5).unwrap_err().kind(), ErrorKind::InvalidData);
}

#[test]
fn a_file_is_replaced_whole_and_is_its_owners_alone_also_after_a_crash_in_the_middle() {
    let folder = tempfile::tempdir().unwrap();
    let (path, half) = (folder.path().join("last.json"), folder.path().join("last.json.new"));
    replace(&path, b"one").unwrap();
    // What a process that died while it wrote leaves behind: longer, and open to all.
    fs::write(&half, "a half that is longer than what follows").unwrap();
    fs::set_permissions(&half, Permissions::from_mode(0o644)).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"one");
    replace(&path, b"two").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!half.exists());
}

#[test]
fn a_file_that_cannot_be_written_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.json");
    replace(&path, b"one").unwrap();
    fs::create_dir(folder.path().join("last.json.new")).unwrap();
    replace(&path, b"two").unwrap_err();
    assert_eq!(fs::read(&path).unwrap(), b"one");
}
