//! Records to their protobuf form.

use bytes::Bytes;
use prost::Message as _;

use super::{
    Answer, AnswerRecord, CommandRecord, InRecord, Intake, OutRecord, OutcomeRecord, ParkRecord, Parked,
    RECORD_VERSION, RefusedRecord, RoutedDelivery, RoutedRecord, Source, WaitingCaller, wire,
};
use crate::envelope::{Cause, Envelope, Format, MessageType, SearchKey, Waits};
use crate::finding::{Finding, Severity};
use crate::lane::Lanes;
use crate::outcome::{Disposition, Outcome};

fn copy(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

fn findings(findings: &[Finding]) -> Vec<wire::Finding> {
    findings
        .iter()
        .map(|finding| wire::Finding {
            severity: match finding.severity {
                Severity::Error => 1,
                Severity::Warning => 2,
                Severity::Information => 3,
            },
            code: u32::from(finding.code),
            path: finding.path.clone(),
            rule: finding.rule.clone(),
            text: finding.text.clone(),
        })
        .collect()
}

fn lanes(lanes: &Lanes) -> wire::Lanes {
    wire::Lanes {
        barrier: matches!(lanes, Lanes::Barrier),
        lanes: lanes.as_slice().iter().map(|lane| lane.raw()).collect(),
    }
}

fn message_type(kind: &MessageType) -> wire::MessageType {
    wire::MessageType {
        code: kind.code.to_string(),
        event: kind.event.to_string(),
        structure: kind.structure.to_string(),
        version: kind.version.to_string(),
    }
}

fn waits(waits: &Waits, key: Bytes) -> wire::Waits {
    wire::Waits {
        route: waits.route.as_deref().map(str::to_owned),
        timeout_millis: u64::try_from(waits.timeout.as_millis()).unwrap_or(u64::MAX),
        query: waits.query,
        key,
    }
}

fn waiting(caller: &WaitingCaller) -> wire::Waits {
    waits(&caller.waits, copy(caller.key.as_bytes()))
}

fn key(key: &SearchKey) -> wire::SearchKey {
    wire::SearchKey { name: key.name.to_string(), value: key.value.clone() }
}

fn answer(answer: &Answer) -> wire::Answer {
    wire::Answer { code: answer.code.clone(), bytes: answer.bytes.bytes() }
}

fn source(source: Source) -> wire::Source {
    wire::Source {
        partition: u32::from(source.partition.0),
        intake: match source.intake {
            Intake::Received => 0,
            Intake::Chained => 1,
        },
        position: source.position,
        output: source.output,
        other: source.other,
    }
}

/// 0 is none, so that a missing field cannot become an outcome.
fn outcome(outcome: Option<Outcome>) -> u32 {
    match outcome {
        None => 0,
        Some(Outcome::Delivered) => 1,
        Some(Outcome::Filtered) => 2,
        Some(Outcome::Rejected) => 3,
        Some(Outcome::Expired) => 4,
        Some(Outcome::Merged) => 5,
        Some(Outcome::Quarantined) => 6,
        Some(Outcome::Discarded) => 7,
    }
}

fn envelope(envelope: &Envelope) -> wire::Envelope {
    wire::Envelope {
        uid: copy(envelope.uid.as_bytes()),
        listener: envelope.listener.to_string(),
        facility: envelope.facility.name.to_string(),
        speaks_for: envelope.facility.speaks_for.as_deref().map(str::to_owned),
        verified: envelope.facility.verified,
        channel: envelope.channel.as_ref().map(ToString::to_string),
        revision: copy(envelope.revision.as_bytes()),
        lanes: Some(lanes(&envelope.lanes)),
        received: envelope.received.micros(),
        digest: copy(envelope.digest.as_bytes()),
        format: match envelope.format {
            Format::Hl7v2 => 0,
        },
        control_id: envelope.control_id.clone(),
        message_type: Some(message_type(&envelope.message_type)),
        cause: match envelope.cause {
            Cause::Received => 0,
            Cause::Split => 1,
            Cause::Merged => 2,
            Cause::Chained => 3,
            Cause::Response => 4,
            Cause::Replayed => 5,
            Cause::Edited => 6,
            Cause::Scheduled => 7,
        },
        parents: envelope.parents.iter().map(|uid| copy(uid.as_bytes())).collect(),
        origin: envelope.origin.clone(),
        traceparent: envelope.traceparent.clone(),
        findings: findings(&envelope.findings),
        keys: envelope.keys.iter().map(key).collect(),
        waits: envelope.waits.as_ref().map(|w| waits(w, Bytes::new())),
        reason: envelope.reason.clone(),
        hops: u32::from(envelope.hops),
    }
}

fn out(record: &OutRecord) -> wire::Out {
    wire::Out {
        version: RECORD_VERSION,
        id: copy(record.id.as_bytes()),
        uid: copy(record.uid.as_bytes()),
        source: Some(source(record.source)),
        channel: record.channel.to_string(),
        revision: copy(record.revision.as_bytes()),
        route: record.route.to_string(),
        part: record.part,
        run: record.run,
        destination: record.destination.to_string(),
        facility: record.facility.to_string(),
        lanes: Some(lanes(&record.lanes)),
        received: record.received.micros(),
        message_type: Some(message_type(&record.message_type)),
        is_set_aside: record.set_aside.is_some(),
        findings: findings(record.set_aside.as_deref().unwrap_or_default()),
        waits: record.waits.as_ref().map(waiting),
        traceparent: record.traceparent.clone(),
        key_id: None,
        payload: record.payload.bytes(),
    }
}

fn routed_delivery(delivery: &RoutedDelivery) -> wire::RoutedDelivery {
    wire::RoutedDelivery {
        id: copy(delivery.id.as_bytes()),
        route: delivery.route.to_string(),
        part: delivery.part,
        destination: delivery.destination.as_ref().map(ToString::to_string),
        outcome: outcome(delivery.outcome),
        chained: delivery.chained.map(|uid| copy(uid.as_bytes())),
        findings: findings(&delivery.findings),
        out: delivery.out,
    }
}

pub(super) fn in_record(record: &InRecord) -> Bytes {
    let envelope = Some(envelope(&record.envelope));
    let source = record.source.map(source);
    wire::In { version: RECORD_VERSION, envelope, source, key_id: None, raw: record.raw.bytes() }.encode_to_vec().into()
}

pub(super) fn out_record(record: &OutRecord) -> Bytes {
    out(record).encode_to_vec().into()
}

pub(super) fn routed(record: &RoutedRecord) -> Bytes {
    wire::Routed {
        version: RECORD_VERSION,
        uid: copy(record.uid.as_bytes()),
        source: Some(source(record.source)),
        at: record.at.micros(),
        disposition: match record.disposition {
            Disposition::Routed => 1,
            Disposition::Duplicate => 2,
            Disposition::Quarantined => 3,
        },
        duplicate_of: record.duplicate_of.map(|uid| copy(uid.as_bytes())),
        findings: findings(&record.findings),
        deliveries: record.deliveries.iter().map(routed_delivery).collect(),
    }
    .encode_to_vec()
    .into()
}

pub(super) fn outcome_record(record: &OutcomeRecord) -> Bytes {
    wire::Outcome {
        version: RECORD_VERSION,
        id: copy(record.id.as_bytes()),
        uid: copy(record.uid.as_bytes()),
        route: record.route.to_string(),
        part: record.part,
        run: record.run,
        destination: record.destination.to_string(),
        out_partition: u32::from(record.out.0.0),
        out_position: record.out.1,
        park: record.park,
        outcome: outcome(record.outcome),
        at: record.at.micros(),
        attempts: record.attempts,
        possible_duplicate: record.possible_duplicate,
        answer: record.answer.as_ref().map(answer),
        findings: findings(&record.findings),
        actor: record.actor.clone(),
        reason: record.reason.clone(),
        awaited: record.awaited.map(|key| copy(key.as_bytes())),
    }
    .encode_to_vec()
    .into()
}

pub(super) fn park(record: &ParkRecord) -> Bytes {
    wire::Park {
        version: RECORD_VERSION,
        why: match record.why {
            Parked::Held => 1,
            Parked::Stalled => 2,
            Parked::Follows => 3,
            Parked::Quarantined => 4,
            Parked::Rerun => 5,
            Parked::Paused => 6,
        },
        at: record.at.micros(),
        out_partition: u32::from(record.out.0.0),
        out_position: record.out.1,
        attempts: record.attempts,
        findings: findings(&record.findings),
        answer: record.answer.as_ref().map(answer),
        delivery: Some(out(&record.delivery)),
        ended: None,
        held: None,
        released: None,
        possible_duplicate: record.possible_duplicate,
    }
    .encode_to_vec()
    .into()
}

pub(super) fn park_ended(position: u64) -> Bytes {
    wire::Park { version: RECORD_VERSION, ended: Some(position), ..wire::Park::default() }.encode_to_vec().into()
}

pub(super) fn park_released(position: u64) -> Bytes {
    wire::Park { version: RECORD_VERSION, released: Some(position), ..wire::Park::default() }.encode_to_vec().into()
}

pub(super) fn park_held(position: u64, possible_duplicate: bool) -> Bytes {
    let held = Some(position);
    wire::Park { version: RECORD_VERSION, held, possible_duplicate, ..wire::Park::default() }.encode_to_vec().into()
}

pub(super) fn refused(record: &RefusedRecord) -> Bytes {
    wire::Refused {
        version: RECORD_VERSION,
        at: record.at.micros(),
        listener: record.listener.to_string(),
        origin: record.origin.clone(),
        facility: record.facility.as_deref().map(str::to_owned),
        channel: record.channel.as_ref().map(ToString::to_string),
        control_id: record.control_id.clone(),
        message_type: Some(message_type(&record.message_type)),
        code: record.code.clone(),
        findings: findings(&record.findings),
        raw: record.raw.bytes(),
    }
    .encode_to_vec()
    .into()
}

pub(super) fn command(record: &CommandRecord) -> Bytes {
    wire::Command {
        version: RECORD_VERSION,
        at: record.at.micros(),
        actor: record.actor.clone(),
        reason: record.reason.clone(),
        verb: record.verb.clone(),
        target: record.target.clone(),
        detail: record.detail.clone(),
    }
    .encode_to_vec()
    .into()
}

pub(super) fn awaited(record: &AnswerRecord) -> Bytes {
    wire::Awaited {
        version: RECORD_VERSION,
        outcome: outcome(Some(record.outcome)),
        at: record.at.micros(),
        answer: Some(answer(&record.answer)),
        findings: findings(&record.findings),
    }
    .encode_to_vec()
    .into()
}
