//! What a channel's revision does to a message, compiled: filter, transform, and one mapping a route.

use std::sync::Arc;

use barid_expr::{FacilityFacts, Program};
use barid_hl7::{Charset, Limits};
use barid_model::{Envelope, Finding, Name, Payload};
use bytes::Bytes;

use crate::document::{OnUnmappable, Outbound, SegmentEnds};
use crate::mapping::Mapping;

/// A channel's revision, as the apply stage runs it.
#[derive(Debug, Clone, Default)]
pub struct ChannelProgram {
    /// Messages for which this is false are recorded as filtered; a condition ([`barid_expr::Place::Message`]).
    pub filter: Option<Program>,
    /// The channel's own steps.
    pub transform: Mapping,
    /// Its routes, in the order of the document.
    pub routes: Vec<RouteProgram>,
}

/// One route.
#[derive(Debug, Clone)]
pub struct RouteProgram {
    /// Its name.
    pub name: Arc<str>,
    /// Where it leads.
    pub target: RouteTarget,
    /// Whether it takes the message, asked after the channel's own steps.
    pub when: Option<Program>,
    /// Its own steps.
    pub transform: Mapping,
    /// How the bytes leave.
    pub outgoing: Outgoing,
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RouteTarget {
    /// To a destination.
    Destination(Name),
    /// To another channel, as a new message.
    Channel(Name),
}

/// How the bytes leave: a destination's `outbound`, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outgoing {
    /// The character set to write; as received where there is none.
    pub charset: Option<Charset>,
    /// What happens to characters that `charset` does not have.
    pub on_unmappable: OnUnmappable,
    /// How segments end.
    pub segment_ends: SegmentEnds,
}

impl Outgoing {
    /// Checks a destination's settings.
    ///
    /// # Errors
    /// Where `charset` is not one that can be written, with what can be.
    pub fn compile(outbound: &Outbound) -> Result<Self, String> {
        let charset = match &outbound.charset {
            None => None,
            Some(name) => Some(Charset::from_name(name).map_err(|error| error.to_string())?),
        };
        Ok(Self {
            charset,
            on_unmappable: outbound.on_unmappable.unwrap_or_default(),
            segment_ends: outbound.segment_ends.unwrap_or_default(),
        })
    }
}

/// What the apply stage is given.
#[derive(Debug, Clone)]
pub struct ApplyInput {
    /// What is known of the message.
    pub envelope: Arc<Envelope>,
    /// Its bytes as received.
    pub raw: Payload,
    /// The revision it was accepted under.
    pub program: Arc<ChannelProgram>,
    /// What expressions can ask about its sender.
    pub facility: Arc<FacilityFacts>,
    /// How it was read when it was accepted: tolerances and fallback character set. Sizes do not matter here.
    pub limits: Limits,
    /// Results of look-ups in other systems; none yet.
    pub context: Bytes,
}

impl ApplyInput {
    /// An input with the default limits and no context.
    #[must_use]
    pub fn new(
        envelope: Arc<Envelope>,
        raw: Payload,
        program: Arc<ChannelProgram>,
        facility: Arc<FacilityFacts>,
    ) -> Self {
        Self { envelope, raw, program, facility, limits: Limits::default(), context: Bytes::new() }
    }
}

/// What the apply stage made of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Applied {
    /// The channel's `filter` leaves it out.
    Filtered {
        /// By what: the field of the document.
        by: &'static str,
    },
    /// What each route made of it, in the order of the document.
    Routed(Vec<RouteResult>),
    /// The channel's own filter or steps failed, or its bytes cannot be read.
    Failed(Vec<Finding>),
}

/// What one route made of a message.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteResult {
    /// The route's name.
    pub route: Arc<str>,
    /// Where it leads.
    pub target: RouteTarget,
    /// What it made of the message.
    pub output: RouteOutput,
}

/// What there is to send for one route.
#[derive(Debug, Clone, PartialEq)]
pub enum RouteOutput {
    /// The route's `when` leaves the message out.
    Filtered,
    /// Its pieces: one, until messages can be split.
    Sent(Vec<Payload>),
    /// Its condition, steps or conversion failed.
    Failed(Vec<Finding>),
}
