//! Whether what a question names is there at all: an empty list for a name that was mistyped would pass for an answer.
//!
//! Asked only where nothing was found: what is no longer declared is still found in the history.

use barid_config::Snapshot;
use barid_model::Name;
use barid_runtime::control::Commands;
use barid_runtime::control::protocol::{DeliverySelection, MessageQuery, ParkedQuery};
use barid_runtime::{Exit, Failure};

use crate::view;

/// The search key that every message with patients has.
const PATIENT: &str = "patient";

/// What a question names.
#[derive(Debug, Default)]
pub(super) struct Named {
    channel: Option<Name>,
    destination: Option<Name>,
    listener: Option<Name>,
    keys: Vec<String>,
}

impl From<&MessageQuery> for Named {
    fn from(query: &MessageQuery) -> Self {
        Self {
            channel: query.channel.clone(),
            destination: query.destination.clone(),
            listener: query.listener.clone(),
            keys: query.keys.iter().map(|(name, _)| name.clone()).collect(),
        }
    }
}

impl From<&ParkedQuery> for Named {
    fn from(query: &ParkedQuery) -> Self {
        Self { channel: query.channel.clone(), destination: query.destination.clone(), ..Self::default() }
    }
}

impl From<&DeliverySelection> for Named {
    fn from(select: &DeliverySelection) -> Self {
        match select {
            DeliverySelection::Query(query) => Self::from(&**query),
            DeliverySelection::Deliveries(_) | DeliverySelection::Message { .. } => Self::default(),
        }
    }
}

impl Named {
    /// [`Exit::NotFound`] for the first name that no document has.
    pub(super) async fn exists(&self, commands: &dyn Commands) -> Result<(), Failure> {
        if self.channel.is_none() && self.destination.is_none() && self.listener.is_none() && self.keys.is_empty() {
            return Ok(());
        }
        let snapshot = super::documents::snapshot(commands).await?;
        match self.unknown(&snapshot) {
            None => Ok(()),
            Some(text) => Err(Failure::new(Exit::NotFound, text)),
        }
    }

    fn unknown(&self, snapshot: &Snapshot) -> Option<String> {
        let missing = |name: &&Name, there: bool| (!there).then(|| (*name).clone());
        if let Some(name) = self.channel.as_ref().and_then(|name| missing(&name, snapshot.channels.contains_key(name)))
        {
            return Some(view::unknown("channel", &name, snapshot.channels.keys()));
        }
        let there = |name: &Name| snapshot.destinations.contains_key(name);
        if let Some(name) = self.destination.as_ref().and_then(|name| missing(&name, there(name))) {
            return Some(view::unknown("destination", &name, snapshot.destinations.keys()));
        }
        let there = |name: &Name| snapshot.listeners.contains_key(name);
        if let Some(name) = self.listener.as_ref().and_then(|name| missing(&name, there(name))) {
            return Some(view::unknown("listener", &name, snapshot.listeners.keys()));
        }
        let asked = |name: &Name| self.channel.as_ref().is_none_or(|channel| channel == name);
        let channels = snapshot.channels.values().filter(|channel| asked(&channel.name));
        let indexed = channels.flat_map(|channel| &channel.settings.index).map(|key| key.name.as_str());
        let mut known: Vec<&str> = indexed.chain([PATIENT]).collect();
        known.sort_unstable();
        known.dedup();
        let key = self.keys.iter().find(|key| !known.contains(&key.as_str()))?;
        let of = self.channel.as_ref().map(|name| format!(" in channel {}", name.short())).unwrap_or_default();
        Some(format!("no such search key {key}{of}; there are: {}", known.join(", ")))
    }
}
