//! The connectors: how one message reaches one kind of receiver, and what the receiver's answer means.
//!
//! Every kind is the same set of files: `<kind>.rs` (settings and [`Connector`]), `<kind>/connection.rs` (one slot: open,
//! send, close), `<kind>/answer.rs` (bytes of an answer into its class) and `<kind>/tests.rs`. A connection has at most
//! one message in flight, so an answer can belong to that message or to none; whatever else comes from the receiver
//! closes the connection and is a transport failure. A connector decides neither order nor repetition: the owner of
//! the destination does, by what [`Sent`] tells.

mod answers;
mod dial;
mod facts;
mod fence;
pub mod file;
pub mod http;
pub mod mllp;
mod outgoing;
mod probe;
pub mod secret;
mod sent;
mod spec;
mod status;
#[cfg(test)]
mod tests;
mod tls;
mod verdict;

pub use answers::Answers;
pub use dial::Endpoint;
pub use facts::Expression;
pub use fence::{Fence, Fenced};
pub use outgoing::Outgoing;
pub use probe::Met;
pub use sent::{AnswerClass, Answered, Sent, TransportError, TransportKind};
pub use spec::{Environment, SpecError, answers, connector};
pub use status::{ReceiverCertificate, Status};
pub use verdict::{Backoff, Verdict};

use std::time::Duration;

use futures_util::future::BoxFuture;

/// How long written bytes may stay unacknowledged by the receiver's machine (`TCP_USER_TIMEOUT`), or its window closed,
/// where nothing else is asked for: after a takeover no frame of the owner before may arrive later than this.
pub const GUARD: Duration = Duration::from_secs(3);

/// One destination's way to its receiver: settings, credentials and shared state of all its connections.
pub trait Connector: Send + Sync {
    /// A new slot. It opens its connection at the first send, and again whenever it was closed; so this neither
    /// waits nor fails. The destination's `connections` says how many slots may be in use at once.
    fn open(&self) -> Box<dyn Connection>;

    /// What its connections are doing, for the status of a running engine.
    fn status(&self) -> Status;

    /// Goes to the receiver as far as one can without sending a message, and tells what it met: one entry an endpoint.
    fn probe(&self) -> BoxFuture<'_, Vec<Met>>;
}

/// One slot of a destination: at most one message in flight.
pub trait Connection: Send {
    /// Sends one message and waits for its answer, within the destination's timeout.
    ///
    /// May be dropped while it waits: the connection is then closed, never used for the next message. The message may
    /// have arrived by then.
    fn send<'a>(&'a mut self, out: &'a Outgoing) -> BoxFuture<'a, Sent>;

    /// Closes the connection in good order (TLS close, FIN); the slot may be used again and then reconnects.
    fn close(&mut self) -> BoxFuture<'_, ()>;
}
