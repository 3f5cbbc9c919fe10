//! Which layer a setting comes from: built in < Exchange < Listener < Channel < route.
//!
//! The same functions give the compiler its values and `barid explain` the layer of each, so that the two cannot differ.

use std::fmt;
use std::time::Duration;

use barid_transform::document::Outbound;

use crate::document::{
    AckMode, AwaitAck, Channel, Defaults, Destination, DestinationState, Listener, MllpTarget, OnFull, OnReject, Period,
};
use crate::settings::{AckSettings, BacklogSettings, ChannelSettings, OrderSettings, RetrySettings, defaults};

/// Where a setting was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Layer {
    /// Nowhere: the built-in default.
    BuiltIn,
    /// In the Exchange's `defaults`.
    Exchange,
    /// In the Listener.
    Listener,
    /// In the Facility.
    Facility,
    /// In the Destination.
    Destination,
    /// In the Channel.
    Channel,
    /// In the route.
    Route,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BuiltIn => "built in",
            Self::Exchange => "Exchange",
            Self::Listener => "Listener",
            Self::Facility => "Facility",
            Self::Destination => "Destination",
            Self::Channel => "Channel",
            Self::Route => "route",
        })
    }
}

/// One setting that is in effect.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Setting {
    /// The field, as in the document.
    pub setting: String,
    /// Its value as text.
    pub value: String,
    /// Where it was written.
    pub from: Layer,
    /// The document it was written in; empty for a built-in default.
    pub document: String,
}

/// Picks values and notes where each came from.
#[derive(Default)]
pub(crate) struct Layers {
    pub(crate) notes: Vec<(String, String, Layer)>,
}

impl Layers {
    /// The first that is written, strongest layer first, else the default.
    pub(crate) fn pick<T: Clone>(
        &mut self,
        setting: &str,
        written: &[(Layer, Option<&T>)],
        default: T,
        show: impl Fn(&T) -> String,
    ) -> T {
        let found = written.iter().find_map(|(layer, value)| value.map(|value| (*layer, value.clone())));
        let (layer, value) = found.unwrap_or((Layer::BuiltIn, default));
        self.notes.push((setting.to_owned(), show(&value), layer));
        value
    }

    fn period(&mut self, setting: &str, written: &[(Layer, Option<&Period>)], default: Duration) -> Duration {
        self.pick(setting, written, period(default), ToString::to_string).duration()
    }

    /// A value of a closed list, shown by its word.
    pub(crate) fn word<T: Clone + serde::Serialize>(
        &mut self,
        setting: &str,
        written: &[(Layer, Option<&T>)],
        default: T,
    ) -> T {
        self.pick(setting, written, default, word)
    }
}

