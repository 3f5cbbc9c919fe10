//! Commands to a mesh (`barid.control.v1`): which command, who and why are the contract's; the words of a command and of
//! its answer are those of the engine's control socket and pass through unread.
//!
//! Refused here, before anybody acts: a command without actor or reason where it changes something, and too much of
//! either. What is done, and that it is recorded first, is the business of [`Commanded`].

mod direct;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::{Stream, stream};
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use crate::convert::{Strict, invalid, needed};
use crate::limits;
use crate::proto::control::v1 as wire;
use crate::proto::control::v1::control_client::ControlClient;
use crate::proto::control::v1::control_server::{Control, ControlServer};
use crate::remote::{Replicas, Target};
use crate::serve::Computer;
use crate::tls::Tls;
use crate::transport::dial::Requests;
pub use direct::{Direct, NotTold};
use wire::run_response::Message;

/// The service, as the health protocol names it.
pub(crate) const SERVICE: &str = "barid.control.v1.Control";
/// Largest request, in bytes: a message of 16 MiB in base64.
pub const REQUEST_BYTES_MAX: usize = 24 << 20;
/// Largest answer, in bytes: a page of rows, or a message.
pub const ANSWER_BYTES_MAX: usize = limits::MESSAGE_BYTES_MAX;
/// Bytes of one message of an answer.
const CHUNK_BYTES: usize = 1 << 20;
/// How long a command may take: as long as the tool waits for one.
const COMMAND: Duration = Duration::from_secs(600);
/// Longest actor and reason, in bytes.
const ACTOR_BYTES_MAX: usize = 256;
const REASON_BYTES_MAX: usize = 1_024;

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident $path:literal),* $(,)?) => {
        /// A command.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Command { $($(#[$doc])* $name),* }

        impl Command {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its word, as the control socket's paths have it.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $path),* }
            }

            const fn wire(self) -> wire::Command {
                match self { $(Self::$name => wire::Command::$name),* }
            }

            fn read(number: i32) -> Strict<Self> {
                match wire::Command::try_from(number) {
                    $(Ok(wire::Command::$name) => Ok(Self::$name),)*
                    Ok(wire::Command::Unspecified) | Err(_) => Err(invalid("command")),
                }
            }
        }
    };
}

commands! {
    /// How it is.
    Status "status",
    /// A page of accepted messages.
    Messages "messages",
    /// A page of refused messages.
    Refused "refused",
    /// A page of what waits for a person.
    Parked "parked",
    /// One message's way.
    Show "show",
    /// Bytes of one message.
    Payload "payload",
    /// Whether the balance holds.
    Audit "audit",
    /// What is in effect for one document.
    Explain "explain",
    /// The documents that run.
    Snapshot "snapshot",
    /// Goes to a destination without a message.
    Probe "probe",
    /// How the replica that is asked is, with what it owns.
    Replica "replica",
    /// What the owner of a destination knows of the last tries of deliveries.
    Tries "tries",
    /// Sends messages again as new ones.
    Replay "replay",
    /// Sends an edited message.
    Resend "resend",
    /// Runs quarantined deliveries again.
    Rerun "rerun",
    /// Gives deliveries up.
    Discard "discard",
    /// Lets a held lane go on.
    Release "release",
    /// Pauses a channel or destination.
    Pause "pause",
    /// Ends such a pause.
    Resume "resume",
    /// Reads the documents again now.
    Reload "reload",
    /// Does one thing to what waits at a destination, by its owner.
    Act "act",
}

impl Command {
    /// Whether it changes something: then somebody has to answer for it.
    #[must_use]
    pub fn changes(self) -> bool {
        self >= Self::Replay
    }
}

/// Who acts, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// Who; not empty.
    pub actor: String,
    /// Why; not empty.
    pub reason: String,
}

