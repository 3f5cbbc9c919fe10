//! Where messages enter: MLLP and HTTPS listeners.
//!
//! A message is read within limits, judged by the parse stage, handed to the log, and acknowledged only when it is
//! durable there: custody passes with the acknowledgement and never before. Everything a sender can do wrong (noise,
//! half frames, no HL7 at all, silence, haste, a vanished network) ends in a defined answer or a closed connection, and
//! none of it disturbs another connection.
//!
//! [`Listeners`] runs what a snapshot declares and follows its changes; [`Accept`] is what it hands messages to, and
//! [`custody`] what that is over the log. Left to others: the duplicate judge, and everything after acceptance.

mod accept;
mod certificate;
mod connections;
mod context;
pub mod custody;
mod http;
mod intake;
mod listener;
mod listeners;
pub mod live;
mod metrics;
mod mllp;
mod pending;
#[cfg(feature = "mesh")]
pub mod process;
mod rates;
mod reply;
pub mod report;
mod room;
mod secrets;
mod shown;
mod socket;
mod tls;
mod tokens;
mod traced;

#[cfg(test)]
mod tests;

pub use accept::{Accept, AcceptError, AnswerForSender, Seen, Ticket};
pub use connections::ConnectionStatus;
pub use context::{Bounds, Parts};
pub use listeners::{DrainReport, ListenerFault, ListenerStatus, Listeners};
pub use metrics::Metrics;
pub use secrets::{Environment, SecretFiles, Secrets};
pub use shown::{SenderCertificate, ShownCertificate};
