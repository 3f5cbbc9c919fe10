//! What can be asked of the past, and the record of what people order: the same in one process and in a mesh.
//!
//! Questions go to [`history::History`], which needs no engine; what changes something is first written to the log by the
//! [`journal::Journal`], with who and why. Who then does it is for others.

pub mod acting;
mod again;
mod answered;
pub mod audit;
mod decide;
#[cfg(feature = "mesh")]
pub mod elsewhere;
#[cfg(feature = "mesh")]
pub mod gather;
pub mod history;
pub mod journal;
#[cfg(feature = "mesh")]
pub mod mesh;
pub mod pause;
pub mod payload;
#[cfg(feature = "mesh")]
mod reload;
mod remake;
mod replay;
mod resend;
#[cfg(feature = "mesh")]
pub mod routers;
pub mod rows;
pub mod search;
pub mod select;
pub mod show;
pub mod status;
pub mod trying;
mod turns;
pub mod waiting;

use barid_log::LogError;
use barid_runtime::control::CommandError;

/// What an error of the log means to who gave a command.
#[must_use]
pub fn log_failed(error: LogError) -> CommandError {
    if error.is_retryable() { CommandError::unavailable(error.to_string()) } else { CommandError::failed(error) }
}
