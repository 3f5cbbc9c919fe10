//! A server for all tests of the binary, a schema for each.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use barid_ledger_postgres::{Options, PostgresLedger};
use barid_testkit::servers::postgres::{Postgres, Settings};
use tokio::runtime::Runtime;

/// What the server runs in.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap())
}

/// A server of its own, which writes as in earnest.
pub(crate) fn start() -> Postgres {
    start_with(&[])
}

fn start_with(more: &[(&str, &str)]) -> Postgres {
    let all = [("max_connections", "200")].iter().chain(more);
    let options = all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    runtime().block_on(Postgres::start(Settings { options, ..Settings::default() })).unwrap()
}

/// The server that all share; what it writes need not outlive it.
pub(crate) fn server() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(|| start_with(&[("fsync", "off"), ("full_page_writes", "off")]))
}

/// Options of a schema that no other test has.
pub(crate) fn options(server: &Postgres) -> (Options, String) {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let schema = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    (Options::read(&server.url(), None, None).unwrap().schema(&schema).unwrap(), schema)
}

/// An empty ledger.
pub(crate) fn fresh() -> PostgresLedger {
    PostgresLedger::open(options(server()).0).unwrap()
}
