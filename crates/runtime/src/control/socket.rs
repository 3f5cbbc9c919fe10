//! Where the control socket is.
//!
//! It stands in the data directory as `control.sock`. A socket's path may have 107 bytes (103 on some systems), and data directories can be deeper than that:
//! then it stands in a directory of its own below the temporary directory, open to its owner only, and `control.path` in the data directory says where.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::environment;

/// The socket's name in the data directory.
pub const SOCKET_FILE: &str = "control.sock";
/// The file that says where the socket is, where its path would be too long.
const POINTER_FILE: &str = "control.path";
/// Most bytes of it that are read: the longest path of a system.
const POINTER_BYTES_MAX: u64 = 4_096;
/// Longest path of a socket in bytes: below the smallest limit of the systems we build for (104 with the closing zero).
const PATH_BYTES_MAX: usize = 100;

/// The control socket's place cannot be made or found.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// A file or directory of it cannot be used.
    #[error("cannot use {} for the control socket: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else's directory is in its place.
    #[error("{} belongs to another user: remove it, or use a data directory with a shorter path", .0.display())]
    NotOurs(PathBuf),
    /// An engine answers there.
    #[error("an engine already runs on {}", .0.display())]
    Running(PathBuf),
}

/// Makes the socket's place ready for binding: what a dead engine left is removed, a living one is an error.
pub(super) fn prepare(data: &Path) -> Result<PathBuf, SocketError> {
    let data = data.canonicalize().map_err(|source| SocketError::File { path: data.to_owned(), source })?;
    let path = if fits(&data.join(SOCKET_FILE)) {
        data.join(SOCKET_FILE)
    } else {
        let directory = short_directory(&data)?;
        let path = directory.join(SOCKET_FILE);
        let pointer = data.join(POINTER_FILE);
        std::fs::write(&pointer, path.as_os_str().as_bytes())
            .map_err(|source| SocketError::File { path: pointer, source })?;
        path
    };
    if std::os::unix::net::UnixStream::connect(&path).is_ok() {
        return Err(SocketError::Running(data));
    }
    match std::fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(SocketError::File { path, source }),
        _ => Ok(path),
    }
}

/// Opens the socket to its owner only.
pub(super) fn restrict(path: &Path) -> io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

/// Where the socket of a data directory is, if there is one.
///
/// # Errors
/// [`SocketError::NotOurs`] where the place outside the data directory belongs to neither us nor the owner of the data directory.
pub fn locate(data: &Path) -> Result<Option<PathBuf>, SocketError> {
    let direct = data.join(SOCKET_FILE);
    if direct.exists() && fits(&direct) {
        return Ok(Some(direct));
    }
    // The path as given may be too long where the real one is not, or the other way round.
    if let Ok(real) = data.canonicalize() {
        let direct = real.join(SOCKET_FILE);
        if direct.exists() && fits(&direct) {
            return Ok(Some(direct));
        }
    }
    let Ok(text) = barid_files::read(&data.join(POINTER_FILE), POINTER_BYTES_MAX) else { return Ok(None) };
    let path = PathBuf::from(std::ffi::OsStr::from_bytes(&text));
    let Ok(socket) = std::fs::symlink_metadata(&path) else { return Ok(None) };
    let owner = std::fs::metadata(data).map_err(|source| SocketError::File { path: data.to_owned(), source })?.uid();
    if socket.uid() != owner && socket.uid() != rustix::process::getuid().as_raw() {
        return Err(SocketError::NotOurs(path));
    }
    Ok(Some(path))
}

fn fits(path: &Path) -> bool {
    path.as_os_str().len() <= PATH_BYTES_MAX
}

/// A directory with a short path that follows from the data directory's, open to its owner only.
fn short_directory(data: &Path) -> Result<PathBuf, SocketError> {
    let hash = Sha256::digest(data.as_os_str().as_bytes());
    let name: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let directory = environment::temporary_directory().join(format!("barid-{name}"));
    match std::fs::DirBuilder::new().mode(0o700).create(&directory) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(source) => return Err(SocketError::File { path: directory, source }),
    }
    let found = std::fs::symlink_metadata(&directory)
        .map_err(|source| SocketError::File { path: directory.clone(), source })?;
    let ours = found.is_dir() && found.uid() == rustix::process::getuid().as_raw() && found.mode() & 0o077 == 0;
    if ours { Ok(directory) } else { Err(SocketError::NotOurs(directory)) }
}
