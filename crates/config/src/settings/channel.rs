//! A channel as it runs, apart from its compiled program.

use std::collections::BTreeMap;
use std::time::Duration;

use barid_model::Name;
use barid_transform::RouteTarget;

use crate::document::{AckAfter, AckMode, ChannelState, IndexKey, OnInvalid, OnUnknown, OrderBy};

/// A channel's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelSettings {
    /// Which messages it takes; none: only what routes of other channels send it.
    pub from: Option<FromSettings>,
    /// Higher ones are asked first.
    pub priority: i32,
    /// How senders are answered.
    pub ack: AckSettings,
    /// The profile it checks with.
    pub profile: Option<Name>,
    /// Whether what reading had to guess is an error.
    pub strict: bool,
    /// The type of OBX-5 where OBX-2 is empty; none: that is an error.
    pub value_type: Option<String>,
    /// What becomes of a message with errors.
    pub on_invalid: OnInvalid,
    /// What becomes of a message without MSH-10.
    pub missing_control_id: OnUnknown,
    /// How long a resend is recognised; zero: not at all.
    pub duplicate_window: Duration,
    /// What stays in order.
    pub order: OrderSettings,
    /// Own search keys.
    pub index: Vec<IndexKey>,
    /// Where its messages go.
    pub routes: Vec<RouteSettings>,
    /// How long message bytes are kept.
    pub payload_retention: Duration,
    /// How long everything else is kept.
    pub metadata_retention: Duration,
    /// Whether it runs; a pause by command overrides it.
    pub state: ChannelState,
}

/// Which messages a channel takes.
#[derive(Debug, Clone, PartialEq)]
pub struct FromSettings {
    /// The listeners it reads from; none: all of its own namespace.
    pub listeners: Vec<Name>,
    /// The facilities it takes from; none: any.
    pub facilities: Vec<Name>,
    /// Labels its facilities carry.
    pub labels: BTreeMap<String, String>,
    /// The namespace that `labels` looks at.
    pub namespace: String,
    /// Expression that has to be true.
    pub when: Option<String>,
}

/// How senders are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AckSettings {
    /// Which acknowledgements are sent; none: as the listener says.
    pub mode: Option<AckMode>,
    /// When.
    pub after: AckAfter,
    /// The route whose answer is passed on.
    pub route: Option<String>,
    /// How long the sender waits for it.
    pub timeout: Duration,
}

/// What stays in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderSettings {
    /// By what.
    pub by: OrderBy,
    /// Where patient identifiers are.
    pub path: String,
    /// Only identifiers of this assigning authority.
    pub authority: Option<String>,
    /// Expression for [`OrderBy::Expression`].
    pub expression: Option<String>,
}

/// One arrow of a channel.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteSettings {
    /// Its name.
    pub name: String,
    /// Where it goes.
    pub to: RouteTarget,
}
