//! `barid run`: the engine, until it is told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use barid_runtime::{Exit, Failure, admin, otlp, shutdown, telemetry, time};

use super::context::Context;
use crate::engine::{self, RunOptions};

/// Options of `run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The directory of the documents (YAML)
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Where the admin endpoint (health, readiness, metrics) listens
    #[arg(long, value_name = "ADDR", default_value = admin::DEFAULT_ADDRESS)]
    admin: SocketAddr,
    /// How long a drain may take once told to stop [default: 25s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    grace: Option<Duration>,
    /// What to log: a level or directives [default: $BARID_LOG, else info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// How to log [default: $BARID_LOG_FORMAT, else text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// Traces, metrics and logs to a collector
    #[command(flatten)]
    otlp: otlp::Options,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// Runs the engine.
pub(super) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    let format = args.log_format.map(|format| match format {
        LogFormat::Text => telemetry::Format::Text,
        LogFormat::Json => telemetry::Format::Json,
    });
    telemetry::install(&telemetry::Options {
        format,
        filter: args.log,
        otlp: args.otlp,
        ..telemetry::Options::default()
    })
    .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let directory = args.directory;
    if !directory.is_dir() {
        return Err(Failure::new(
            Exit::Configuration,
            format!("{} is no directory: name the one that holds the YAML documents", directory.display()),
        ));
    }
    let grace = args.grace.unwrap_or(shutdown::DEFAULT_GRACE);
    engine::run(RunOptions { directory, data: context.data.clone(), admin: args.admin, grace }).await
}

/// Reads a duration of the command line.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    time::read_duration(text).ok_or_else(|| "not a duration such as 250ms, 30s, 15m or 2h".to_owned())
}
