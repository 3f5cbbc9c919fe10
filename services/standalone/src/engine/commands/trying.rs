//! The last tries of deliveries, as the owners in this process know them.

use barid_custody::tried::Trouble;
use barid_delivery::destinations::Destinations;
use barid_ledger_service::commands::trying::Tries;
use barid_model::{DeliveryId, Name};
use futures_util::future::BoxFuture;

/// The owners in this process.
pub(super) struct Here<'a>(pub(super) &'a Destinations);

impl Tries for Here<'_> {
    fn of<'a>(&'a self, destination: &'a Name, which: Vec<DeliveryId>) -> BoxFuture<'a, Vec<(DeliveryId, Trouble)>> {
        Box::pin(std::future::ready(self.0.troubles(destination, which)))
    }
}
