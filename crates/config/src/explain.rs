//! What is in effect for a channel, and where each of it was written.

use barid_model::Name;
use barid_transform::RouteTarget;

use crate::compile::{
    Layer, Layers, Setting, channel_settings, destination_settings, listener_ack, mllp_settings, outbound_settings,
};
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
    add(snapshot, &mut settings, "", layers, |_| format!("Channel {}", channel.short()));
    add_acks(snapshot, running, document.ack.as_ref().and_then(|ack| ack.mode).is_some(), &exchange, &mut settings);
    for (route, running) in document.routes.iter().zip(&running.settings.routes) {
        let (destination, label) = match &running.to {
            RouteTarget::Destination(name) => match snapshot.document("Destination", name).map(|found| &found.spec) {
                Some(Spec::Destination(own)) => (Some(own), format!("Destination {}", name.short())),
                _ => continue,
            },
            RouteTarget::Channel(_) => (None, String::new()),
        };
        let mut layers = Layers::default();
        if let Some(own) = destination {
            destination_settings(own, &exchange, &mut layers);
            if let Some(mllp) = &own.mllp {
                mllp_settings(mllp, &mut layers);
            }
        }
        let base = destination.and_then(|own| own.outbound.as_ref());
        outbound_settings(route.outbound.as_ref(), base, &mut layers);
        let own = |layer| match layer {
            Layer::Route => format!("Channel {}, route {}", channel.short(), running.name),
            _ => label.clone(),
        };
        add(snapshot, &mut settings, &format!("routes[{}].", running.name), layers, own);
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
        let own = |_| format!("Listener {}", name.short());
        add(snapshot, settings, &format!("from[{}].", name.short()), layers, own);
    }
}

fn add(snapshot: &Snapshot, settings: &mut Vec<Setting>, prefix: &str, layers: Layers, own: impl Fn(Layer) -> String) {
    for (setting, value, from) in layers.notes {
        let document = match from {
            Layer::BuiltIn => String::new(),
            Layer::Exchange => format!("Exchange {}", snapshot.exchange.name),
            _ => own(from),
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
