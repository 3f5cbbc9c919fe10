//! A message that is tried where it would be routed: by the running engine, or by a router of the mesh.

use barid_model::{DryPiece, DryRouting, DryRun, DryRunResult, Finding, Lanes, Name, Payload, Revision, Timestamp};
use serde::{Deserialize, Serialize};

use super::act::{from_base64, to_base64};

/// A message, and as what it is tried. Nothing is accepted, stored or sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DryRunRequest {
    /// Through which channel.
    pub channel: Name,
    /// As if it came in at this listener; none: the channel's first.
    #[serde(default)]
    pub listener: Option<Name>,
    /// As if this facility sent it, its first identity proven; none: whom MSH-3 and MSH-4 declare.
    #[serde(default)]
    pub facility: Option<Name>,
    /// Its bytes; base64 in JSON.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub raw: bytes::Bytes,
    /// As if it was received then.
    pub received: Timestamp,
    /// Under which revision of the channel; none: the present one.
    #[serde(default)]
    pub revision: Option<Revision>,
}

impl From<DryRunRequest> for DryRun {
    fn from(request: DryRunRequest) -> Self {
        let DryRunRequest { channel, listener, facility, raw, received, revision } = request;
        Self { channel, listener, facility, raw: Payload::new(raw), received, revision }
    }
}

/// What would become of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DryRunView {
    /// Whether it would be accepted.
    pub accepted: bool,
    /// The channel's revision it was tried under.
    pub revision: Revision,
    /// The listener it was judged at; none: the channel was asked alone.
    pub listener: Option<Name>,
    /// What stands beside: why the channel was asked alone, why nothing would be taken now.
    pub notes: Vec<String>,
    /// The code its sender would get; none where no answer is due.
    pub ack: Option<String>,
    /// Who it is taken to be from; empty where nobody is known.
    pub facility: String,
    /// What was found in it.
    pub findings: Vec<Finding>,
    /// Whose owner would route it; none where it would be refused.
    pub partition: Option<u16>,
    /// Its lanes; none: no order is asked for.
    pub lanes: Vec<String>,
    /// Whether everything of its facility before it goes first, and everything after it waits.
    pub barrier: bool,
    /// Whether the channel's own filter leaves it out.
    pub filtered: bool,
    /// Why it would be set aside before any route is asked; none: it would not.
    pub set_aside: Option<Vec<Finding>>,
    /// What each route makes of it.
    pub pieces: Vec<DryPieceView>,
}

/// One piece of what would be written, or a route that would write nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DryPieceView {
    /// The route.
    pub route: String,
    /// Which piece of a split.
    pub part: u32,
    /// The destination it leads to; none where it leads to a channel.
    pub destination: Option<Name>,
    /// `written`, `filtered` or `setAside`.
    pub end: String,
    /// The log's subject that it would be written to.
    pub subject: Option<String>,
    /// Why it would be set aside.
    pub findings: Vec<Finding>,
    /// What would keep it there for now.
    pub note: Option<String>,
    /// The bytes that would be written; base64 in JSON.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub payload: bytes::Bytes,
}

impl From<DryRunResult> for DryRunView {
    fn from(result: DryRunResult) -> Self {
        let DryRunResult { revision, listener, notes, ack, facility, findings, routing } = result;
        let view = Self {
            accepted: routing.is_some(),
            revision,
            listener,
            notes,
            ack,
            facility,
            findings,
            partition: None,
            lanes: Vec::new(),
            barrier: false,
            filtered: false,
            set_aside: None,
            pieces: Vec::new(),
        };
        let Some(DryRouting { partition, lanes, filtered, set_aside, pieces }) = routing else { return view };
        Self {
            partition: Some(partition.0),
            lanes: lanes.as_slice().iter().map(ToString::to_string).collect(),
            barrier: lanes == Lanes::Barrier,
            filtered,
            set_aside,
            pieces: pieces.into_iter().map(DryPieceView::from).collect(),
            ..view
        }
    }
}

impl From<DryPiece> for DryPieceView {
    fn from(piece: DryPiece) -> Self {
        let DryPiece { route, part, destination, end, subject, findings, note, payload } = piece;
        Self {
            route: route.to_string(),
            part,
            destination,
            end: end.word().to_owned(),
            subject,
            findings,
            note,
            payload: payload.bytes(),
        }
    }
}
