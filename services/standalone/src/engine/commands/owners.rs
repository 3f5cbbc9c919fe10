//! The owners of destinations, as acts find them: all run in this process.

use std::sync::Arc;

use barid_custody::act::Act;
use barid_delivery::act::{Unacted, act};
use barid_delivery::destinations::Destinations;
use barid_ledger_service::commands::acting::{Owners, Why};
use barid_model::Name;
use barid_runtime::control::CommandResult;
use barid_runtime::control::protocol::By;
use futures_util::future::BoxFuture;

/// The destinations of this engine.
pub(super) struct Here(pub(super) Arc<Destinations>);

impl Owners for Here {
    fn knows<'a>(&'a self, destination: &'a Name) -> BoxFuture<'a, CommandResult<bool>> {
        Box::pin(std::future::ready(Ok(self.0.get(destination).is_some())))
    }

    fn act<'a>(&'a self, by: &'a By, destination: &'a Name, ordered: Act) -> BoxFuture<'a, Result<u64, Why>> {
        Box::pin(async move {
            let done = act(&self.0, (by.actor.clone(), by.reason.clone()), destination, ordered).await;
            done.map_err(|why| match why {
                Unacted::NotHere => not_running(destination),
                Unacted::Refused(why) => why,
            })
        })
    }
}

fn not_running(destination: &Name) -> Why {
    format!("destination {} does not run: declare it, so that it can be acted on", destination.short())
}
