//! Where messages come from: files, a list, or a generator.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use barid_hl7::{Draft, Header, Limits, Message, SegmentEnds};
use bytes::Bytes;

use crate::generate::Generator;

/// Largest file that is read, in bytes.
const FILE_MAX: u64 = 256 * 1024 * 1024;

/// A message to send.
#[derive(Clone)]
pub struct Outbound {
    /// MSH-10, by which its answer is known.
    pub control_id: Bytes,
    /// The message.
    pub bytes: Bytes,
}

impl Outbound {
    /// A message; its control id is read from it.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        let control_id = Bytes::copy_from_slice(Header::read(&bytes).control_id());
        Self { control_id, bytes }
    }
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Outbound({} B)", self.bytes.len())
    }
}

/// Gives messages, from many connections at once.
pub trait Source: Send + Sync {
    /// The next message of a connection; none: there is no more for it.
    fn next(&self, connection: usize) -> Option<Outbound>;
}

/// A list that all connections share: each message goes out once, on whichever connection comes first.
#[derive(Debug)]
pub struct Listed {
    messages: Vec<Outbound>,
    next: AtomicU64,
}

impl Listed {
    /// These messages.
    #[must_use]
    pub fn new(messages: impl IntoIterator<Item = Bytes>) -> Self {
        Self { messages: messages.into_iter().map(Outbound::new).collect(), next: AtomicU64::new(0) }
    }
}

impl Source for Listed {
    fn next(&self, _: usize) -> Option<Outbound> {
        let nth = self.next.fetch_add(1, Ordering::Relaxed);
        self.messages.get(usize::try_from(nth).ok()?).cloned()
    }
}

/// Made up messages, one generator a connection.
#[derive(Debug)]
pub struct Made {
    generators: Vec<(Generator, AtomicU64)>,
    each: u64,
}

impl Made {
    /// So many messages of each generator; connection n uses generator n, and the first again beyond the last.
    #[must_use]
    pub fn new(generators: Vec<Generator>, each: u64) -> Self {
        Self { generators: generators.into_iter().map(|generator| (generator, AtomicU64::new(0))).collect(), each }
    }
}

impl Source for Made {
    fn next(&self, connection: usize) -> Option<Outbound> {
        let (generator, next) = self.generators.get(connection.checked_rem(self.generators.len())?)?;
        let nth = next.fetch_add(1, Ordering::Relaxed);
        if nth >= self.each {
            return None;
        }
        let made = generator.message(nth);
        Some(Outbound { control_id: Bytes::from(made.control_id.into_bytes()), bytes: made.bytes })
    }
}

/// Messages of files, in the order of their names; a file may hold several, each beginning with MSH.
#[derive(Debug)]
pub struct Files {
    messages: Vec<Bytes>,
    count: u64,
    fresh: Option<String>,
    next: AtomicU64,
}

/// Files that cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A file or folder cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is larger than is read at once.
    #[error("{path} has {bytes} bytes; at most {FILE_MAX} are read: split it")]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// How large.
        bytes: u64,
    },
    /// Nothing in them begins with MSH.
    #[error("there is no message: a message begins with MSH")]
    Empty,
}

impl Files {
    /// The messages of these files, and of the files in these folders. Line feeds become CR, as MLLP wants it.
    ///
    /// # Errors
    /// [`FilesError`] where one cannot be read, or none holds a message.
    pub fn read(paths: &[PathBuf]) -> Result<Self, FilesError> {
        let mut files = Vec::new();
        for path in paths {
            list(path, &mut files)?;
        }
        let mut messages = Vec::new();
        for file in &files {
            messages.extend(split(&read(file)?));
        }
        if messages.is_empty() {
            return Err(FilesError::Empty);
        }
        let count = messages.len() as u64;
        Ok(Self { messages, count, fresh: None, next: AtomicU64::new(0) })
    }

    /// How many messages the files hold.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Never: [`Self::read`] refuses that.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Sends this many in all, beginning anew after the last.
    #[must_use]
    pub fn count(self, count: u64) -> Self {
        Self { count, ..self }
    }

    /// Gives each message a control id of its own that begins with this: without, what is sent twice is a duplicate.
    #[must_use]
    pub fn fresh_ids(self, prefix: &str) -> Self {
        Self { fresh: Some(prefix.to_owned()), ..self }
    }
}

impl Source for Files {
    fn next(&self, _: usize) -> Option<Outbound> {
        let nth = self.next.fetch_add(1, Ordering::Relaxed);
        if nth >= self.count {
            return None;
        }
        let at = nth.checked_rem(self.messages.len() as u64)?;
        let message = self.messages.get(usize::try_from(at).ok()?)?;
        let bytes = match &self.fresh {
            Some(prefix) => with_control_id(message, &format!("{prefix}{nth:08}")),
            None => message.clone(),
        };
        Some(Outbound::new(bytes))
    }
}

/// The message with another control id; as it is where it is no HL7, so that nonsense can be sent on purpose.
fn with_control_id(message: &Bytes, control_id: &str) -> Bytes {
    let Ok(parsed) = Message::parse(message.clone(), &Limits::default()) else { return message.clone() };
    let mut draft = Draft::new(&parsed.message);
    match draft.set(&barid_hl7::Path::msh(10), control_id) {
        Ok(_) => draft.finish(SegmentEnds::AsReceived),
        Err(_) => message.clone(),
    }
}

fn list(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), FilesError> {
    let fail = |source| FilesError::Read { path: path.to_owned(), source };
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut inside = Vec::new();
    for entry in std::fs::read_dir(path).map_err(fail)? {
        let entry = entry.map_err(fail)?.path();
        let is_hidden = entry.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if entry.is_file() && !is_hidden {
            inside.push(entry);
        }
    }
    inside.sort();
    files.append(&mut inside);
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, FilesError> {
    let fail = |source| FilesError::Read { path: path.to_owned(), source };
    let bytes = std::fs::metadata(path).map_err(fail)?.len();
    if bytes > FILE_MAX {
        return Err(FilesError::TooLarge { path: path.to_owned(), bytes });
    }
    std::fs::read(path).map_err(fail)
}

/// The messages of a file: each begins with MSH at the start of a line. Framing bytes around them are taken off.
fn split(file: &[u8]) -> Vec<Bytes> {
    let file = file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(file);
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for line in file.split(|byte| matches!(byte, b'\r' | b'\n')) {
        let line = line.strip_prefix(b"\x0B").unwrap_or(line);
        let line = line.strip_suffix(b"\x1C").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        if line.starts_with(b"MSH") {
            messages.push(Vec::new());
        }
        if let Some(message) = messages.last_mut() {
            message.extend_from_slice(line);
            message.push(b'\r');
        }
    }
    messages.into_iter().map(Bytes::from).collect()
}
