//! One binary for all tests of the whole, so that it is linked once. A module's name says what kind of test it holds.
#![allow(missing_docs)]

mod process_clients;
mod process_kill;
mod process_limits;
mod process_receivers;
mod process_relay;
mod simulation;
