//! The durable log: custody of messages moves over it.
//!
//! One trait, [`Log`], with records in order per [`Subject`] and small keyed state ([`Key`]) beside them, both by compare-and-set. Implementations here:
//! [`memory`] (tests and simulation: crashes, a full log and unknown results on command) and [`disk`] (one process, segment files, group commit). The mesh's
//! log over JetStream is another crate; all of them pass the suite in `contract`.
//!
//! To the log a record is opaque bytes: the envelope, its versions and its meaning belong to those who write and read it. [`Writer`] and [`Reader`] hold
//! what every user of the trait would otherwise repeat: a subject's last position, the settling of unknown results, waiting for new records.

mod api;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod disk;
mod error;
pub mod memory;
mod name;
mod reader;
#[cfg(test)]
mod tests;
mod watchers;
mod writer;

pub use api::{
    Batch, Bounds, BoxFuture, Damage, Entry, Identity, Log, MAX_APPEND_BYTES, MAX_QUEUED_APPENDS, MAX_QUEUED_BYTES,
    MAX_RECORD_BYTES, MAX_VALUE_BYTES, Position, Purpose, ReadLimit, Revision, SpaceLevel, Ticket,
};
pub use error::LogError;
pub use name::{Key, MAX_NAME_BYTES, Subject};
pub use reader::Reader;
pub use writer::Writer;
