//! The mesh's contracts: calls of stages, configuration and commands over gRPC.
//!
//! A stage that runs elsewhere is called like one that runs here: [`Remote`] implements `model::stage::Call`, gathers calls
//! that wait into batches, balances them over replicas that say they are well, and asks another one where that is safe,
//! which for a pure function it always is. [`serve()`] is the other end: it turns any such stage into a service, runs it off
//! the threads that do I/O, and makes a panic the error of one item. Programs and rule tables do not travel with calls;
//! the serving side holds them by revision ([`Revisions`]) and fetches what it lacks.
//!
//! Conversions are strict (`convert`), transports have no Nagle delay and TLS whose files may change ([`tls`]), and
//! everything has a named bound ([`limits`]). What this leaves to others: what a revision is compiled to, what is done
//! with an output, where snapshots come from and whether a command may be carried out.

pub mod config;
mod contract;
pub mod control;
mod convert;
pub mod limits;
mod proto;
mod remote;
mod revisions;
pub mod route;
pub mod serve;
#[cfg(test)]
mod tests;
mod transport;

pub use contract::{ApplyContract, Contract, ParseContract};
pub use convert::Invalid;
pub use remote::{Figures, Options, Remote, Target};
pub use revisions::{Closures, Make, Missing, Revisions};
pub use serve::{Services, serve};
pub use transport::tls::{self, Credentials, Tls, TlsError};
pub use transport::{ListenError, Listener, listen};
