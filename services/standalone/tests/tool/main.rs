//! The tool as its users run it: the built binary, its output and its exit codes.
//!
//! Where a verb speaks to an engine, a stand-in answers on a real control socket, so that what is tested here is the tool alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod binary;
mod engine;

mod acting;
mod documents;
mod explaining;
mod reading;
mod reference;
mod running;
mod traffic;
mod usage;
