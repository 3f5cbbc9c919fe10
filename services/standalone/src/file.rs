//! Messages in files: as people keep them, which is not always as the standard writes them.

use std::io::Read as _;
use std::path::Path;

use barid_runtime::{Exit, Failure};
use bytes::Bytes;

/// Largest message read from a file or standard input, in bytes: what a listener takes at most.
const MESSAGE_BYTES_MAX: u64 = 32 << 20;

/// Reads one message from a file, or from standard input for `-`. Where no CR separates segments, line feeds of an editor become CR.
pub(crate) fn read_message(path: &Path) -> Result<Bytes, Failure> {
    let failed =
        |error: std::io::Error| Failure::new(Exit::Failure, format!("cannot read {}: {error}", path.display()));
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        std::io::stdin().lock().take(MESSAGE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        std::fs::File::open(path)
            .map_err(failed)?
            .take(MESSAGE_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
    }
    if bytes.len() as u64 > MESSAGE_BYTES_MAX {
        return Err(Failure::new(
            Exit::Failure,
            format!("{} is larger than {} MiB", path.display(), MESSAGE_BYTES_MAX >> 20),
        ));
    }
    if bytes.is_empty() {
        return Err(Failure::new(Exit::Failure, format!("{} is empty", path.display())));
    }
    Ok(segments_end_in_cr(bytes))
}

/// Files of editors and of git end their lines with LF or CRLF; a message's segments end with CR. Bytes that have a CR of their own are left alone.
pub(crate) fn segments_end_in_cr(bytes: Vec<u8>) -> Bytes {
    let own_cr = bytes
        .iter()
        .zip(bytes.iter().skip(1).chain(std::iter::once(&0)))
        .any(|(byte, next)| *byte == b'\r' && *next != b'\n');
    if own_cr || !bytes.contains(&b'\n') {
        return Bytes::from(bytes);
    }
    let mut message: Vec<u8> =
        bytes.into_iter().filter(|byte| *byte != b'\r').map(|byte| if byte == b'\n' { b'\r' } else { byte }).collect();
    // Blank lines at the end of a file are no segments.
    while message.ends_with(b"\r\r") {
        message.pop();
    }
    Bytes::from(message)
}
