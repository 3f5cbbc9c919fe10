//! Writes one message as one file, on a thread that may block.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use barid_model::Finding;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::FileSettings;
use super::answer::{self, Written};
use super::name;
use crate::connect::facts::Seen;
use crate::connect::probe::Met;
use crate::connect::{Connection, Outgoing, Sent, TransportError, TransportKind};

pub(super) struct Slot {
    settings: Arc<FileSettings>,
    /// Sets this slot's temporary files apart from those of the others.
    number: u64,
    /// A write that was not waited for to its end; the next one must not overtake it.
    unfinished: Option<JoinHandle<io::Result<Written>>>,
}

/// What the writing thread needs.
struct Job {
    directory: PathBuf,
    relative: PathBuf,
    temporary: String,
    id: String,
    mode: u32,
    payload: Bytes,
}

impl Slot {
    pub(super) fn new(settings: Arc<FileSettings>, number: u64) -> Self {
        Self { settings, number, unfinished: None }
    }

    async fn send(&mut self, out: &Outgoing) -> Sent {
        let job = match self.job(out) {
            Ok(job) => job,
            Err(finding) => return Sent::Unsendable(finding),
        };
        let written = timeout(self.settings.timeout, self.write(job)).await;
        match written {
            Ok(Ok(written)) => Sent::Answered(answer::accepted(&written)),
            Ok(Err(error)) => Sent::Failed(answer::failure(&self.settings.directory, &error)),
            Err(_) => {
                let text = format!("the disk took longer than {} ms", self.settings.timeout.as_millis());
                Sent::Failed(TransportError::after_write(TransportKind::Timeout, text))
            }
        }
    }

    fn job(&self, out: &Outgoing) -> Result<Job, Finding> {
        let wrong = |text: String| Finding::error(207, "", "file.name", text);
        let text = self.settings.name.text(&Seen::of(&out.record, self.settings.name.uses_message())).map_err(wrong)?;
        let relative = name::relative(&text).map_err(|why| wrong(why.to_owned()))?;
        let id = out.id().to_string();
        let temporary = format!(".tmp-{id}-{}", self.number);
        let (directory, mode) = (self.settings.directory.clone(), self.settings.mode);
        Ok(Job { directory, relative, temporary, id, mode, payload: out.record.payload.bytes() })
    }

    async fn write(&mut self, job: Job) -> io::Result<Written> {
        if let Some(unfinished) = &mut self.unfinished {
            // Its end was told as a failure already; the message it wrote is found by its next attempt.
            drop(unfinished.await);
        }
        let running = self.unfinished.insert(tokio::task::spawn_blocking(move || job.write()));
        let result = running.await.map_err(io::Error::other);
        self.unfinished = None;
        result?
    }
}

impl Connection for Slot {
    fn send<'a>(&'a mut self, out: &'a Outgoing) -> BoxFuture<'a, Sent> {
        Box::pin(self.send(out))
    }

    fn close(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

impl Job {
    fn write(&self) -> io::Result<Written> {
        let path = self.directory.join(&self.relative);
        let folder = path.parent().unwrap_or(&self.directory).to_path_buf();
        make_folders(&folder, self.mode)?;
        if holds(&path, &self.payload)? {
            return self.found(path, &folder);
        }
        let temporary = folder.join(&self.temporary);
        let result =
            write_whole(&temporary, &self.payload, self.mode).and_then(|()| self.publish(&temporary, path, &folder));
        if result.is_err() {
            // Best effort: the next attempt overwrites it.
            drop(std::fs::remove_file(&temporary));
        }
        result
    }

    fn found(&self, path: PathBuf, folder: &Path) -> io::Result<Written> {
        // Its rename may not have reached the disk before a crash.
        sync_folder(folder)?;
        Ok(Written { path, bytes: self.payload.len(), is_new: false })
    }

    fn publish(&self, temporary: &Path, path: PathBuf, folder: &Path) -> io::Result<Written> {
        for path in [path.clone(), name::beside(&path, &self.id)] {
            match rename_new(temporary, &path) {
                Ok(()) => {
                    sync_folder(folder)?;
                    return Ok(Written { path, bytes: self.payload.len(), is_new: true });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if holds(&path, &self.payload)? {
                        drop(std::fs::remove_file(temporary));
                        return self.found(path, folder);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "other files stand under both names of this message"))
    }
}

/// Whether the file is there with exactly these bytes.
fn holds(path: &Path, payload: &[u8]) -> io::Result<bool> {
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() && meta.len() == payload.len() as u64 => Ok(std::fs::read(path)? == payload),
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn write_whole(path: &Path, payload: &[u8], mode: u32) -> io::Result<()> {
    // Made for its owner alone, whatever the umask; opened to others once it is known to be ours.
    let mut file = std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(payload)?;
    file.sync_all()
}

fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // File systems without it: look, then rename; only this process writes these names.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if !to.try_exists()? => std::fs::rename(from, to),
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => Err(io::ErrorKind::AlreadyExists.into()),
        result => Ok(result?),
    }
}

fn make_folders(folder: &Path, mode: u32) -> io::Result<()> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|path| !path.is_dir()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    // Who may read what is in it may enter it.
    let mode = mode | (mode & 0o444) >> 2;
    for path in missing.into_iter().rev().filter(|path| !path.as_os_str().is_empty()) {
        match std::fs::DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => std::fs::set_permissions(path, Permissions::from_mode(mode))?,
            // Another slot makes it.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            Err(error) => return Err(error),
        }
    }
    // Every folder that was made is an entry of the one above it.
    for parent in folder.ancestors().skip(1).take(super::FOLDERS_MAX + 1) {
        sync_folder(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })?;
    }
    Ok(())
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

/// Looks whether a file can be made in the folder; leaves nothing behind.
pub(super) async fn probe(settings: &Arc<FileSettings>) -> Vec<Met> {
    let directory = settings.directory.clone();
    let start = Instant::now();
    let tried = tokio::task::spawn_blocking(move || {
        let path = directory.join(".tmp-probe");
        write_whole(&path, b"", 0o600)?;
        std::fs::remove_file(&path)?;
        rustix::fs::statvfs(&directory).map_err(io::Error::from)
    });
    let result = tried.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    let target = settings.directory.display().to_string();
    let mut met = Met { target, problem: None, took: start.elapsed(), facts: Vec::new() };
    match result {
        Ok(disk) => met.facts.push(("free", format!("{} MiB", (disk.f_bavail * disk.f_frsize) >> 20))),
        Err(error) => met.problem = Some(error.to_string()),
    }
    vec![met]
}
