//! The ledger on one real PostgreSQL (`scripts/postgres`): the contract, and what only a server can do: be killed, be
//! shared, be full of days.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

#[path = "one/days.rs"]
mod days;
#[path = "one/faults.rs"]
mod faults;
#[path = "one/feed.rs"]
mod feed;
#[path = "one/lost.rs"]
mod lost;
#[path = "one/plans.rs"]
mod plans;
#[path = "one/speed.rs"]
mod speed;
#[path = "one/support.rs"]
mod support;
#[path = "one/tls.rs"]
mod tls;

mod contract {
    fn make() -> (barid_ledger_postgres::PostgresLedger, ()) {
        (crate::support::fresh(), ())
    }

    barid_ledger::ledger_contract!(make);
}
