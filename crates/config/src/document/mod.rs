//! The documents that people write: one type a kind, the same for a file and for a custom resource.
//!
//! Rules that all kinds keep: no field has two shapes; a reference is an object with a `name` and an optional
//! `namespace`; the keys of a union exclude each other; a quantity is text with its unit; what may be left out has a
//! built-in default that its description names. The types here hold what was written and nothing else: which default
//! holds where nothing was written is decided in [`crate::settings`], and whether it all fits together by the compiler.

mod channel;
mod destination;
mod exchange;
mod facility;
mod listener;
mod metadata;
mod secret;
mod table;
mod test;
mod units;

pub use barid_transform::document::{CodeRow, OnUnmappable, Outbound, Reference, SegmentEnds, Step};
use serde::{Deserialize, Serialize};

pub use channel::{
    Ack, AckAfter, AckMode, Channel, ChannelState, Duplicates, FacilitySelector, From, IndexKey, OnInvalid, Order,
    OrderBy, Retention, Route, To, Validate,
};
pub use destination::{
    AnswerRule, AnswerThen, AwaitAck, Backlog, BasicAuth, Destination, DestinationState, FileTarget, Header, HttpAuth,
    HttpTarget, MllpTarget, OnFull, OnReject, Retry, TargetTls,
};
pub use exchange::{Defaults, Exchange, ProcessingId};
pub use facility::{CertificateMatch, Expect, Facility, FacilityLimits, Identity, MshMatch};
pub use listener::{
    ClientAuth, HttpsListener, Identify, Listener, ListenerAck, ListenerLimits, ListenerTls, MllpListener, MllpMode,
    OnUnknown,
};
pub use metadata::{AllowedFrom, Metadata, full_name};
pub use secret::{SecretName, SecretValue};
pub use table::{CodeTable, Mapping, Profile};
pub use test::{ChannelTest, Expectation, FieldCheck, Given, RouteCheck, Send, TestCase};
pub use units::{Hours, Period, Size};

/// The group and version of all documents.
pub const API_VERSION: &str = "barid.dev/v1alpha1";

/// One document.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its name and labels.
    pub metadata: Metadata,
    /// What it declares.
    pub spec: Spec,
}

/// What a document declares, by kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "spec")]
pub enum Spec {
    /// The installation itself: one at most.
    Exchange(Box<Exchange>),
    /// Where messages enter.
    Listener(Box<Listener>),
    /// An organisation that sends.
    Facility(Box<Facility>),
    /// Which messages, how checked, transformed, ordered, where to.
    Channel(Box<Channel>),
    /// Steps that channels share.
    Mapping(Mapping),
    /// A system that receives.
    Destination(Box<Destination>),
    /// Codes of one system in terms of another.
    CodeTable(CodeTable),
    /// What a conformant message is.
    Profile(Profile),
    /// What the user expects of a channel, checked before it goes live.
    ChannelTest(ChannelTest),
}

/// The kinds, in the order of the reference.
pub const KINDS: [&str; 9] =
    ["Exchange", "Listener", "Facility", "Channel", "Mapping", "Destination", "CodeTable", "Profile", "ChannelTest"];

/// Kinds that are named in the design and not built yet.
pub const RESERVED_KINDS: [&str; 3] = ["Alert", "ServiceLevel", "Defaults"];

impl Spec {
    /// The kind's name.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Exchange(_) => "Exchange",
            Self::Listener(_) => "Listener",
            Self::Facility(_) => "Facility",
            Self::Channel(_) => "Channel",
            Self::Mapping(_) => "Mapping",
            Self::Destination(_) => "Destination",
            Self::CodeTable(_) => "CodeTable",
            Self::Profile(_) => "Profile",
            Self::ChannelTest(_) => "ChannelTest",
        }
    }
}

/// Skips a list or map that was not written, so that canonical text holds only what was.
fn is_empty<T: IsEmpty>(value: &T) -> bool {
    value.empty()
}

trait IsEmpty {
    fn empty(&self) -> bool;
}

impl<T> IsEmpty for Vec<T> {
    fn empty(&self) -> bool {
        self.is_empty()
    }
}

impl<K, V> IsEmpty for std::collections::BTreeMap<K, V> {
    fn empty(&self) -> bool {
        self.is_empty()
    }
}
