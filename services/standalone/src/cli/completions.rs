//! `barid completions`: what a shell needs to complete verbs and options.

use std::io::Write as _;

use barid_runtime::{Exit, Failure};

use super::context::Context;

/// Options of `completions`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell
    shell: clap_complete::Shell,
}

/// Prints the completions.
pub(super) fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "barid", &mut text);
    text.flush().map_err(|error| Failure::new(Exit::Failure, error.to_string()))?;
    context.out.line(String::from_utf8_lossy(&text).trim_end())?;
    Ok(Exit::Ok)
}
