//! What an engine can be asked and told, as one object-safe trait with two implementations: the engine itself, and the client of its socket.

use std::fmt;

use barid_model::{ErrorClass, MessageUid};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::protocol::{
    Audit, AuditRequest, DiscardRequest, Done, DryRunRequest, DryRunView, ExplainRequest, Explanation, MessageDetail,
    MessageQuery, MessageRow, Page, ParkedQuery, ParkedRow, PauseRequest, PayloadRequest, ProbeRequest, Probed,
    RefusedQuery, RefusedRow, ReleaseRequest, ReloadRequest, Reloaded, ReplayRequest, Replayed, RerunRequest,
    ResendRequest, Resent, ResumeRequest, SnapshotView, Status,
};

/// What became of a command.
pub type CommandResult<T> = Result<T, CommandError>;

/// Why a command was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ErrorKind {
    /// No such message, delivery, channel or destination.
    NotFound,
    /// The request makes no sense.
    Invalid,
    /// It makes sense, but not in the present state: a delivery that is not quarantined, a lane that is not held.
    Conflict,
    /// No engine runs, or it cannot now: starting, draining, no space, too many commands.
    Unavailable,
    /// It went wrong.
    Failed,
}

/// A command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommandError {
    /// Which kind of reason.
    pub kind: ErrorKind,
    /// The reason, and what to do; without patient data.
    pub text: String,
}

impl CommandError {
    /// An error of this kind.
    #[must_use]
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// No such thing.
    #[must_use]
    pub fn not_found(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, text)
    }

    /// The request makes no sense.
    #[must_use]
    pub fn invalid(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, text)
    }

    /// Not in the present state.
    #[must_use]
    pub fn conflict(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, text)
    }

    /// Not now.
    #[must_use]
    pub fn unavailable(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, text)
    }

    /// It went wrong.
    #[must_use]
    pub fn failed(error: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Failed, error.to_string())
    }

    /// A command that needs a running engine, asked of a data directory alone.
    #[must_use]
    pub fn needs_engine() -> Self {
        Self::unavailable(
            "no engine runs on this data directory, and this command needs one: start it with `barid run`",
        )
    }

    /// What a caller may do.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        match self.kind {
            ErrorKind::NotFound | ErrorKind::Invalid | ErrorKind::Conflict => ErrorClass::Rejected,
            ErrorKind::Unavailable => ErrorClass::Retryable,
            ErrorKind::Failed => ErrorClass::Fatal,
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for CommandError {}

/// What an engine can be asked and told. Commands that change something carry who and why, and are recorded in the log before they take effect.
pub trait Commands: Send + Sync + 'static {
    /// How it is.
    fn status(&self) -> BoxFuture<'_, CommandResult<Status>>;
    /// A page of accepted messages, newest first.
    fn messages(&self, query: MessageQuery) -> BoxFuture<'_, CommandResult<Page<MessageRow>>>;
    /// A page of refused messages, newest first.
    fn refused(&self, query: RefusedQuery) -> BoxFuture<'_, CommandResult<Page<RefusedRow>>>;
    /// A page of what waits for a person, or behind what does: deliveries held and what follows them, then what is
    /// quarantined; of the newest messages first.
    fn parked(&self, query: ParkedQuery) -> BoxFuture<'_, CommandResult<Page<ParkedRow>>>;
    /// One message's way.
    fn show(&self, uid: MessageUid) -> BoxFuture<'_, CommandResult<MessageDetail>>;
    /// Bytes of one message: as received, as sent, or a destination's answer.
    fn payload(&self, request: PayloadRequest) -> BoxFuture<'_, CommandResult<Bytes>>;
    /// Whether the balance holds (G4).
    fn audit(&self, request: AuditRequest) -> BoxFuture<'_, CommandResult<Audit>>;
    /// What is in effect for one document, and from where.
    fn explain(&self, request: ExplainRequest) -> BoxFuture<'_, CommandResult<Explanation>>;
    /// The documents that run.
    fn snapshot(&self) -> BoxFuture<'_, CommandResult<SnapshotView>>;
    /// Goes to a destination without sending it a message, with the secrets of this process.
    fn probe(&self, request: ProbeRequest) -> BoxFuture<'_, CommandResult<Probed>>;
    /// Says what would become of a message, without accepting, storing or sending anything.
    fn dry_run(&self, request: DryRunRequest) -> BoxFuture<'_, CommandResult<DryRunView>> {
        drop(request);
        Box::pin(std::future::ready(Err(CommandError::needs_engine())))
    }
    /// Sends messages again as new ones.
    fn replay(&self, request: ReplayRequest) -> BoxFuture<'_, CommandResult<Replayed>>;
    /// Sends an edited message as a child of the one it was made from.
    fn resend(&self, request: ResendRequest) -> BoxFuture<'_, CommandResult<Resent>>;
    /// Runs quarantined deliveries again.
    fn rerun(&self, request: RerunRequest) -> BoxFuture<'_, CommandResult<Done>>;
    /// Gives quarantined or held deliveries up.
    fn discard(&self, request: DiscardRequest) -> BoxFuture<'_, CommandResult<Done>>;
    /// Lets a held lane go on.
    fn release(&self, request: ReleaseRequest) -> BoxFuture<'_, CommandResult<Done>>;
    /// Pauses a channel or destination, beyond restarts.
    fn pause(&self, request: PauseRequest) -> BoxFuture<'_, CommandResult<Done>>;
    /// Ends such a pause.
    fn resume(&self, request: ResumeRequest) -> BoxFuture<'_, CommandResult<Done>>;
    /// Reads the documents again now.
    fn reload(&self, request: ReloadRequest) -> BoxFuture<'_, CommandResult<Reloaded>>;
}
