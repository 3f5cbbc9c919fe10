//! The log on three servers, with three copies of everything: the contract, and what happens when servers go.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::panic,
    reason = "a test may fail where it stands"
)]

mod support;

mod contract {
    use super::support::Servers;
    barid_log::log_contract!(Servers::new(3));
}

#[path = "three/faults.rs"]
mod faults;

#[path = "three/leaders.rs"]
mod leaders;
