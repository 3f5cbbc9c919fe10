//! The log on one server: the contract, and what only this implementation can show.

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
    barid_log::log_contract!(Servers::new(1));
}

#[path = "one/ahead.rs"]
mod ahead;
#[path = "one/doubt.rs"]
mod doubt;
#[path = "one/large.rs"]
mod large;
#[path = "one/proof.rs"]
mod proof;
#[path = "one/sharing.rs"]
mod sharing;
#[path = "one/space.rs"]
mod space;
#[path = "one/trim.rs"]
mod trim;
#[path = "one/users.rs"]
mod users;
