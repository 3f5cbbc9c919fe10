//! A message that is tried: what would become of it, without anything being stored or sent.
//!
//! Asked of a router, because it alone knows all of it: which channel takes a message, what its routes make of it, and
//! what would be written where. Left to others: doing any of it.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::finding::Finding;
use crate::id::Revision;
use crate::lane::{Lanes, Partition};
use crate::name::Name;
use crate::payload::Payload;

/// A message, and as what it is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DryRun {
    /// Through which channel.
    pub channel: Name,
    /// Where it is said to have come in; none: the channel's first listener.
    pub listener: Option<Name>,
    /// Who is said to have sent it, its first identity proven; none: whom MSH-3 and MSH-4 declare.
    pub facility: Option<Name>,
    /// Its bytes.
    pub raw: Payload,
    /// When it is said to have been received: the clock that mappings see.
    pub received: Timestamp,
    /// Under which revision of the channel; none: the present one.
    pub revision: Option<Revision>,
}

/// What would become of it.
#[derive(Debug, Clone, PartialEq)]
pub struct DryRunResult {
    /// The channel's revision it was tried under.
    pub revision: Revision,
    /// The listener it was judged at; none: the channel was asked alone, and took it from anybody.
    pub listener: Option<Name>,
    /// What stands beside: why the channel was asked alone, why nothing would be taken now.
    pub notes: Vec<String>,
    /// The code its sender would get; none where no answer is due.
    pub ack: Option<String>,
    /// Who it is taken to be from; empty where nobody is known.
    pub facility: String,
    /// What was found in it.
    pub findings: Vec<Finding>,
    /// What the router would do with it; none where it would be refused.
    pub routing: Option<DryRouting>,
}

/// What the router would do with a message.
#[derive(Debug, Clone, PartialEq)]
pub struct DryRouting {
    /// Whose owner would do it.
    pub partition: Partition,
    /// What it would stay in order with.
    pub lanes: Lanes,
    /// Whether the channel's own filter leaves it out.
    pub filtered: bool,
    /// Why it would be set aside before any route is asked; none: it would not.
    pub set_aside: Option<Vec<Finding>>,
    /// What each route makes of it, in the order of the document.
    pub pieces: Vec<DryPiece>,
}

/// One piece of what would be written, or a route that would write nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct DryPiece {
    /// The route.
    pub route: Arc<str>,
    /// Which piece of a split.
    pub part: u32,
    /// The destination it leads to; none where it leads to a channel.
    pub destination: Option<Name>,
    /// How it would end at the router.
    pub end: DryEnd,
    /// The log's subject that it would be written to; none where it would not be.
    pub subject: Option<String>,
    /// Why it would be set aside.
    pub findings: Vec<Finding>,
    /// What would keep it there for now.
    pub note: Option<String>,
    /// The bytes that would be written; empty where nothing would be.
    pub payload: Payload,
}

/// How a piece would end at the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DryEnd {
    /// Written, to be sent or to go through the next channel.
    Written,
    /// The route's condition leaves it out.
    Filtered,
    /// Set aside for a person.
    SetAside,
}

impl DryEnd {
    /// The word in text and JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Filtered => "filtered",
            Self::SetAside => "setAside",
        }
    }
}
