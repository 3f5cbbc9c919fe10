//! The envelope and what it is made of.

use std::sync::Arc;
use std::time::Duration;

use barid_model::{
    Cause, Envelope, FacilityRef, Finding, Format, Lane, Lanes, MessageType, Outcome, SearchKey, Severity, Timestamp,
    Waits, lane,
};

use super::{Strict, copy, digest, invalid, name, needed, revision, uid};
use crate::proto::model::v1 as wire;

pub(crate) fn envelope_wire(envelope: &Envelope) -> wire::Envelope {
    wire::Envelope {
        uid: copy(envelope.uid.as_bytes()),
        listener: envelope.listener.to_string(),
        facility: Some(wire::Facility {
            name: envelope.facility.name.to_string(),
            speaks_for: envelope.facility.speaks_for.as_deref().map(str::to_owned),
            verified: envelope.facility.verified,
        }),
        channel: envelope.channel.as_ref().map(ToString::to_string),
        revision: copy(envelope.revision.as_bytes()),
        lanes: Some(lanes_wire(&envelope.lanes)),
        received_micros: envelope.received.micros(),
        digest: copy(envelope.digest.as_bytes()),
        format: match envelope.format {
            Format::Hl7v2 => wire::Format::Hl7v2.into(),
        },
        control_id: envelope.control_id.clone(),
        message_type: Some(message_type_wire(&envelope.message_type)),
        cause: cause_wire(envelope.cause).into(),
        parents: envelope.parents.iter().map(|uid| copy(uid.as_bytes())).collect(),
        origin: envelope.origin.clone(),
        traceparent: envelope.traceparent.clone(),
        findings: findings_wire(&envelope.findings),
        keys: envelope.keys.iter().map(key_wire).collect(),
        waits: envelope.waits.as_ref().map(waits_wire),
        reason: envelope.reason.clone(),
        hops: u32::from(envelope.hops),
    }
}

pub(crate) fn envelope(wire: wire::Envelope) -> Strict<Envelope> {
    let facility = needed(wire.facility, "envelope.facility")?;
    if facility.name.is_empty() && facility.verified {
        return Err(invalid("envelope.facility.name"));
    }
    Ok(Envelope {
        uid: uid(&wire.uid, "envelope.uid")?,
        listener: name(&wire.listener, "envelope.listener")?,
        facility: FacilityRef {
            name: facility.name.into(),
            speaks_for: facility.speaks_for.map(Arc::from),
            verified: facility.verified,
        },
        channel: wire.channel.map(|channel| name(&channel, "envelope.channel")).transpose()?,
        revision: revision(&wire.revision, "envelope.revision")?,
        lanes: lanes(&needed(wire.lanes, "envelope.lanes")?)?,
        received: Timestamp::from_micros(wire.received_micros),
        digest: digest(&wire.digest, "envelope.digest")?,
        format: match wire::Format::try_from(wire.format) {
            Ok(wire::Format::Hl7v2) => Format::Hl7v2,
            Ok(wire::Format::Unspecified) | Err(_) => return Err(invalid("envelope.format")),
        },
        control_id: wire.control_id,
        message_type: message_type(needed(wire.message_type, "envelope.message_type")?),
        cause: cause(wire.cause)?,
        parents: wire.parents.iter().map(|bytes| uid(bytes, "envelope.parents")).collect::<Strict<_>>()?,
        origin: wire.origin,
        traceparent: wire.traceparent,
        findings: findings(wire.findings)?,
        keys: wire.keys.into_iter().map(key).collect::<Strict<_>>()?,
        waits: wire.waits.map(waits),
        reason: wire.reason,
        hops: u8::try_from(wire.hops).map_err(|_| invalid("envelope.hops"))?,
    })
}

pub(crate) fn lanes_wire(lanes: &Lanes) -> wire::Lanes {
    wire::Lanes {
        barrier: matches!(lanes, Lanes::Barrier),
        lanes: lanes.as_slice().iter().map(|lane| lane.raw()).collect(),
    }
}

pub(crate) fn lanes(wire: &wire::Lanes) -> Strict<Lanes> {
    match (wire.barrier, wire.lanes.len()) {
        (true, 0) => Ok(Lanes::Barrier),
        (false, 0..=lane::LANES_MAX) => Ok(Lanes::of(wire.lanes.iter().copied().map(Lane::from_raw).collect())),
        _ => Err(invalid("envelope.lanes")),
    }
}

pub(crate) fn message_type_wire(kind: &MessageType) -> wire::MessageType {
    wire::MessageType {
        code: kind.code.to_string(),
        event: kind.event.to_string(),
        structure: kind.structure.to_string(),
        version: kind.version.to_string(),
    }
}

pub(crate) fn message_type(wire: wire::MessageType) -> MessageType {
    MessageType {
        code: wire.code.into(),
        event: wire.event.into(),
        structure: wire.structure.into(),
        version: wire.version.into(),
    }
}

