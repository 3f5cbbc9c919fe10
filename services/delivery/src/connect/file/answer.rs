//! What a written file, or a disk that refuses, means.

use std::io;
use std::path::{Path, PathBuf};

use crate::connect::{Answered, TransportError, TransportKind};

/// A file that is there for good.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) path: PathBuf,
    pub(super) bytes: usize,
    /// Whether it was written now, or found from an attempt before.
    pub(super) is_new: bool,
}

/// A written file is the receiver's whole answer: `written`, or `present` where it was there already. The name may
/// hold patient data, so it is kept with the answer and told nowhere else.
pub(super) fn accepted(written: &Written) -> Answered {
    let code = if written.is_new { "written" } else { "present" };
    let bytes = format!("{} ({} bytes)", written.path.display(), written.bytes).into_bytes();
    Answered::accepted(code, bytes.into())
}

/// Every failure of a disk may pass: somebody makes room, mounts the share, sets the permissions.
pub(super) fn failure(directory: &Path, error: &io::Error) -> TransportError {
    // Without the file's name: an expression may have put patient data there.
    TransportError::new(TransportKind::Storage, format!("{}: {}", directory.display(), error.kind()))
}
