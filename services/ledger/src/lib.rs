//! The ledger's writer: the searchable history, fed from the log.
//!
//! [`feed`] reads everything the log holds into a ledger, behind everything clinical; [`retention`] gives back what has had its
//! time, and [`trimmed`] tells what that has taken. As a process it keeps a ledger of its own and may be one of several: each is a view.

pub mod commands;
pub mod feed;
mod pace;
#[cfg(feature = "mesh")]
pub mod process;
pub mod retention;
#[cfg(feature = "mesh")]
pub mod storage;
pub mod trimmed;
pub mod view;
