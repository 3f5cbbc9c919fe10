//! The routers of a mesh, asked what would become of a message: any of them, by the leases they hold.

use std::sync::Arc;

use barid_log::Log;
use barid_replica::present;
use barid_rpc::route::{RemoteRouting, RouteError, Routing as _};
use barid_rpc::{Target, Tls};
use barid_runtime::control::protocol::{DryRunRequest, DryRunView};
use barid_runtime::control::{CommandError, CommandResult};
use parking_lot::Mutex;

use super::log_failed;

/// Under which role routers hold their leases.
const ROUTER: &str = "router";

/// The routers, wherever they are.
pub struct Routers {
    log: Arc<dyn Log>,
    tls: Option<Arc<Tls>>,
    /// Connections to those that were there last.
    known: Mutex<Option<(Vec<String>, Arc<RemoteRouting>)>>,
}

impl Routers {
    /// As the leases in a log say.
    #[must_use]
    pub fn new(log: Arc<dyn Log>, tls: Option<Arc<Tls>>) -> Self {
        Self { log, tls, known: Mutex::default() }
    }

    /// Has a message tried by one of them.
    ///
    /// # Errors
    /// Where what it names is not there, or no router can be asked.
    pub async fn dry_run(&self, request: DryRunRequest) -> CommandResult<DryRunView> {
        let there = present(&self.log, ROUTER).await.map_err(log_failed)?;
        let addresses: Vec<String> = there.into_iter().filter_map(|contact| contact.address).collect();
        if addresses.is_empty() {
            return Err(CommandError::unavailable("no router runs: start one, or try the message with --dir"));
        }
        let routing = self.connected(addresses);
        let result = routing.dry_run(request.into()).await.map_err(|error| match error {
            RouteError::NotFound(text) => CommandError::not_found(text),
            RouteError::Unavailable(text) => CommandError::unavailable(text),
        })?;
        Ok(result.into())
    }

    fn connected(&self, addresses: Vec<String>) -> Arc<RemoteRouting> {
        let mut known = self.known.lock();
        if let Some((before, routing)) = &*known
            && *before == addresses
        {
            return Arc::clone(routing);
        }
        let targets = addresses.iter().cloned().map(Target::Name).collect();
        let routing = Arc::new(RemoteRouting::new(targets, self.tls.clone()));
        *known = Some((addresses, Arc::clone(&routing)));
        routing
    }
}
