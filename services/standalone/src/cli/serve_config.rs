//! `barid serve-config`: the documents of a directory, published to the services of a mesh.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use barid_replica::{PublishOptions, TlsOptions, publish};
use barid_runtime::{Exit, Failure, otlp, shutdown, telemetry};

use super::context::Context;
use super::run::duration;

/// Options of `serve-config`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The directory of the documents (YAML)
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Where the services ask
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7410")]
    listen: SocketAddr,
    #[command(flatten)]
    tls: TlsOptions,
    /// How long a drain may take once told to stop [default: 25s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    grace: Option<Duration>,
    #[command(flatten)]
    otlp: otlp::Options,
}

/// Publishes.
pub(super) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    let service = Some("barid-serve-config".to_owned());
    telemetry::install(&telemetry::Options { otlp: args.otlp, service, ..telemetry::Options::default() })
        .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    if !args.directory.is_dir() {
        let text = format!("{} is no directory: name the one that holds the YAML documents", args.directory.display());
        return Err(Failure::new(Exit::Configuration, text));
    }
    let tls = args.tls.load()?;
    let grace = args.grace.unwrap_or(shutdown::DEFAULT_GRACE);
    let (directory, data) = (args.directory, context.data.clone());
    publish(PublishOptions { directory, data, listen: args.listen, tls, grace }).await
}
