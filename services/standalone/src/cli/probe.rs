//! `barid probe`: goes to a destination as far as one can without sending a message, and says what it met.
//!
//! A running engine does it, because it is the engine that has the secrets and the network that deliveries have. Without
//! one, or with documents of a directory, this process does it with its own, and says so.

use std::path::PathBuf;
use std::sync::Arc;

use barid_delivery::connect::secret::FileSecrets;
use barid_delivery::connect::{Environment, GUARD, connector};
use barid_model::Name;
use barid_runtime::control::Client;
use barid_runtime::control::protocol::{MetView, ProbeRequest};
use barid_runtime::{Exit, Failure, environment, time};

use super::context::Context;
use super::documents::From;
use super::out::{Out, clean, note};
use crate::view;

/// Options of `probe`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The destination
    destination: String,
    #[command(flatten)]
    from: From,
}

/// Probes; [`Exit::Unreachable`] where no endpoint can be used.
pub(super) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    let name = Name::read(&args.destination);
    let engine = if args.from.is_given() { None } else { Client::connect(&context.data).await? };
    let met = match engine {
        Some(engine) => {
            use barid_runtime::control::Commands as _;
            engine.probe(ProbeRequest { destination: name }).await?.met
        }
        None => ours(&name, &args.from, context).await?,
    };
    let out = &mut context.out;
    if out.json() {
        out.value(&met)?
    } else {
        print(&met, out)?
    }
    out.flush()?;
    Ok(if met.iter().any(|met| met.usable) { Exit::Ok } else { Exit::Unreachable })
}

/// Probes from this process.
async fn ours(name: &Name, from: &From, context: &Context) -> Result<Vec<MetView>, Failure> {
    let documents = from.read(context).await?;
    let destinations = &documents.snapshot.destinations;
    let Some(spec) = destinations.get(name) else {
        return Err(Failure::new(Exit::NotFound, view::unknown("destination", name, destinations.keys())));
    };
    let directory = documents.directory.unwrap_or_else(|| PathBuf::from("."));
    let why = if from.is_given() { "documents of a directory" } else { "no engine runs" };
    note(&clean(&format!(
        "{why}: probed by this command, with its own environment and the secrets in {}",
        directory.join("secrets").display()
    )));
    let secrets = Arc::new(FileSecrets::new(directory, environment::all()));
    let environment = Environment { secrets, data: context.data.clone(), guard: GUARD };
    let connector =
        connector(spec, &environment).map_err(|error| Failure::new(Exit::Configuration, error.to_string()))?;
    Ok(connector.probe().await.iter().map(view::met).collect())
}

fn print(met: &[MetView], out: &mut Out) -> Result<(), Failure> {
    for met in met {
        let verdict = met
            .problem
            .as_ref()
            .map_or_else(|| "can be used".to_owned(), |problem| format!("CANNOT BE USED: {problem}"));
        let took = std::time::Duration::try_from_secs_f64(met.took_ms / 1_000.0).unwrap_or_default();
        out.line(clean(&format!("{}: {verdict} ({})", met.target, time::human(took))))?;
        for (fact, value) in &met.facts {
            out.line(clean(&format!("  {fact:<10} {value}")))?;
        }
    }
    Ok(())
}
