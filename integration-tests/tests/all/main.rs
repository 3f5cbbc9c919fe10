//! One binary for all tests of the whole, so that it is linked once. A module's name says what kind of test it holds.
#![allow(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::panic,
    reason = "a test may fail where it stands"
)]

mod mesh_backlog;
mod mesh_cluster;
mod mesh_configuration;
mod mesh_flow;
mod mesh_history;
mod mesh_people;
mod mesh_redis;
mod mesh_secured;
mod mesh_stopped;
mod mesh_takeover;
mod mesh_traced;
mod mesh_trim;
mod mesh_waiting;
mod process_answers;
mod process_clients;
mod process_full;
mod process_kill;
mod process_limits;
mod process_people;
mod process_private;
mod process_receivers;
mod process_relay;
mod process_silent;
mod process_tls;
mod process_traced;
mod simulation;
