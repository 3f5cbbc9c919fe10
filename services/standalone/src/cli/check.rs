//! `barid check`: every error in the documents, with its place and what would be right.

use std::path::PathBuf;

use barid_config::{Problem, Snapshot};
use barid_runtime::{Exit, Failure};
use serde_json::json;

use super::context::Context;
use super::documents::compiled;
use super::out::clean;
use super::say::{count, counted};
use crate::view;

/// Options of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The directory of the documents
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// Warnings are errors too
    #[arg(long)]
    strict: bool,
}

/// Checks; [`Exit::Configuration`] where there is an error.
pub(super) fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let compiled = compiled(&args.directory)?;
    let good = compiled.problems.iter().all(|problem| !args.strict && !problem.is_error());
    let out = &mut context.out;
    if out.json() {
        let problems: Vec<_> = compiled.problems.iter().map(view::problem).collect();
        out.value(&json!({ "good": good, "documents": documents(&compiled.snapshot), "problems": problems }))?;
    } else {
        for problem in &compiled.problems {
            out.line(clean(&problem.to_string()))?;
        }
        out.line(summary(&compiled.snapshot, &compiled.problems))?;
    }
    out.flush()?;
    Ok(if good { Exit::Ok } else { Exit::Configuration })
}

fn documents(snapshot: &Snapshot) -> serde_json::Value {
    json!({
        "listeners": snapshot.listeners.len(),
        "facilities": snapshot.facilities.len(),
        "channels": snapshot.channels.len(),
        "destinations": snapshot.destinations.len(),
        "tests": snapshot.tests.len(),
    })
}

fn summary(snapshot: &Snapshot, problems: &[Problem]) -> String {
    let good = [
        counted(snapshot.listeners.len(), "listener", "listeners"),
        counted(snapshot.facilities.len(), "facility", "facilities"),
        counted(snapshot.channels.len(), "channel", "channels"),
        counted(snapshot.destinations.len(), "destination", "destinations"),
        counted(snapshot.tests.len(), "channel test", "channel tests"),
    ]
    .join(", ");
    if problems.is_empty() { format!("{good}: all good") } else { format!("{good} are good; {}", count(problems)) }
}
