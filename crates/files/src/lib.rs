//! Small files, read within a bound and replaced at once: secrets, certificates, and what a process keeps for its next start.
//!
//! In one place, since both are easily done in part: a read that ends at its bound in silence gives half a key, a file that is
//! written where it stands is empty after a crash. Errors do not name the file: whoever asks knows better how to say it. Blocking.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

#[cfg(test)]
mod tests;

/// All of a file that has at most so many bytes.
///
/// # Errors
/// The file system's reason; of kind `FileTooLarge` where it has more, which may be a file without end.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {most} bytes")));
    }
    Ok(bytes)
}

/// The same, as text.
///
/// # Errors
/// As [`read`]; of kind `InvalidData` where it is not UTF-8.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let text = String::from_utf8(read(path, most)?);
    text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"))
}

/// Writes a file for its owner alone, durably and at once: after a crash it is the old one or this one, never a part. Its writer
/// is one at a time: what is not finished stands beside it, under its name with `.new`.
///
/// # Errors
/// The file system's reason; then the old one is there still.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
    // One that a crash left may be open to others.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    // Else a power cut may leave an empty file under the name that it gets next.
    file.sync_all()?;
    fs::rename(&new, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}
