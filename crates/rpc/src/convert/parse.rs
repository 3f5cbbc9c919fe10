//! The parse stage's input and verdict.
//!
//! A rule table does not travel: an item names it by the hash of its snapshot. Connections have many messages, so what a
//! connection proves travels once a call.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use barid_hl7::{Charset, Header, ack};
use barid_model::{MessageUid, Name, Payload, Revision, Timestamp};
use barid_validate::{
    Accepted, CertificateFacts, ParseInput, ParseTable, Peer, Refusal, Rejected, Unanswered, Verdict,
};
use bytes::Bytes;

use super::envelope::{envelope, envelope_wire, message_type, message_type_wire};
use super::{Strict, array, copy, findings, findings_wire, invalid, name, needed, revision, uid};
use crate::proto::parse::v1 as wire;

/// The peers of a call, each once.
#[derive(Default)]
pub(crate) struct Peers {
    places: HashMap<*const Peer, u32>,
    pub(crate) wire: Vec<wire::Peer>,
}

impl Peers {
    fn place(&mut self, peer: &Arc<Peer>) -> u32 {
        let next = u32::try_from(self.wire.len()).unwrap_or(u32::MAX);
        *self.places.entry(Arc::as_ptr(peer)).or_insert_with(|| {
            self.wire.push(peer_wire(peer));
            next
        })
    }
}

fn peer_wire(peer: &Peer) -> wire::Peer {
    wire::Peer {
        address: peer.address.map(|address| match address {
            IpAddr::V4(address) => copy(&address.octets()),
            IpAddr::V6(address) => copy(&address.octets()),
        }),
        certificate: peer.certificate.as_ref().map(|certificate| wire::Certificate {
            dns_names: certificate.dns_names.clone(),
            common_name: certificate.common_name.clone(),
            organization: certificate.organization.clone(),
            fingerprint: copy(&certificate.fingerprint),
        }),
        tokens: peer.tokens.iter().map(ToString::to_string).collect(),
        origin: peer.origin.to_string(),
    }
}

fn peer(wire: wire::Peer) -> Strict<Arc<Peer>> {
    let address = |bytes: Bytes| match bytes.len() {
        4 => array::<4>(&bytes, "peer.address").map(|octets| IpAddr::V4(Ipv4Addr::from(octets))),
        _ => array::<16>(&bytes, "peer.address").map(|octets| IpAddr::V6(Ipv6Addr::from(octets))),
    };
    let certificate = |wire: wire::Certificate| {
        Ok(Arc::new(CertificateFacts {
            dns_names: wire.dns_names,
            common_name: wire.common_name,
            organization: wire.organization,
            fingerprint: array(&wire.fingerprint, "peer.certificate.fingerprint")?,
        }))
    };
    Ok(Arc::new(Peer {
        address: wire.address.map(address).transpose()?,
        certificate: wire.certificate.map(certificate).transpose()?,
        tokens: wire.tokens.into_iter().map(Arc::from).collect(),
        origin: wire.origin.into(),
    }))
}

pub(crate) fn parse_item(input: &ParseInput, peers: &mut Peers) -> wire::ParseItem {
    wire::ParseItem {
        uid: copy(input.uid.as_bytes()),
        raw: input.raw.bytes(),
        received_micros: input.received.micros(),
        listener: input.listener.to_string(),
        peer: peers.place(&input.peer),
        traceparent: input.traceparent.clone(),
        snapshot: copy(input.table.identity().as_bytes()),
        context: Bytes::new(),
    }
}

/// An item that was read, but for the table that it names.
pub(crate) struct ParseParts {
    pub(crate) snapshot: Revision,
    uid: MessageUid,
    raw: Payload,
    received: Timestamp,
    listener: Name,
    peer: Arc<Peer>,
    traceparent: Option<String>,
}

impl ParseParts {
    pub(crate) fn with(self, table: Arc<ParseTable>) -> ParseInput {
        let Self { uid, raw, received, listener, peer, traceparent, .. } = self;
        ParseInput { uid, raw, received, listener, peer, traceparent, table }
    }
}

pub(crate) fn parse_parts(request: wire::ParseRequest) -> Vec<Strict<ParseParts>> {
    let peers: Vec<Strict<Arc<Peer>>> = request.peers.into_iter().map(peer).collect();
    let parts = |item: wire::ParseItem| {
        let place = usize::try_from(item.peer).map_err(|_| invalid("item.peer"))?;
        if !item.context.is_empty() {
            return Err(invalid("item.context"));
        }
        Ok(ParseParts {
            snapshot: revision(&item.snapshot, "item.snapshot")?,
            uid: uid(&item.uid, "item.uid")?,
            raw: Payload::new(item.raw),
            received: Timestamp::from_micros(item.received_micros),
            listener: name(&item.listener, "item.listener")?,
            peer: needed(peers.get(place).cloned(), "item.peer")??,
            traceparent: item.traceparent,
        })
    };
    request.items.into_iter().map(parts).collect()
}

