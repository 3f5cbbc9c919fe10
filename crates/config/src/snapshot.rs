//! The snapshot: what the data plane runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use barid_model::{Name, Revision};
use bytes::Bytes;

use crate::document::ChannelTest;
use crate::settings::{ChannelSettings, DestinationSpec, ExchangeSpec, FacilitySpec, ListenerSpec};

/// What the data plane runs: every document that is good, compiled. Cheap to share, never changed.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// One more than the snapshot it was compiled after.
    pub number: u64,
    /// The installation.
    pub exchange: Arc<ExchangeSpec>,
    /// Where messages enter.
    pub listeners: BTreeMap<Name, Arc<ListenerSpec>>,
    /// Who sends.
    pub facilities: BTreeMap<Name, Arc<FacilitySpec>>,
    /// The channels that run.
    pub channels: BTreeMap<Name, Arc<Channel>>,
    /// Channels without any good version, and why: their messages are refused as retryable.
    pub invalid: BTreeMap<Name, String>,
    /// Who receives.
    pub destinations: BTreeMap<Name, Arc<DestinationSpec>>,
    /// What users expect of their channels.
    pub tests: BTreeMap<Name, Arc<ChannelTest>>,
}

/// One revision of a channel.
#[derive(Debug)]
pub struct Channel {
    /// Its name.
    pub name: Name,
    /// The hash of its closure.
    pub revision: Revision,
    /// Its settings.
    pub settings: ChannelSettings,
    /// Itself and all that it refers to, as canonical JSON: what is stored under its revision.
    pub closure: Bytes,
}
