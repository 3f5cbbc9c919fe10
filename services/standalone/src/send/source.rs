//! The messages to send: from files and directories, read once, with the place of MSH-10 known so that an id of its own costs one copy.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use barid_hl7::{Limits, Message, SegmentId};
use bytes::{BufMut as _, Bytes, BytesMut};

/// Most bytes of all messages together: they are held in memory, so that reading files does not set the pace.
pub(super) const SOURCE_BYTES_MAX: u64 = 1 << 30;

/// The messages cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file or directory.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No message begins in it.
    #[error("{} holds no message: nothing in it begins with MSH", .0.display())]
    NoMessage(PathBuf),
    /// There is no file.
    #[error("{} holds no files", .0.display())]
    Empty(PathBuf),
    /// They are more than is held in memory.
    #[error("these files are larger than {} MiB together: send fewer at once", SOURCE_BYTES_MAX >> 20)]
    TooLarge,
}

/// One message, cut around its control id.
#[derive(Debug, Clone)]
struct Template {
    raw: Bytes,
    /// Where MSH-10 stands; none where it cannot be read: the message is sent as it is.
    control_id: Option<(usize, usize)>,
}

/// The messages to send, in order.
#[derive(Debug, Clone, Default)]
pub struct Messages {
    templates: Vec<Template>,
    /// Tells this run's ids from every other's.
    prefix: String,
}

/// One message as it goes out.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Prepared {
    /// Its bytes.
    pub(super) raw: Bytes,
    /// Its MSH-10 as bytes; empty where it has none.
    pub(super) control_id: Bytes,
}

/// Reads messages from files, and from the files of directories in the order of their names. `prefix` begins the ids of messages that get one of their own.
///
/// # Errors
/// [`SourceError`].
pub fn load(paths: &[PathBuf], prefix: &str) -> Result<Messages, SourceError> {
    let mut messages = Messages { templates: Vec::new(), prefix: prefix.to_owned() };
    let mut left = SOURCE_BYTES_MAX;
    for path in paths {
        for file in files(path)? {
            let bytes = read(&file, &mut left)?;
            let before = messages.templates.len();
            messages.templates.extend(split(crate::file::segments_end_in_cr(bytes)).into_iter().map(template));
            if messages.templates.len() == before {
                return Err(SourceError::NoMessage(file));
            }
        }
    }
    Ok(messages)
}

impl Messages {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.templates.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.templates.is_empty()
    }

    /// The message of a turn: they go round. With an id of its own where `unique`.
    pub(super) fn prepare(&self, number: u64, unique: bool) -> Option<Prepared> {
        let place = usize::try_from(number).unwrap_or(0).checked_rem(self.templates.len())?;
        let template = self.templates.get(place)?;
        let Some((start, end)) = template.control_id else {
            return Some(Prepared { raw: template.raw.clone(), control_id: Bytes::new() });
        };
        if !unique {
            return Some(Prepared { raw: template.raw.clone(), control_id: template.raw.slice(start..end) });
        }
        let id = Bytes::from(format!("{}{number}", self.prefix));
        let mut raw = BytesMut::with_capacity(template.raw.len() + id.len());
        raw.put_slice(template.raw.get(..start)?);
        raw.put_slice(&id);
        raw.put_slice(template.raw.get(end..)?);
        Some(Prepared { raw: raw.freeze(), control_id: id })
    }
}

fn files(path: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let failed = |source| SourceError::File { path: path.to_owned(), source };
    if path.as_os_str() == "-" || !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !hidden && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    if files.is_empty() { Err(SourceError::Empty(path.to_owned())) } else { Ok(files) }
}

fn read(path: &Path, left: &mut u64) -> Result<Vec<u8>, SourceError> {
    let failed = |source| SourceError::File { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        std::io::stdin().lock().take(*left + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        std::fs::File::open(path).map_err(failed)?.take(*left + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    *left = left.checked_sub(bytes.len() as u64).ok_or(SourceError::TooLarge)?;
    Ok(bytes)
}

/// A file may hold several messages, framed or not: each begins with MSH at the start of a line. Batch segments around them are left out.
fn split(bytes: Bytes) -> Vec<Bytes> {
    let starts_line =
        |at: usize| at == 0 || bytes.get(at - 1).is_some_and(|before| matches!(before, b'\r' | b'\n' | 0x0b));
    let starts: Vec<usize> = memchr::memmem::find_iter(&bytes, b"MSH").filter(|at| starts_line(*at)).collect();
    let ends = starts.iter().skip(1).copied().chain(std::iter::once(bytes.len()));
    starts.iter().zip(ends).map(|(start, end)| trimmed(bytes.slice(*start..end))).collect()
}

/// Without framing and trailer segments that follow the message in a file.
fn trimmed(message: Bytes) -> Bytes {
    let framed = message.iter().position(|byte| *byte == 0x1c).unwrap_or(message.len());
    let batch = [&b"\rBTS"[..], b"\rFTS", b"\rBHS"].iter().filter_map(|end| memchr::memmem::find(&message, end)).min();
    let end = batch.map_or(framed, |at| framed.min(at + 1));
    let text = message.slice(..end);
    let kept = text.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| (last + 2).min(text.len()));
    text.slice(..kept)
}

fn template(raw: Bytes) -> Template {
    let parsed = Message::parse(raw.clone(), &Limits { message_bytes: usize::MAX, ..Limits::default() });
    let control_id = parsed.ok().and_then(|parsed| {
        let header = parsed.message.segments_of(SegmentId::MSH).next()?;
        let field = header.field(10)?.raw();
        // The value is a part of `raw`: how far in is a matter of addresses.
        let start = (field.as_ptr() as usize).checked_sub(raw.as_ptr() as usize)?;
        let end = start + field.len();
        (raw.get(start..end)? == field).then_some((start, end))
    });
    Template { raw, control_id }
}
