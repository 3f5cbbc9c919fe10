//! Everything CI checks, cheapest first; the tests last, so that the run ends with their summary.

use anyhow::Result;

use crate::run::{run, target};
use crate::{conformance, fuzz, layers, licences, pages, tidy};

/// Seconds each fuzz target runs in CI.
const FUZZ_SECONDS: &str = "60";

/// The mesh's programs. Built apart, so that `barid` is linked without what only they need.
const MESH: [&str; 6] = [
    "barid-parser-validator",
    "barid-transformer",
    "barid-ingress",
    "barid-router",
    "barid-delivery",
    "barid-ledger-service",
];

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
    // The process tests run the programs as they are shipped.
    run("cargo", &["build", "--release", "--package", "barid-standalone"], &[])?;
    let mesh = MESH.iter().flat_map(|package| ["--package", package]);
    run("cargo", &["build", "--release"].into_iter().chain(mesh).collect::<Vec<_>>(), &[])?;
    let barid = target().join("release/barid");
    run("cargo", &["test", "--workspace", "--no-fail-fast"], &[("BARID_BIN", &barid.to_string_lossy())])
}