fn header_wire(header: &Header, raw: &Bytes) -> wire::Header {
    let usual = Header::read(raw);
    let line = (usual.raw() != header.raw()).then(|| header.raw().clone());
    wire::Header { present: header.is_present(), charset: header.charset().hl7_name().to_owned(), line }
}

fn header(wire: Option<wire::Header>, raw: &Payload) -> Strict<Header> {
    let wire = needed(wire, "header")?;
    if !wire.present {
        return Ok(Header::default());
    }
    let charset = Charset::from_name(&wire.charset).map_err(|_| invalid("header.charset"))?;
    let read = match &wire.line {
        Some(line) => Header::read(line),
        None => Header::read(raw),
    };
    if !read.is_present() {
        return Err(invalid("header.line"));
    }
    Ok(read.with_charset(charset))
}

fn ack_wire(mode: ack::Mode) -> i32 {
    match mode {
        ack::Mode::Standard => wire::AckMode::Standard,
        ack::Mode::Always => wire::AckMode::Always,
        ack::Mode::Original => wire::AckMode::Original,
        ack::Mode::CommitOnly => wire::AckMode::CommitOnly,
    }
    .into()
}

fn ack(number: i32) -> Strict<ack::Mode> {
    Ok(match wire::AckMode::try_from(number) {
        Ok(wire::AckMode::Standard) => ack::Mode::Standard,
        Ok(wire::AckMode::Always) => ack::Mode::Always,
        Ok(wire::AckMode::Original) => ack::Mode::Original,
        Ok(wire::AckMode::CommitOnly) => ack::Mode::CommitOnly,
        Ok(wire::AckMode::Unspecified) | Err(_) => return Err(invalid("ack")),
    })
}

pub(crate) fn verdict_wire(input: &ParseInput, verdict: &Verdict) -> wire::parse_result::Result {
    use wire::parse_result::Result;
    match verdict {
        Verdict::Accept(accepted) => Result::Accepted(wire::Accepted {
            envelope: Some(envelope_wire(&accepted.envelope)),
            header: Some(header_wire(&accepted.header, &input.raw)),
            ack: ack_wire(accepted.ack),
            is_response: accepted.is_response,
        }),
        Verdict::Reject(rejected) => Result::Rejected(wire::Rejected {
            refusal: match rejected.refusal {
                Refusal::Error => wire::Refusal::Error,
                Refusal::Reject => wire::Refusal::Reject,
                Refusal::Retry => wire::Refusal::Retry,
            }
            .into(),
            findings: findings_wire(&rejected.findings),
            header: Some(header_wire(&rejected.header, &input.raw)),
            message_type: Some(message_type_wire(&rejected.message_type)),
            facility: rejected.facility.as_deref().map(str::to_owned),
            channel: rejected.channel.as_ref().map(ToString::to_string),
            ack: ack_wire(rejected.ack),
            is_response: rejected.is_response,
        }),
        Verdict::NoReply(unanswered) => {
            Result::Unanswered(wire::Unanswered { message_type: Some(message_type_wire(&unanswered.message_type)) })
        }
    }
}

/// A verdict on `input`; none where the result is a failure instead.
pub(crate) fn verdict(wire: wire::parse_result::Result, input: &ParseInput) -> Strict<Verdict> {
    use wire::parse_result::Result;
    match wire {
        Result::Accepted(wire) => {
            let envelope = envelope(needed(wire.envelope, "accepted.envelope")?)?;
            if envelope.uid != input.uid {
                return Err(invalid("accepted.envelope.uid"));
            }
            Ok(Verdict::Accept(Box::new(Accepted {
                envelope,
                header: header(wire.header, &input.raw)?,
                ack: ack(wire.ack)?,
                is_response: wire.is_response,
            })))
        }
        Result::Rejected(wire) => Ok(Verdict::Reject(Box::new(Rejected {
            refusal: match wire::Refusal::try_from(wire.refusal) {
                Ok(wire::Refusal::Error) => Refusal::Error,
                Ok(wire::Refusal::Reject) => Refusal::Reject,
                Ok(wire::Refusal::Retry) => Refusal::Retry,
                Ok(wire::Refusal::Unspecified) | Err(_) => return Err(invalid("rejected.refusal")),
            },
            findings: findings(wire.findings)?,
            header: header(wire.header, &input.raw)?,
            message_type: message_type(needed(wire.message_type, "rejected.message_type")?),
            facility: wire.facility.map(Arc::from),
            channel: wire.channel.map(|channel| name(&channel, "rejected.channel")).transpose()?,
            ack: ack(wire.ack)?,
            is_response: wire.is_response,
        }))),
        Result::Unanswered(wire) => {
            let message_type = message_type(needed(wire.message_type, "unanswered.message_type")?);
            Ok(Verdict::NoReply(Box::new(Unanswered { message_type })))
        }
        Result::Failure(_) => Err(invalid("result")),
    }
}
