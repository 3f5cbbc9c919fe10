//! HL7 v2 in MLLP frames over TCP or TLS.
//!
//! A message is delivered when an acknowledgement came whose MSA-2 is, byte for byte, the MSH-10 that was sent on this
//! connection. Anything else that comes (an answer to another message, bytes that are no frame, an answer that is no
//! acknowledgement) closes the connection, and the message is sent again on a new one; so a late or doubled answer
//! has no connection left on which it could be taken for the next message's. The same control id twice within a few
//! messages of one connection would make a doubled answer look right, so the second goes out on a new connection.
//!
//! In enhanced mode the first acknowledgement counts by default: CA says that the receiver has the message in safe
//! storage. [`AwaitAck::Application`] waits for the application's own word. An application acknowledgement that comes
//! after its CA was counted is let pass.

mod answer;
mod connection;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use barid_config::document::AwaitAck;
use barid_config::settings::{MllpRelease, TlsClient};
use futures_util::future::BoxFuture;

use super::dial::{Dialer, Endpoint};
use super::probe::{self, Met};
use super::secret::Secrets;
use super::status::Status;
use super::tls::Tls;
use super::{Connection, Connector};
pub(super) use answer::kept;
use connection::Slot;

/// Largest answer that is read when no sender waits for it, in bytes: an acknowledgement has a few hundred.
pub const ANSWER_MAX: usize = 1024 * 1024;
/// Largest answer that is read for a sender that waits, in bytes: as large as a message may be.
pub const AWAITED_ANSWER_MAX: usize = 16 * 1024 * 1024;

/// Settings of an MLLP destination.
#[derive(Debug, Clone)]
pub struct MllpSettings {
    /// Tried in order.
    pub endpoints: Vec<Endpoint>,
    /// TLS, where it is used.
    pub tls: Option<TlsClient>,
    /// From the first byte written to the answer.
    pub timeout: Duration,
    /// How long written bytes may stay unacknowledged by the receiver's machine.
    pub guard: Duration,
    /// MLLP release.
    pub release: MllpRelease,
    /// What is waited for.
    pub awaits: AwaitAck,
}

/// An MLLP destination.
pub struct Mllp {
    shared: Arc<Shared>,
}

struct Shared {
    dialer: Arc<Dialer>,
    timeout: Duration,
    release: MllpRelease,
    awaits: AwaitAck,
    open: AtomicU64,
    unexpected: AtomicU64,
}

impl Mllp {
    /// A destination with these settings.
    #[must_use]
    pub fn new(settings: MllpSettings, secrets: &Arc<dyn Secrets>) -> Self {
        let tls = settings.tls.map(|tls| Tls::new(tls, &[], Arc::clone(secrets)));
        let shared = Shared {
            dialer: Dialer::new(settings.endpoints, tls, settings.timeout, settings.guard),
            timeout: settings.timeout,
            release: settings.release,
            awaits: settings.awaits,
            open: AtomicU64::new(0),
            unexpected: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }
}

impl Connector for Mllp {
    fn open(&self) -> Box<dyn Connection> {
        Box::new(Slot::new(Arc::clone(&self.shared)))
    }

    fn status(&self) -> Status {
        Status {
            target: self.shared.dialer.current(),
            open: self.shared.open.load(Ordering::Relaxed),
            unexpected: self.shared.unexpected.load(Ordering::Relaxed),
            certificates: self.shared.dialer.certificates(),
        }
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Met>> {
        Box::pin(probe::sockets(&self.shared.dialer))
    }
}
