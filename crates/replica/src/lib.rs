//! A replica of a service of the mesh: what is the same whichever stage it runs.
//!
//! Its life has one order: logging, certificates, the log, the last good snapshot, then what runs, then its port, and only
//! then it says that it serves. Snapshots come over the configuration stream; each is applied whole, kept on disk and only
//! then acknowledged, so that a replica starts without the publisher and never runs what it has not kept. [`Documents`] is
//! the other end: a directory that is compiled and published.
//!
//! Left to others: what a stage does with a snapshot, and what it serves.

mod closures;
mod configuration;
mod documents;
#[cfg(feature = "nats")]
mod log_options;
mod options;
#[cfg(feature = "nats")]
mod ownership;
mod publish;
mod replica;
#[cfg(test)]
mod tests;
pub mod words;

#[cfg(feature = "nats")]
pub use barid_log_nats::{Contact, NatsLog, Terms, forget_claims, owner, present};
pub use closures::LogClosures;
pub use configuration::{Follower, NotApplied, packed, published};
pub use documents::Documents;
#[cfg(feature = "nats")]
pub use log_options::LogOptions;
pub use options::{Options, TlsOptions};
#[cfg(feature = "nats")]
pub use ownership::{Ownership, Owns, Tenure};
pub use publish::{PublishOptions, publish};
pub use replica::{Replica, Reporter, block_on};