/// Which kind of reason a command was not carried out for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// No such thing.
    NotFound,
    /// The request makes no sense.
    Invalid,
    /// Not in the present state.
    Conflict,
    /// Not now.
    Unavailable,
    /// It went wrong.
    Failed,
    /// Nothing was done: what is meant is not, or no longer, owned by who was asked.
    NotOwner,
}

/// A command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct CommandRefused {
    /// Which kind of reason.
    pub kind: RefusalKind,
    /// The reason and what to do; without patient data.
    pub text: String,
}

/// Carries commands out.
pub trait Commanded: Send + Sync + 'static {
    /// Carries one out: its request and its answer as on the control socket. `by` is there for each that changes something.
    fn run(&self, command: Command, by: Option<By>, request: Bytes) -> BoxFuture<'_, Result<Bytes, CommandRefused>>;
}

pub(crate) struct Served<C>(Arc<C>, Computer);

impl<C: Commanded> Served<C> {
    pub(crate) fn service(commanded: Arc<C>, computer: Computer) -> ControlServer<Self> {
        ControlServer::new(Self(commanded, computer)).max_decoding_message_size(REQUEST_BYTES_MAX + CHUNK_BYTES)
    }
}

#[tonic::async_trait]
impl<C: Commanded> Control for Served<C> {
    type RunStream = Pin<Box<dyn Stream<Item = Result<wire::RunResponse, Status>> + Send>>;

    async fn run(&self, request: Request<wire::RunRequest>) -> Result<Response<Self::RunStream>, Status> {
        // In hand until it is done: a drain waits for it.
        let held = self.1.hold()?;
        let request = request.into_inner();
        let read = || -> Strict<(Command, Option<By>)> {
            let command = Command::read(request.command)?;
            Ok((command, by(command, request.by)?))
        };
        let (command, by) = read().map_err(|error| Status::invalid_argument(error.to_string()))?;
        let messages: Vec<Message> = match self.0.run(command, by, request.request).await {
            Ok(answer) => chunks(answer).map(Message::Chunk).collect(),
            Err(refused) => {
                vec![Message::Error(wire::CommandError { kind: kind_wire(refused.kind).into(), text: refused.text })]
            }
        };
        drop(held);
        let messages = messages.into_iter().map(|message| Ok(wire::RunResponse { message: Some(message) }));
        Ok(Response::new(Box::pin(stream::iter(messages))))
    }
}

fn by(command: Command, by: Option<wire::By>) -> Strict<Option<By>> {
    match (by, command.changes()) {
        (None, false) => Ok(None),
        (None, true) => Err(invalid("by")),
        (Some(_), false) => Err(invalid("by: the command changes nothing")),
        (Some(by), true) => {
            if by.actor.trim().is_empty() || by.actor.len() > ACTOR_BYTES_MAX {
                return Err(invalid("by.actor"));
            }
            if by.reason.trim().is_empty() || by.reason.len() > REASON_BYTES_MAX {
                return Err(invalid("by.reason"));
            }
            Ok(Some(By { actor: by.actor, reason: by.reason }))
        }
    }
}

fn chunks(mut answer: Bytes) -> impl Iterator<Item = Bytes> {
    let mut first = true;
    std::iter::from_fn(move || {
        if answer.is_empty() && !std::mem::take(&mut first) {
            return None;
        }
        first = false;
        Some(answer.split_to(answer.len().min(CHUNK_BYTES)))
    })
}

const fn kind_wire(kind: RefusalKind) -> wire::command_error::Kind {
    use wire::command_error::Kind;
    match kind {
        RefusalKind::NotFound => Kind::NotFound,
        RefusalKind::Invalid => Kind::Invalid,
        RefusalKind::Conflict => Kind::Conflict,
        RefusalKind::Unavailable => Kind::Unavailable,
        RefusalKind::Failed => Kind::Failed,
        RefusalKind::NotOwner => Kind::NotOwner,
    }
}

