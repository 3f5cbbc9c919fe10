//! `barid diff`: which listeners, channels and destinations a change touches, field by field, and what that does to what runs.

use std::path::PathBuf;

use barid_config::{Change, What, diff};
use barid_runtime::{Exit, Failure};
use serde_json::json;

use super::context::Context;
use super::documents::{compiled_or_none, running};
use super::out::{Out, clean, note};
use super::say::count;

/// Options of `diff`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The directory with the change
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The directory without it [default: the documents of the running engine]
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// End with 1 where something differs
    #[arg(long)]
    exit_code: bool,
}

/// Prints what differs; [`Exit::Configuration`] where the change has an error.
pub(super) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    let old = match &args.against {
        Some(directory) => compiled_or_none(directory, None)?.snapshot,
        None => running(context).await?.snapshot,
    };
    let new = compiled_or_none(&args.directory, Some(&old))?;
    for problem in new.problems.iter().filter(|problem| problem.is_error()) {
        note(&clean(&problem.to_string()));
    }
    let changes = diff(&old, &new.snapshot);
    let out = &mut context.out;
    if out.json() {
        out.value(&json!({ "good": new.is_good(), "changes": changes }))?
    } else {
        print(&changes, out)?
    }
    out.flush()?;
    if !new.is_good() {
        let text = format!("the change has {}; documents with errors would keep what runs", count(&new.problems));
        return Err(Failure::new(Exit::Configuration, text));
    }
    Ok(if args.exit_code && !changes.is_empty() { Exit::Failure } else { Exit::Ok })
}

fn print(changes: &[Change], out: &mut Out) -> Result<(), Failure> {
    if changes.is_empty() {
        return out.line("nothing differs");
    }
    for change in changes {
        let sign = match change.what {
            What::Added => '+',
            What::Removed => '-',
            What::Changed => '~',
        };
        out.line(format!("{sign} {} {}: {}", change.kind, change.name.short(), clean(&change.effect)))?;
        for field in &change.fields {
            let (before, after) =
                (field.before.as_deref().unwrap_or("(none)"), field.after.as_deref().unwrap_or("(none)"));
            out.line(format!("    {}: {} -> {}", clean(&field.field), clean(before), clean(after)))?;
        }
    }
    Ok(())
}
