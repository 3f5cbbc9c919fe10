//! What is in effect for a channel, and where each of it was written.

use barid_model::Name;
use barid_transform::RouteTarget;

use crate::compile::{Layer, Layers, Setting, channel_settings, destination_settings, listener_ack};
use crate::document::{Defaults, Spec};
use crate::snapshot::Snapshot;

/// The settings in effect for a channel, its listeners' acknowledgements and its destinations included; none where
/// there is no such channel.
#[must_use]
pub fn explain(snapshot: &Snapshot, channel: &Name) -> Option<Vec<Setting>> {
    let Some(Spec::Channel(document)) = snapshot.document("Channel", channel).map(|document| &document.spec) else {
        return None;
    };
    let running = snapshot.channels.get(channel)?;
    let exchange = exchange(snapshot);
    let mut settings = vec![Setting {
        setting: "revision".to_owned(),
        value: running.revision.to_string(),
        from: Layer::Channel,
        document: format!("Channel {}", channel.short()),
    }];
    let mut layers = Layers::default();
    channel_settings(document, &exchange, &mut layers);
    add(snapshot, &mut settings, "", layers, &format!("Channel {}", channel.short()));
    add_acks(snapshot, running, document.ack.as_ref().and_then(|ack| ack.mode).is_some(), &exchange, &mut settings);
    for route in &running.settings.routes {
        let RouteTarget::Destination(name) = &route.to else { continue };
        let Some(Spec::Destination(own)) = snapshot.document("Destination", name).map(|document| &document.spec) else {
            continue;
        };
        let mut layers = Layers::default();
        destination_settings(own, &exchange, &mut layers);
        let label = format!("Destination {}", name.short());
        add(snapshot, &mut settings, &format!("routes[{}].", route.name), layers, &label);
    }
    Some(settings)
}

/// Which acknowledgements are sent: the channel's word for all, else each listener's own.
fn add_acks(
    snapshot: &Snapshot,
    channel: &crate::snapshot::Channel,
    own: bool,
    exchange: &Defaults,
    settings: &mut Vec<Setting>,
) {
    if own {
        let mode = channel.settings.ack.mode.unwrap_or_default();
        let value = serde_json::to_value(mode).ok().and_then(|value| value.as_str().map(str::to_owned));
        settings.push(Setting {
            setting: "ack.mode".to_owned(),
            value: value.unwrap_or_default(),
            from: Layer::Channel,
            document: format!("Channel {}", channel.name.short()),
        });
        return;
    }
    for name in snapshot.listeners.keys().filter(|name| channel.reads(name)) {
        let listener = match snapshot.document("Listener", name).map(|document| &document.spec) {
            Some(Spec::Listener(listener)) => Some(&**listener),
            _ => None,
        };
        let mut layers = Layers::default();
        listener_ack(listener, exchange, &mut layers);
        add(snapshot, settings, &format!("from[{}].", name.short()), layers, &format!("Listener {}", name.short()));
    }
}

fn add(snapshot: &Snapshot, settings: &mut Vec<Setting>, prefix: &str, layers: Layers, own: &str) {
    for (setting, value, from) in layers.notes {
        let document = match from {
            Layer::BuiltIn => String::new(),
            Layer::Exchange => format!("Exchange {}", snapshot.exchange.name),
            _ => own.to_owned(),
        };
        settings.push(Setting { setting: format!("{prefix}{setting}"), value, from, document });
    }
}

fn exchange(snapshot: &Snapshot) -> Defaults {
    let found = snapshot.documents.values().find_map(|kept| match &kept.document.spec {
        Spec::Exchange(exchange) => exchange.defaults.clone(),
        _ => None,
    });
    found.unwrap_or_default()
}
