//! What is counted of destinations that run here. Labels are names of documents and closed lists of words.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use barid_log::{Log, LogError};
use barid_model::{Clock, Name, Outcome, Partitions};
use barid_runtime::admin::{Timed, observe};
use barid_trace::TraceId;
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::backlog::waiting;
use crate::destinations::Ended;
use crate::owner::status::View;

/// Seconds from the last byte received to the end of a delivery.
const WAYS: [f64; 14] = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 300.0, 3600.0, 86_400.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DestinationLabel {
    destination: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    destination: String,
    outcome: &'static str,
}

type Way = Family<DestinationLabel, Timed, fn() -> Timed>;

/// The metrics of destinations.
pub struct Metrics {
    outcomes: Family<OutcomeLabels, Counter>,
    way: Way,
    depth: Family<DestinationLabel, Gauge>,
    age: Family<DestinationLabel, Gauge>,
    parked: Family<DestinationLabel, Gauge>,
    quarantined: Family<DestinationLabel, Gauge>,
    /// Whose present figures are shown.
    shown: Mutex<BTreeSet<Name>>,
}

impl Metrics {
    /// Registers them.
    #[must_use]
    pub fn new(registry: &mut Registry) -> Self {
        fn way() -> Timed {
            Timed::new(WAYS.into_iter())
        }
        let metrics = Self {
            outcomes: Family::default(),
            way: Way::new_with_constructor(way),
            depth: Family::default(),
            age: Family::default(),
            parked: Family::default(),
            quarantined: Family::default(),
            shown: Mutex::default(),
        };
        let r = registry;
        r.register("deliveries", "Deliveries that ended, by outcome", metrics.outcomes.clone());
        r.register_with_unit(
            "end_to_end",
            "From receiving to the end of a delivery",
            Unit::Seconds,
            metrics.way.clone(),
        );
        r.register("destination_depth", "Deliveries that wait", metrics.depth.clone());
        r.register_with_unit("destination_head_age", "Age of the oldest delivery", Unit::Seconds, metrics.age.clone());
        r.register("destination_parked", "Deliveries parked with their lanes", metrics.parked.clone());
        r.register("destination_quarantined", "Deliveries set aside", metrics.quarantined.clone());
        metrics
    }

    /// Who owners tell of deliveries that end.
    #[must_use]
    pub fn ended(&self) -> Ended {
        let (outcomes, way) = (self.outcomes.clone(), self.way.clone());
        Arc::new(move |destination: &Name, outcome: Outcome, took: Duration, trace: Option<TraceId>| {
            let destination = destination.to_string();
            if outcome == Outcome::Delivered {
                let label = DestinationLabel { destination: destination.clone() };
                observe(&way.get_or_create(&label), took.as_secs_f64(), trace);
            }
            outcomes.get_or_create(&OutcomeLabels { destination, outcome: outcome.word() }).inc();
        })
    }

    /// Takes the present figures. One that runs here no longer has none: its next owner tells them.
    ///
    /// # Errors
    /// As the log.
    pub async fn take(
        &self,
        log: &Arc<dyn Log>,
        views: &BTreeMap<Name, View>,
        clock: &dyn Clock,
        partitions: Partitions,
    ) -> Result<(), LogError> {
        let gauge = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        for (name, view) in views {
            let label = DestinationLabel { destination: name.to_string() };
            let depth = waiting(log, name, view, partitions).await?;
            self.depth.get_or_create(&label).set(gauge(depth));
            let age = view.oldest.map(|oldest| clock.now().since(oldest).as_secs()).unwrap_or(0);
            self.age.get_or_create(&label).set(gauge(age));
            self.parked.get_or_create(&label).set(gauge(view.parked));
            self.quarantined.get_or_create(&label).set(gauge(view.quarantined));
        }
        let now: BTreeSet<Name> = views.keys().cloned().collect();
        let before = std::mem::replace(&mut *self.shown.lock(), now);
        for name in before.into_iter().filter(|name| !views.contains_key(name)) {
            let label = DestinationLabel { destination: name.to_string() };
            for family in [&self.depth, &self.age, &self.parked, &self.quarantined] {
                family.remove(&label);
            }
        }
        Ok(())
    }
}
