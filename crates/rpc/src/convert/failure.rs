//! Why an item of a call has no output.

use barid_model::stage::StageError;

use super::{Strict, copy, invalid, revision};
use crate::proto::model::v1 as wire;

/// What a replica says of an item that it has no output for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failed {
    /// The stage's own error.
    Stage(StageError),
    /// The item cannot be read.
    Invalid(String),
    /// The result did not fit: ask for it alone.
    Alone,
}

pub(crate) fn failure_wire(failed: &Failed) -> wire::Failure {
    let (kind, text, revision) = match failed {
        Failed::Stage(StageError::Crashed) => (wire::failure::Kind::Crashed, String::new(), None),
        Failed::Stage(StageError::UnknownRevision(revision)) => {
            (wire::failure::Kind::UnknownRevision, String::new(), Some(revision))
        }
        Failed::Stage(StageError::Unavailable(text)) => (wire::failure::Kind::Unavailable, text.clone(), None),
        Failed::Invalid(text) => (wire::failure::Kind::Invalid, text.clone(), None),
        Failed::Alone => (wire::failure::Kind::Alone, String::new(), None),
    };
    let revision = revision.map(|revision| copy(revision.as_bytes())).unwrap_or_default();
    wire::Failure { kind: kind.into(), text, revision }
}

pub(crate) fn failed(wire: wire::Failure) -> Strict<Failed> {
    Ok(match wire::failure::Kind::try_from(wire.kind) {
        Ok(wire::failure::Kind::Crashed) => Failed::Stage(StageError::Crashed),
        Ok(wire::failure::Kind::UnknownRevision) => {
            Failed::Stage(StageError::UnknownRevision(revision(&wire.revision, "failure.revision")?))
        }
        Ok(wire::failure::Kind::Unavailable) => Failed::Stage(StageError::Unavailable(wire.text)),
        Ok(wire::failure::Kind::Invalid) => Failed::Invalid(wire.text),
        Ok(wire::failure::Kind::Alone) => Failed::Alone,
        Ok(wire::failure::Kind::Unspecified) | Err(_) => return Err(invalid("failure.kind")),
    })
}
