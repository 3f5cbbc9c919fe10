//! The file operations the engine needs, as a trait, so that tests can play a disk that fails, fills up or forgets.
//!
//! A storage is one flat directory. What is promised after a crash is what POSIX promises and no more: bytes after `sync_data`, names after `sync_dir`.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FallocateFlags, FlockOperation};
use rustix::io::Errno;

/// The log's directory.
pub trait Storage: Send + Sync + 'static {
    /// Names of the files in it.
    ///
    /// # Errors
    /// As the file system says.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Makes an empty file (an old one of that name is emptied) with `allocate` bytes of zeros, reserved on the volume.
    ///
    /// # Errors
    /// `StorageFull`, and as the file system says; then there is no such file.
    fn create(&self, name: &str, allocate: u64) -> io::Result<Arc<dyn File>>;
    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// `NotFound`, and as the file system says.
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>>;
    /// Renames a file, over an existing one too.
    ///
    /// # Errors
    /// As the file system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// `NotFound`, and as the file system says.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes names durable: those made, renamed and removed before the call.
    ///
    /// # Errors
    /// As the file system says.
    fn sync_dir(&self) -> io::Result<()>;
    /// Bytes free on the volume for this process.
    ///
    /// # Errors
    /// As the file system says.
    fn free_bytes(&self) -> io::Result<u64>;
    /// Bytes of the whole volume; `u64::MAX` where that is not known.
    ///
    /// # Errors
    /// As the file system says.
    fn total_bytes(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }
    /// Locks the directory for this process until the guard is dropped.
    ///
    /// # Errors
    /// `WouldBlock` when another process holds it.
    fn lock(&self) -> io::Result<Box<dyn Send + Sync>>;
    /// Where it is, for error messages.
    fn place(&self) -> String;
}

/// An open file.
#[allow(clippy::len_without_is_empty, reason = "a size in bytes, not a collection")]
pub trait File: Send + Sync {
    /// Size in bytes.
    ///
    /// # Errors
    /// As the file system says.
    fn len(&self) -> io::Result<u64>;
    /// Reads until the buffer is full or the file ends; returns how much.
    ///
    /// # Errors
    /// As the file system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of it.
    ///
    /// # Errors
    /// `StorageFull` (a part may have been written), and as the file system says.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Ends when all that was written before is on stable storage. After an error nothing is known about it, and a later success proves nothing.
    ///
    /// # Errors
    /// As the device says.
    fn sync_data(&self) -> io::Result<()>;
    /// Cuts or extends (with zeros), and reserves what is extended.
    ///
    /// # Errors
    /// `StorageFull`, and as the file system says.
    fn resize(&self, bytes: u64) -> io::Result<()>;
}

/// A directory of a real file system.
pub(super) struct Directory {
    path: PathBuf,
    handle: fs::File,
}

impl Directory {
    /// Opens the directory. If it is missing it is made, for this user alone (it will hold messages), and its name is durable before anything is in it.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if !path.is_dir() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            fs::File::open(parent)?.sync_all()?;
        }
        Ok(Self { path: path.to_owned(), handle: fs::File::open(path)? })
    }
}

impl Storage for Directory {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str, allocate: u64) -> io::Result<Arc<dyn File>> {
        let path = self.path.join(name);
        let file = RealFile(fs::File::options().read(true).write(true).create(true).truncate(true).open(&path)?);
        match file.resize(allocate) {
            Ok(()) => Ok(Arc::new(file)),
            Err(error) => {
                // Leaves no half-reserved file; if even that fails, the next start removes what it does not know.
                drop(fs::remove_file(&path));
                Err(error)
            }
        }
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(RealFile(fs::File::options().read(true).write(true).open(self.path.join(name))?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.handle.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let volume = rustix::fs::fstatvfs(&self.handle)?;
        Ok(volume.f_bavail.saturating_mul(volume.f_frsize))
    }

    fn total_bytes(&self) -> io::Result<u64> {
        let volume = rustix::fs::fstatvfs(&self.handle)?;
        Ok(volume.f_blocks.saturating_mul(volume.f_frsize))
    }

    fn lock(&self) -> io::Result<Box<dyn Send + Sync>> {
        let file =
            fs::File::options().read(true).write(true).create(true).truncate(false).open(self.path.join("lock"))?;
        let fd = OwnedFd::from(file);
        rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(fd))
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }
}

struct RealFile(fs::File);

impl File for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.0.read_at(rest, offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn resize(&self, bytes: u64) -> io::Result<()> {
        let now = self.len()?;
        if bytes <= now {
            return self.0.set_len(bytes);
        }
        // Reserving turns a full volume into an error here, before a group is written, and spares each sync the growing of the file.
        match rustix::fs::fallocate(&self.0, FallocateFlags::empty(), now, bytes - now) {
            Ok(()) => Ok(()),
            // Some file systems cannot reserve; there ENOSPC comes with the write.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.0.set_len(bytes),
            Err(error) => {
                self.0.set_len(now)?;
                Err(error.into())
            }
        }
    }
}

/// Whether an error means that the volume (or the quota) is full.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
