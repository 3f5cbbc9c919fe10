//! Commands between replicas: the words of the control socket, carried over the contract of calls.

use barid_rpc::control::{Command, CommandRefused, RefusalKind};
use barid_runtime::control::{CommandError, CommandResult, ErrorKind};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a request says.
///
/// # Errors
/// Where it does not say it.
pub fn read<T: DeserializeOwned>(request: &[u8]) -> Result<T, CommandRefused> {
    serde_json::from_slice(request)
        .map_err(|error| CommandRefused { kind: RefusalKind::Invalid, text: format!("not understood: {error}") })
}

/// An answer, or why there is none.
///
/// # Errors
/// As given.
pub fn answer<T: Serialize>(answer: CommandResult<T>) -> Result<Bytes, CommandRefused> {
    let written = serde_json::to_vec(&answer.map_err(refused)?);
    written.map(Bytes::from).map_err(|error| CommandRefused { kind: RefusalKind::Failed, text: error.to_string() })
}

/// What this kind of replica cannot be told.
#[must_use]
pub fn not_here(command: Command) -> CommandRefused {
    let text = format!("this service has no command {}", command.word());
    CommandRefused { kind: RefusalKind::Invalid, text }
}

/// A request, as it travels.
///
/// # Errors
/// Where it cannot be written.
pub fn request<T: Serialize>(request: &T) -> CommandResult<Bytes> {
    serde_json::to_vec(request).map(Bytes::from).map_err(CommandError::failed)
}

/// What an answer says.
///
/// # Errors
/// Where it is of another release and does not say it.
pub fn answered<T: DeserializeOwned>(answer: &[u8]) -> CommandResult<T> {
    serde_json::from_slice(answer)
        .map_err(|error| CommandError::failed(format!("its answer is not understood: {error}")))
}

/// A refusal, as the tool shows it.
#[must_use]
pub fn error(refused: CommandRefused) -> CommandError {
    let kind = match refused.kind {
        RefusalKind::NotFound => ErrorKind::NotFound,
        RefusalKind::Invalid => ErrorKind::Invalid,
        RefusalKind::Conflict => ErrorKind::Conflict,
        RefusalKind::Unavailable | RefusalKind::NotOwner => ErrorKind::Unavailable,
        RefusalKind::Failed => ErrorKind::Failed,
    };
    CommandError { kind, text: refused.text }
}

fn refused(error: CommandError) -> CommandRefused {
    let kind = match error.kind {
        ErrorKind::NotFound => RefusalKind::NotFound,
        ErrorKind::Invalid => RefusalKind::Invalid,
        ErrorKind::Conflict => RefusalKind::Conflict,
        ErrorKind::Unavailable => RefusalKind::Unavailable,
        ErrorKind::Failed => RefusalKind::Failed,
    };
    CommandRefused { kind, text: error.text }
}
