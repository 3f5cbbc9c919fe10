//! `barid probe`: goes to a destination as far as one can without sending a message, and says what it met.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use barid_delivery::connect::secret::FileSecrets;
use barid_delivery::connect::{Environment, GUARD, Met, connector};
use barid_model::Name;
use barid_runtime::{Exit, Failure, environment, time};
use serde_json::json;

use super::context::Context;
use super::documents::From;
use super::out::clean;

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
    let documents = args.from.read(context).await?;
    let name = Name::read(&args.destination);
    let Some(spec) = documents.snapshot.destinations.get(&name) else {
        let known: Vec<String> = documents.snapshot.destinations.keys().map(Name::short).collect();
        return Err(Failure::new(
            Exit::NotFound,
            format!("there is no good destination {}; there are: {}", name.short(), known.join(", ")),
        ));
    };
    let directory = documents.directory.unwrap_or_else(|| PathBuf::from("."));
    let secrets = FileSecrets::new(directory, environment::all());
    let environment = Environment { secrets: Arc::new(secrets), data: context.data.clone(), guard: GUARD };
    let connector =
        connector(spec, &environment).map_err(|error| Failure::new(Exit::Configuration, error.to_string()))?;
    let met = connector.probe().await;
    let out = &mut context.out;
    if out.json() {
        out.value(&met.iter().map(json).collect::<Vec<_>>())?;
    } else {
        for met in &met {
            let verdict = met
                .problem
                .as_ref()
                .map_or_else(|| "can be used".to_owned(), |problem| format!("CANNOT BE USED: {problem}"));
            out.line(clean(&format!("{}: {verdict} ({})", met.target, time::human(met.took))))?;
            for (fact, value) in &met.facts {
                out.line(clean(&format!("  {fact:<10} {value}")))?;
            }
        }
    }
    out.flush()?;
    Ok(if met.iter().any(|met| met.problem.is_none()) { Exit::Ok } else { Exit::Unreachable })
}

fn json(met: &Met) -> serde_json::Value {
    let facts: BTreeMap<&str, &str> = met.facts.iter().map(|(name, value)| (*name, value.as_str())).collect();
    json!({
        "target": met.target,
        "usable": met.problem.is_none(),
        "problem": met.problem,
        "milliseconds": met.took.as_secs_f64() * 1_000.0,
        "facts": facts,
    })
}
