//! Channel: which messages, how checked, transformed, ordered, where to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use barid_transform::document::{Outbound, Reference, Step};

use super::{OnUnknown, Period, is_empty};

/// Which messages, how checked, transformed, ordered, where to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Channel {
    /// What it is for, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Which messages it takes. Default: only what routes of other channels send it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<From>,
    /// Among the channels that would take a message the highest takes it, then the first by namespace and name. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// Expression: messages for which it is false are accepted, recorded as filtered, and go nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// How its senders are answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ack: Option<Ack>,
    /// How its messages are checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validate: Option<Validate>,
    /// How a sender's resend is recognised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicates: Option<Duplicates>,
    /// What stays in order. Default: all of a facility.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// Own search keys besides patient, control id and type. At most 16.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub index: Vec<IndexKey>,
    /// Mapping steps for all routes, in order.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub transform: Vec<Step>,
    /// Where its messages go; each that wants a message gets it. At most 64.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub routes: Vec<Route>,
    /// How long its messages and their history are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// Whether it runs. Default `running`. A pause by command overrides it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<ChannelState>,
}

/// Which messages a channel takes: all that is written has to hold.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct From {
    /// The listeners it reads from. Default: all of its namespace.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub listeners: Vec<Reference>,
    /// The facilities it takes from. Default: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facilities: Option<FacilitySelector>,
    /// Expression that has to be true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
}

/// Which facilities: one of `names`, with all `labels`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FacilitySelector {
    /// Names of Facility documents. Default: any.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub names: Vec<String>,
    /// Labels they carry. Default: any.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The namespace of `names`, and the only one `labels` looks at. Default: the channel's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// How senders are answered.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ack {
    /// Which acknowledgements are sent. Default `standard`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<AckMode>,
    /// When: once the message is durable, or once a destination has answered. Default `accepted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<AckAfter>,
    /// With `after: delivered`: the route whose answer is passed on; needed where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// With `after: delivered`: how long the sender waits; then it gets 207 and the message goes on. Default `30s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Period>,
}

/// Which acknowledgements are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AckMode {
    /// As MSH-15 and MSH-16 ask.
    #[default]
    Standard,
    /// One for each message, whatever MSH-15 asks.
    Always,
    /// AA, AE, AR, whatever MSH-15 and MSH-16 ask.
    Original,
    /// CA, CE, CR only.
    CommitOnly,
}

/// When a sender is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AckAfter {
    /// Once the message is durable.
    #[default]
    Accepted,
    /// Once a destination has answered.
    Delivered,
}

/// How messages are checked.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Validate {
    /// What a conformant message is. Default: the checks of the standard that every message needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Reference>,
    /// Whether a version of HL7 that is not known (203), or bytes and names of character sets that cannot be read as
    /// declared (102, 103), are errors. Default `false`: they are warnings, and the nearest that can be read is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// The type of an observation's value (OBX-5) where OBX-2 is empty, such as `ST`. Default: that is an error (101).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_type: Option<String>,
    /// What becomes of a message with errors. Default `reject`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_invalid: Option<OnInvalid>,
    /// What becomes of a message without MSH-10. Default `reject`; `accept` gives it an id made here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_control_id: Option<OnUnknown>,
}

/// What becomes of a message with errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnInvalid {
    /// Accepted; the findings are recorded.
    Log,
    /// Accepted and set aside for a person.
    Quarantine,
    /// Refused with the findings.
    #[default]
    Reject,
}

/// How a sender's resend is recognised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Duplicates {
    /// A message with facility, control id and bytes of one received so recently is answered again and not delivered
    /// again. Default `24h`; `0s` delivers every one; at most `30d`.
    pub window: Period,
}

/// What stays in order.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Order {
    /// By what.
    pub by: OrderBy,
    /// With `by: patient`: where the identifiers are. Default `PID-3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// With `by: patient`: only identifiers of this assigning authority (component 4). Default: the first with one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// With `by: expression`: text; messages with equal text stay in order within a facility.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
}

/// What stays in order, by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OrderBy {
    /// Everything a facility sends.
    #[default]
    Facility,
    /// Everything about one patient.
    Patient,
    /// Nothing.
    None,
    /// Messages for which an expression gives the same text.
    Expression,
}

/// One own search key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IndexKey {
    /// Its name in searches.
    pub name: String,
    /// Where its value is, such as `PV1-19.1`.
    pub path: String,
    /// Whether only a keyed hash of the value is kept. Default `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sensitive: Option<bool>,
}

/// One arrow of a channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Route {
    /// Its name, unique in the channel: part of a delivery's identity.
    pub name: String,
    /// Where it goes.
    pub to: To,
    /// Expression over the message after the channel's `transform`. Default: every message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Mapping steps for this route alone, after the channel's.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub transform: Vec<Step>,
    /// How the message is written for this route, where the destination's own setting does not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outbound: Option<Outbound>,
}

/// Where a route goes: exactly one of `destination` and `channel`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct To {
    /// The name of a Destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// The name of a Channel; a chain of them may not come back to itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Its namespace. Default: the channel's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// How long messages and their history are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retention {
    /// Message bytes. Default `30d`. What is in flight, held or quarantined stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Period>,
    /// Everything else. Default `2y`; not shorter than `payload`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Period>,
}

/// Whether a channel runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ChannelState {
    /// Takes and routes messages.
    #[default]
    Running,
    /// Takes messages and holds them.
    Paused,
    /// Refuses new messages and finishes what it has.
    Closed,
}