fn key_wire(key: &SearchKey) -> wire::SearchKey {
    wire::SearchKey { name: key.name.to_string(), value: key.value.clone() }
}

fn key(wire: wire::SearchKey) -> Strict<SearchKey> {
    if wire.name.is_empty() {
        return Err(invalid("envelope.keys.name"));
    }
    Ok(SearchKey { name: wire.name.into(), value: wire.value })
}

fn waits_wire(waits: &Waits) -> wire::Waits {
    wire::Waits {
        route: waits.route.as_deref().map(str::to_owned),
        timeout_millis: u64::try_from(waits.timeout.as_millis()).unwrap_or(u64::MAX),
        query: waits.query,
    }
}

fn waits(wire: wire::Waits) -> Waits {
    Waits { route: wire.route.map(Arc::from), timeout: Duration::from_millis(wire.timeout_millis), query: wire.query }
}

pub(crate) fn findings_wire(findings: &[Finding]) -> Vec<wire::Finding> {
    let finding = |finding: &Finding| wire::Finding {
        severity: match finding.severity {
            Severity::Information => wire::Severity::Information,
            Severity::Warning => wire::Severity::Warning,
            Severity::Error => wire::Severity::Error,
        }
        .into(),
        code: u32::from(finding.code),
        path: finding.path.clone(),
        rule: finding.rule.clone(),
        text: finding.text.clone(),
    };
    findings.iter().map(finding).collect()
}

pub(crate) fn findings(wire: Vec<wire::Finding>) -> Strict<Vec<Finding>> {
    wire.into_iter().map(finding).collect()
}

fn finding(wire: wire::Finding) -> Strict<Finding> {
    Ok(Finding {
        severity: match wire::Severity::try_from(wire.severity) {
            Ok(wire::Severity::Information) => Severity::Information,
            Ok(wire::Severity::Warning) => Severity::Warning,
            Ok(wire::Severity::Error) => Severity::Error,
            Ok(wire::Severity::Unspecified) | Err(_) => return Err(invalid("finding.severity")),
        },
        code: u16::try_from(wire.code).map_err(|_| invalid("finding.code"))?,
        path: wire.path,
        rule: wire.rule,
        text: wire.text,
    })
}

const fn cause_wire(cause: Cause) -> wire::Cause {
    match cause {
        Cause::Received => wire::Cause::Received,
        Cause::Split => wire::Cause::Split,
        Cause::Merged => wire::Cause::Merged,
        Cause::Chained => wire::Cause::Chained,
        Cause::Response => wire::Cause::Response,
        Cause::Replayed => wire::Cause::Replayed,
        Cause::Edited => wire::Cause::Edited,
        Cause::Scheduled => wire::Cause::Scheduled,
    }
}

fn cause(number: i32) -> Strict<Cause> {
    Ok(match wire::Cause::try_from(number) {
        Ok(wire::Cause::Received) => Cause::Received,
        Ok(wire::Cause::Split) => Cause::Split,
        Ok(wire::Cause::Merged) => Cause::Merged,
        Ok(wire::Cause::Chained) => Cause::Chained,
        Ok(wire::Cause::Response) => Cause::Response,
        Ok(wire::Cause::Replayed) => Cause::Replayed,
        Ok(wire::Cause::Edited) => Cause::Edited,
        Ok(wire::Cause::Scheduled) => Cause::Scheduled,
        Ok(wire::Cause::Unspecified) | Err(_) => return Err(invalid("envelope.cause")),
    })
}

pub(crate) const fn outcome_wire(outcome: Outcome) -> wire::Outcome {
    match outcome {
        Outcome::Delivered => wire::Outcome::Delivered,
        Outcome::Filtered => wire::Outcome::Filtered,
        Outcome::Rejected => wire::Outcome::Rejected,
        Outcome::Expired => wire::Outcome::Expired,
        Outcome::Merged => wire::Outcome::Merged,
        Outcome::Quarantined => wire::Outcome::Quarantined,
        Outcome::Discarded => wire::Outcome::Discarded,
    }
}

pub(crate) fn outcome(number: i32) -> Strict<Outcome> {
    Ok(match wire::Outcome::try_from(number) {
        Ok(wire::Outcome::Delivered) => Outcome::Delivered,
        Ok(wire::Outcome::Filtered) => Outcome::Filtered,
        Ok(wire::Outcome::Rejected) => Outcome::Rejected,
        Ok(wire::Outcome::Expired) => Outcome::Expired,
        Ok(wire::Outcome::Merged) => Outcome::Merged,
        Ok(wire::Outcome::Quarantined) => Outcome::Quarantined,
        Ok(wire::Outcome::Discarded) => Outcome::Discarded,
        Ok(wire::Outcome::Unspecified) | Err(_) => return Err(invalid("answer.outcome")),
    })
}
