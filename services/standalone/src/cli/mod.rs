//! The command line: one file a verb, each an `Args` and a `run`.
//!
//! Tables for people, `--json` for machines, with the field names of the control protocol. Errors go to standard error, name the place and the remedy, and end
//! with a documented exit code. No verb prints contents of messages unless it is asked to.

mod act;
mod audit;
mod check;
mod completions;
mod context;
mod diff;
mod documents;
mod explain;
mod known;
mod messages;
mod out;
mod pause;
mod probe;
mod receive;
mod replay;
mod resend;
mod run;
mod say;
mod select;
mod send;
mod serve_config;
mod show;
mod status;
mod table;
mod test;
#[cfg(test)]
mod tests;
mod try_channel;

use std::ffi::OsString;
use std::path::PathBuf;

use barid_runtime::{Exit, Failure};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use self::context::Context;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "barid",
    version,
    about = "The exchange through which health systems talk: HL7 accepted, checked, transformed, routed and delivered, never lost or reordered"
)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 120
)]
struct Cli {
    /// Print JSON instead of tables; lists as one object a line
    #[arg(long, global = true)]
    json: bool,
    /// The engine's data directory [default: $BARID_DATA, else ./barid-data]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the engine with the documents of a directory
    Run(run::Args),
    /// Check the documents: every error with its place and what would be right
    Check(check::Args),
    /// Run the channel tests of the documents
    Test(test::Args),
    /// Show what each step of a channel does to a message
    Try(try_channel::Args),
    /// Show which channels and destinations a change of the documents touches
    Diff(diff::Args),
    /// Connect to a destination and say what was met, without sending a message
    Probe(probe::Args),
    /// Send messages from files to a listener; with a rate and connections, a load test
    Send(send::Args),
    /// Receive messages as a destination would, with faults where asked for
    Receive(receive::Args),
    /// Say how a running engine is: connections, queues, silent senders, certificates, disk
    Status(status::Args),
    /// Find messages: accepted, refused, or waiting for a person
    Messages(messages::Args),
    /// Show one message's way, or its bytes
    Show(show::Args),
    /// Send messages again as new ones, in order
    Replay(replay::Args),
    /// Send an edited message as a child of the one it was made from
    Resend(resend::Args),
    /// Run quarantined deliveries again
    Rerun(act::Rerun),
    /// Give quarantined or held deliveries up
    Discard(act::Discard),
    /// Let the held lanes of a destination go on
    Release(act::Release),
    /// Check that everything accepted is accounted for
    Audit(audit::Args),
    /// Pause a channel or destination, beyond restarts
    Pause(pause::Pause),
    /// End a pause
    Resume(pause::Resume),
    /// Have the engine read its documents again now
    Reload(act::Reload),
    /// Print a message as a tree with the standard's names, or what is in effect for a document
    Explain(explain::Args),
    /// Compile the documents of a directory and publish them to the services of a mesh
    ServeConfig(serve_config::Args),
    /// Print completions for a shell
    Completions(completions::Args),
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> Exit {
    run_with(std::env::args_os())
}

fn run_with(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            return if error.print().is_ok() { exit } else { Exit::Failure };
        }
    };
    let Ok(cli) = Cli::from_arg_matches(&matches) else { return Exit::Usage };
    let json = cli.json;
    match start(cli) {
        Ok(exit) => exit,
        Err(failure) => {
            out::complain(&failure, json);
            failure.exit
        }
    }
}

fn start(cli: Cli) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failure, format!("cannot start threads: {error}")))?;
    let mut context = Context::new(cli.json, cli.data);
    let result = runtime.block_on(Box::pin(dispatch(cli.verb, &mut context)));
    // Whatever still runs is nobody's business any more: blocking reads of standard input would hold the process.
    runtime.shutdown_background();
    result
}

async fn dispatch(verb: Verb, context: &mut Context) -> Result<Exit, Failure> {
    match verb {
        Verb::Run(args) => run::run(args, context).await,
        Verb::Check(args) => check::run(&args, context),
        Verb::Test(args) => test::run(&args, context),
        Verb::Try(args) => try_channel::run(args, context).await,
        Verb::Diff(args) => diff::run(args, context).await,
        Verb::Probe(args) => probe::run(args, context).await,
        Verb::Send(args) => send::run(args, context).await,
        Verb::Receive(args) => receive::run(args, context).await,
        Verb::Status(args) => status::run(&args, context).await,
        Verb::Messages(args) => messages::run(args, context).await,
        Verb::Show(args) => show::run(args, context).await,
        Verb::Replay(args) => replay::run(args, context).await,
        Verb::Resend(args) => resend::run(args, context).await,
        Verb::Rerun(args) => act::rerun(args, context).await,
        Verb::Discard(args) => act::discard(args, context).await,
        Verb::Release(args) => act::release(args, context).await,
        Verb::Audit(args) => audit::run(&args, context).await,
        Verb::Pause(args) => pause::pause(args, context).await,
        Verb::Resume(args) => pause::resume(args, context).await,
        Verb::Reload(args) => act::reload(args, context).await,
        Verb::Explain(args) => explain::run(args, context).await,
        Verb::ServeConfig(args) => serve_config::run(args, context).await,
        Verb::Completions(args) => completions::run(&args, context),
    }
}

/// The command with its exit codes in the help of every verb's long form.
fn command() -> clap::Command {
    let codes: String = Exit::ALL.iter().map(|exit| format!("  {}  {}\n", exit.code(), exit.meaning())).collect();
    let after = format!(
        "Exit codes:\n{codes}\nLogging: BARID_LOG (a level or directives), BARID_LOG_FORMAT (text or json). Who acts: BARID_ACTOR."
    );
    let of_verbs = after.clone();
    Cli::command()
        .after_long_help(after.clone())
        .after_help(after)
        .mut_subcommands(move |verb| verb.after_long_help(of_verbs.clone()))
}