/// A duration as people write it.
pub(crate) fn period(duration: Duration) -> Period {
    Period::millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// The word of a closed list as people write it.
fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

/// Which acknowledgements a channel's listener sends.
pub(crate) fn listener_ack(listener: Option<&Listener>, exchange: &Defaults, layers: &mut Layers) -> AckMode {
    let own = listener.and_then(|listener| listener.ack.as_ref()).map(|ack| &ack.mode);
    let shared = exchange.ack.as_ref().and_then(|ack| ack.mode.as_ref());
    layers.word("ack.mode", &[(Layer::Listener, own), (Layer::Exchange, shared)], AckMode::Standard)
}

/// A channel's settings with every default applied; `from`, `profile` and `routes` are the caller's to resolve.
pub(crate) fn channel_settings(channel: &Channel, exchange: &Defaults, layers: &mut Layers) -> ChannelSettings {
    use Layer::{Channel as Own, Exchange as Shared};
    let retention = (channel.retention.as_ref(), exchange.retention.as_ref());
    let validate = (channel.validate.as_ref(), exchange.validate.as_ref());
    let window = (channel.duplicates.as_ref().map(|d| &d.window), exchange.duplicates.as_ref().map(|d| &d.window));
    let payload = [
        (Own, retention.0.and_then(|own| own.payload.as_ref())),
        (Shared, retention.1.and_then(|shared| shared.payload.as_ref())),
    ];
    let metadata = [
        (Own, retention.0.and_then(|own| own.metadata.as_ref())),
        (Shared, retention.1.and_then(|shared| shared.metadata.as_ref())),
    ];
    let on_invalid = [
        (Own, validate.0.and_then(|own| own.on_invalid.as_ref())),
        (Shared, validate.1.and_then(|shared| shared.on_invalid.as_ref())),
    ];
    let strict = [
        (Own, validate.0.and_then(|own| own.strict.as_ref())),
        (Shared, validate.1.and_then(|shared| shared.strict.as_ref())),
    ];
    let value_type = [(Own, validate.0), (Shared, validate.1)];
    let value_type = value_type.map(|(layer, validate)| (layer, validate.map(|validate| &validate.value_type)));
    let value_type = value_type.map(|(layer, written)| (layer, written.filter(|written| written.is_some())));
    let control_id = [
        (Own, validate.0.and_then(|own| own.missing_control_id.as_ref())),
        (Shared, validate.1.and_then(|shared| shared.missing_control_id.as_ref())),
    ];
    ChannelSettings {
        from: None,
        priority: layers.pick("priority", &[(Own, channel.priority.as_ref())], 0, ToString::to_string),
        ack: ack(channel, exchange, layers),
        profile: None,
        strict: layers.pick("validate.strict", &strict, false, ToString::to_string),
        value_type: layers.pick("validate.valueType", &value_type, None, |value| value.clone().unwrap_or_default()),
        on_invalid: layers.word("validate.onInvalid", &on_invalid, Default::default()),
        missing_control_id: layers.word("validate.missingControlId", &control_id, crate::document::OnUnknown::Reject),
        duplicate_window: layers.period(
            "duplicates.window",
            &[(Own, window.0), (Shared, window.1)],
            defaults::DUPLICATE_WINDOW,
        ),
        order: order(channel, layers),
        index: channel.index.clone(),
        routes: Vec::new(),
        payload_retention: layers.period("retention.payload", &payload, defaults::PAYLOAD_RETENTION),
        metadata_retention: layers.period("retention.metadata", &metadata, defaults::METADATA_RETENTION),
        state: layers.word("state", &[(Own, channel.state.as_ref())], Default::default()),
    }
}

fn ack(channel: &Channel, exchange: &Defaults, layers: &mut Layers) -> AckSettings {
    use Layer::{Channel as Own, Exchange as Shared};
    let (own, shared) = (channel.ack.as_ref(), exchange.ack.as_ref());
    let after = [(Own, own.and_then(|ack| ack.after.as_ref())), (Shared, shared.and_then(|ack| ack.after.as_ref()))];
    let timeout =
        [(Own, own.and_then(|ack| ack.timeout.as_ref())), (Shared, shared.and_then(|ack| ack.timeout.as_ref()))];
    AckSettings {
        mode: own.and_then(|ack| ack.mode),
        after: layers.word("ack.after", &after, Default::default()),
        route: own.and_then(|ack| ack.route.clone()),
        timeout: layers.period("ack.timeout", &timeout, defaults::ACK_TIMEOUT),
    }
}

fn order(channel: &Channel, layers: &mut Layers) -> OrderSettings {
    let own = channel.order.as_ref();
    let by = layers.word("order.by", &[(Layer::Channel, own.map(|order| &order.by))], Default::default());
    OrderSettings {
        by,
        path: own.and_then(|order| order.path.clone()).unwrap_or_else(|| defaults::PATIENT_PATH.to_owned()),
        authority: own.and_then(|order| order.authority.clone()),
        expression: own.and_then(|order| order.expression.clone()),
    }
}

/// The settings of a destination that have layers.
pub(crate) struct DestinationLayers {
    pub timeout: Duration,
    pub retry: RetrySettings,
    pub repeat_bound: u16,
    pub on_reject: OnReject,
    pub backlog: BacklogSettings,
    pub state: DestinationState,
}

/// A destination's settings with every default applied.
pub(crate) fn destination_settings(own: &Destination, exchange: &Defaults, layers: &mut Layers) -> DestinationLayers {
    use Layer::{Destination as Own, Exchange as Shared};
    let retry = (own.retry.as_ref(), exchange.retry.as_ref());
    let backlog = (own.backlog.as_ref(), exchange.backlog.as_ref());
    let initial = [
        (Own, retry.0.and_then(|own| own.initial.as_ref())),
        (Shared, retry.1.and_then(|shared| shared.initial.as_ref())),
    ];
    let max =
        [(Own, retry.0.and_then(|own| own.max.as_ref())), (Shared, retry.1.and_then(|shared| shared.max.as_ref()))];
    let unanswered = [
        (Own, retry.0.and_then(|own| own.unanswered.as_ref())),
        (Shared, retry.1.and_then(|shared| shared.unanswered.as_ref())),
    ];
    let messages = [
        (Own, backlog.0.and_then(|own| own.messages.as_ref())),
        (Shared, backlog.1.and_then(|shared| shared.messages.as_ref())),
    ];
    let on_full = [
        (Own, backlog.0.and_then(|own| own.on_full.as_ref())),
        (Shared, backlog.1.and_then(|shared| shared.on_full.as_ref())),
    ];
    let age = backlog.0.and_then(|own| own.age).or_else(|| backlog.1.and_then(|shared| shared.age));
    let timeout = [(Own, own.timeout.as_ref()), (Shared, exchange.timeout.as_ref())];
    DestinationLayers {
        timeout: layers.period("timeout", &timeout, defaults::TIMEOUT),
        retry: RetrySettings {
            initial: layers.period("retry.initial", &initial, defaults::RETRY_INITIAL),
            max: layers.period("retry.max", &max, defaults::RETRY_MAX),
            unanswered: layers.pick("retry.unanswered", &unanswered, defaults::RETRY_UNANSWERED, ToString::to_string),
        },
        repeat_bound: layers.pick("repeatBound", &[(Own, own.repeat_bound.as_ref())], 1, ToString::to_string),
        on_reject: layers.word("onReject", &[(Own, own.on_reject.as_ref())], OnReject::default()),
        backlog: BacklogSettings {
            messages: layers.pick("backlog.messages", &messages, defaults::BACKLOG_MESSAGES, ToString::to_string),
            age: age.map(Period::duration),
            on_full: layers.word("backlog.onFull", &on_full, OnFull::Refuse),
        },
        state: layers.word("state", &[(Own, own.state.as_ref())], Default::default()),
    }
}

/// How an MLLP receiver is spoken to.
pub(crate) struct MllpLayers {
    pub connections: u16,
    pub release: u8,
    pub await_ack: AwaitAck,
}

/// How the receiver of an MLLP destination is spoken to, with every default applied.
pub(crate) fn mllp_settings(own: &MllpTarget, layers: &mut Layers) -> MllpLayers {
    use Layer::Destination as Own;
    MllpLayers {
        connections: layers.pick("mllp.connections", &[(Own, own.connections.as_ref())], 1, ToString::to_string),
        release: layers.pick("mllp.release", &[(Own, own.release.as_ref())], 1, ToString::to_string),
        await_ack: layers.word("mllp.awaitAck", &[(Own, own.await_ack.as_ref())], AwaitAck::default()),
    }
}

/// How messages are written for a route: what it says over what its destination says. A character set that nobody names
/// stays none: bytes leave in the one they came in.
pub(crate) fn outbound_settings(
    route: Option<&Outbound>,
    destination: Option<&Outbound>,
    layers: &mut Layers,
) -> Outbound {
    use Layer::{Destination, Route};
    let charset = [
        (Route, route.map(|own| &own.charset).filter(|charset| charset.is_some())),
        (Destination, destination.map(|own| &own.charset).filter(|charset| charset.is_some())),
    ];
    let on_unmappable = [
        (Route, route.and_then(|own| own.on_unmappable.as_ref())),
        (Destination, destination.and_then(|own| own.on_unmappable.as_ref())),
    ];
    let segment_ends = [
        (Route, route.and_then(|own| own.segment_ends.as_ref())),
        (Destination, destination.and_then(|own| own.segment_ends.as_ref())),
    ];
    let as_received = |charset: &Option<String>| charset.clone().unwrap_or_else(|| "as received".to_owned());
    Outbound {
        charset: layers.pick("outbound.charset", &charset, None, as_received),
        on_unmappable: Some(layers.word("outbound.onUnmappable", &on_unmappable, Default::default())),
        segment_ends: Some(layers.word("outbound.segmentEnds", &segment_ends, Default::default())),
    }
}