fn kind(number: i32) -> Strict<RefusalKind> {
    use wire::command_error::Kind;
    Ok(match Kind::try_from(number) {
        Ok(Kind::NotFound) => RefusalKind::NotFound,
        Ok(Kind::Invalid) => RefusalKind::Invalid,
        Ok(Kind::Conflict) => RefusalKind::Conflict,
        Ok(Kind::Unavailable) => RefusalKind::Unavailable,
        Ok(Kind::Failed) => RefusalKind::Failed,
        Ok(Kind::NotOwner) => RefusalKind::NotOwner,
        Ok(Kind::Unspecified) | Err(_) => return Err(invalid("error.kind")),
    })
}

/// Asks over a connection, and puts the answer together.
async fn ask(
    requests: Requests,
    command: Command,
    by: Option<By>,
    request: Bytes,
    within: Duration,
) -> Result<Bytes, CommandRefused> {
    if request.len() > REQUEST_BYTES_MAX {
        return Err(refused(RefusalKind::Invalid, "the request is too large"));
    }
    let mut client = ControlClient::new(requests)
        .max_decoding_message_size(CHUNK_BYTES * 2)
        .max_encoding_message_size(REQUEST_BYTES_MAX + CHUNK_BYTES);
    let by = by.map(|By { actor, reason }| wire::By { actor, reason });
    let mut request = Request::new(wire::RunRequest { command: command.wire().into(), by, request });
    request.set_timeout(within);
    let failed = |status: Status| {
        let kind = match status.code() {
            tonic::Code::InvalidArgument => RefusalKind::Invalid,
            tonic::Code::Unavailable
            | tonic::Code::ResourceExhausted
            | tonic::Code::DeadlineExceeded
            | tonic::Code::Cancelled => RefusalKind::Unavailable,
            _ => RefusalKind::Failed,
        };
        refused(kind, status.message())
    };
    let mut answered = client.run(request).await.map_err(failed)?.into_inner();
    let mut answer = BytesMut::new();
    while let Some(response) = answered.message().await.map_err(failed)? {
        let broken = |error: crate::Invalid| refused(RefusalKind::Failed, &error.to_string());
        match needed(response.message, "message").map_err(broken)? {
            Message::Chunk(chunk) if answer.len() + chunk.len() > ANSWER_BYTES_MAX => {
                return Err(refused(RefusalKind::Failed, "the answer is too large"));
            }
            Message::Chunk(chunk) => answer.extend_from_slice(&chunk),
            Message::Error(error) => return Err(refused(kind(error.kind).map_err(broken)?, &error.text)),
        }
    }
    Ok(answer.freeze())
}

fn refused(kind: RefusalKind, text: &str) -> CommandRefused {
    CommandRefused { kind, text: text.to_owned() }
}

/// A mesh, commanded from elsewhere. A command is sent once: whether one that changes something took effect before a
/// connection broke is for a person to see.
pub struct RemoteCommanded {
    replicas: Arc<Replicas>,
}

impl RemoteCommanded {
    /// Begins to look for who carries commands out. Needs a tokio runtime.
    #[must_use]
    pub fn new(targets: Vec<Target>, tls: Option<Arc<Tls>>) -> Self {
        Self { replicas: Replicas::resolving(SERVICE, targets, tls) }
    }

    async fn ask(&self, command: Command, by: Option<By>, request: Bytes) -> Result<Bytes, CommandRefused> {
        let nobody = || refused(RefusalKind::Unavailable, "nobody who carries commands out can be reached");
        let replica = self.replicas.choose(None, Instant::now() + limits::DEADLINE).await.ok_or_else(nobody)?;
        ask(replica.requests().ok_or_else(nobody)?, command, by, request, COMMAND).await
    }
}

impl Commanded for RemoteCommanded {
    fn run(&self, command: Command, by: Option<By>, request: Bytes) -> BoxFuture<'_, Result<Bytes, CommandRefused>> {
        Box::pin(self.ask(command, by, request))
    }
}

#[cfg(test)]
mod tests;
