//! Everything CI checks, cheapest first; the tests last, so that the run ends with their summary.

use anyhow::Result;

use crate::run::{run, target};
use crate::{conformance, fuzz, layers, licences, pages, tidy};

/// Seconds each fuzz target runs in CI.
const FUZZ_SECONDS: &str = "60";

/// Runs all checks; the first that fails ends it.
pub(crate) fn run_ci() -> Result<()> {
    run("cargo", &["fmt", "--all", "--check"], &[])?;
    tidy::run()?;
    layers::run()?;
    licences::run()?;
    pages::run()?;
    conformance::run(None)?;
    run("cargo", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])?;
    run("cargo", &["doc", "--workspace", "--no-deps", "--document-private-items"], &[("RUSTDOCFLAGS", "-D warnings")])?;
    fuzz::fuzz(Some(FUZZ_SECONDS))?;
    // The process tests run the programs as developers build them, checked for overflow; built with the tests, they share
    // what they depend on.
    run("cargo", &["build", "--workspace", "--bins", "--tests"], &[])?;
    let barid = target().join("debug/barid");
    run("cargo", &["test", "--workspace", "--no-fail-fast"], &[("BARID_BIN", &barid.to_string_lossy())])
}
