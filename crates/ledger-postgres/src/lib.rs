//! The ledger in PostgreSQL: one history for all who ask, of a mesh.
//!
//! The tables are those of the SQLite ledger, in partitions by the day a message was received, so that what is past its
//! retention goes with its storage. A batch is one transaction with the reader's positions in it: what a crash or a lost
//! connection leaves is applied whole or not at all, and reading goes on where the tables say. Several processes may feed
//! one ledger: one writes at a time, told by an epoch in the database, the others stand by.
//!
//! Payloads and answers stay in the log; none is stored here, so nothing has to be sealed. [`barid_ledger::Ledger`] is
//! synchronous: calls wait for the database, whose connections a small runtime of the ledger's own drives.

mod apply;
mod fault;
mod ledger;
mod names;
mod options;
mod partitions;
mod prune;
mod read;
mod row;
mod schema;
mod session;
mod write;
mod writer;

pub use ledger::PostgresLedger;
pub use options::{Options, OptionsError};
