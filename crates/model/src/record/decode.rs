//! Records from their protobuf form, strictly.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;

use super::{
    Answer, AnswerRecord, CommandRecord, InRecord, Intake, OutRecord, OutcomeRecord, ParkEvent, ParkRecord, Parked,
    RECORD_VERSION, Record, RecordError, RefusedRecord, RoutedDelivery, RoutedRecord, Source, WaitingCaller, encode,
    wire,
};
use crate::clock::Timestamp;
use crate::envelope::{Cause, Envelope, FacilityRef, Format, MessageType, SearchKey, Waits};
use crate::finding::{Finding, Severity};
use crate::id::{DeliveryId, Digest, MessageUid, Revision};
use crate::lane::{Lane, Lanes, Partition};
use crate::name::Name;
use crate::outcome::{Disposition, Outcome};
use crate::payload::Payload;

type Result<T> = std::result::Result<T, RecordError>;

fn array<const N: usize>(bytes: &[u8], field: &'static str) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| RecordError::Field(field))
}

fn uid(bytes: &[u8]) -> Result<MessageUid> {
    array(bytes, "uid").map(MessageUid::from_bytes)
}

fn delivery_id(bytes: &[u8]) -> Result<DeliveryId> {
    array(bytes, "delivery id").map(DeliveryId::from_bytes)
}

fn revision(bytes: &[u8]) -> Result<Revision> {
    array(bytes, "revision").map(Revision::from_bytes)
}

fn partition(number: u32) -> Result<Partition> {
    u16::try_from(number).map(Partition).map_err(|_| RecordError::Field("partition"))
}

fn version(version: u32) -> Result<()> {
    if version == 0 || version > RECORD_VERSION { Err(RecordError::Version(version)) } else { Ok(()) }
}

fn finding(wire: wire::Finding) -> Result<Finding> {
    Ok(Finding {
        severity: match wire.severity {
            1 => Severity::Error,
            2 => Severity::Warning,
            3 => Severity::Information,
            _ => return Err(RecordError::Field("severity")),
        },
        code: u16::try_from(wire.code).map_err(|_| RecordError::Field("finding code"))?,
        path: wire.path,
        rule: wire.rule,
        text: wire.text,
    })
}

fn findings(wire: Vec<wire::Finding>) -> Result<Vec<Finding>> {
    wire.into_iter().map(finding).collect()
}

fn lanes(wire: Option<wire::Lanes>) -> Lanes {
    match wire {
        Some(wire) if wire.barrier => Lanes::Barrier,
        Some(wire) => Lanes::of(wire.lanes.into_iter().map(Lane::from_raw).collect()),
        None => Lanes::None,
    }
}

fn message_type(wire: Option<wire::MessageType>) -> MessageType {
    wire.map_or_else(MessageType::default, |wire| MessageType {
        code: wire.code.into(),
        event: wire.event.into(),
        structure: wire.structure.into(),
        version: wire.version.into(),
    })
}

fn waits(wire: &wire::Waits) -> Waits {
    Waits {
        route: wire.route.as_deref().map(Arc::from),
        timeout: Duration::from_millis(wire.timeout_millis),
        query: wire.query,
    }
}

fn waiting(wire: &wire::Waits) -> Result<WaitingCaller> {
    Ok(WaitingCaller { key: Digest::from_bytes(array(&wire.key, "answer key")?), waits: waits(wire) })
}

fn answer(wire: wire::Answer) -> Answer {
    Answer { code: wire.code, bytes: Payload::new(wire.bytes) }
}

fn source(wire: Option<wire::Source>) -> Result<Source> {
    let wire = wire.ok_or(RecordError::Field("source"))?;
    Ok(Source {
        partition: partition(wire.partition)?,
        intake: match wire.intake {
            0 => Intake::Received,
            1 => Intake::Chained,
            _ => return Err(RecordError::Field("intake")),
        },
        position: wire.position,
        output: wire.output,
        other: wire.other,
    })
}

fn outcome(number: u32) -> Result<Option<Outcome>> {
    Ok(Some(match number {
        0 => return Ok(None),
        1 => Outcome::Delivered,
        2 => Outcome::Filtered,
        3 => Outcome::Rejected,
        4 => Outcome::Expired,
        5 => Outcome::Merged,
        6 => Outcome::Quarantined,
        7 => Outcome::Discarded,
        _ => return Err(RecordError::Field("outcome")),
    }))
}

fn cause(number: u32) -> Result<Cause> {
    Ok(match number {
        0 => Cause::Received,
        1 => Cause::Split,
        2 => Cause::Merged,
        3 => Cause::Chained,
        4 => Cause::Response,
        5 => Cause::Replayed,
        6 => Cause::Edited,
        7 => Cause::Scheduled,
        _ => return Err(RecordError::Field("cause")),
    })
}

fn envelope(wire: wire::Envelope) -> Result<Envelope> {
    if wire.format != 0 {
        return Err(RecordError::Field("format"));
    }
    Ok(Envelope {
        uid: uid(&wire.uid)?,
        listener: Name::read(&wire.listener),
        facility: FacilityRef {
            name: wire.facility.into(),
            speaks_for: wire.speaks_for.map(Arc::from),
            verified: wire.verified,
        },
        channel: wire.channel.as_deref().map(Name::read),
        revision: revision(&wire.revision)?,
        lanes: lanes(wire.lanes),
        received: Timestamp::from_micros(wire.received),
        digest: Digest::from_bytes(array(&wire.digest, "digest")?),
        format: Format::Hl7v2,
        control_id: wire.control_id,
        message_type: message_type(wire.message_type),
        cause: cause(wire.cause)?,
        parents: wire.parents.iter().map(|bytes| uid(bytes)).collect::<Result<_>>()?,
        origin: wire.origin,
        traceparent: wire.traceparent,
        findings: findings(wire.findings)?,
        keys: wire.keys.into_iter().map(|key| SearchKey { name: key.name.into(), value: key.value }).collect(),
        waits: wire.waits.as_ref().map(waits),
        reason: wire.reason,
        hops: u8::try_from(wire.hops).map_err(|_| RecordError::Field("hops"))?,
    })
}

fn out(wire: wire::Out) -> Result<OutRecord> {
    version(wire.version)?;
    let set_aside = findings(wire.findings)?;
    Ok(OutRecord {
        id: delivery_id(&wire.id)?,
        uid: uid(&wire.uid)?,
        source: source(wire.source)?,
        channel: Name::read(&wire.channel),
        revision: revision(&wire.revision)?,
        route: wire.route.into(),
        part: wire.part,
        run: wire.run,
        destination: Name::read(&wire.destination),
        facility: wire.facility.into(),
        lanes: lanes(wire.lanes),
        received: Timestamp::from_micros(wire.received),
        message_type: message_type(wire.message_type),
        set_aside: wire.is_set_aside.then_some(set_aside),
        waits: wire.waits.as_ref().map(waiting).transpose()?,
        traceparent: wire.traceparent,
        payload: Payload::new(wire.payload),
    })
}

fn routed_delivery(wire: wire::RoutedDelivery) -> Result<RoutedDelivery> {
    Ok(RoutedDelivery {
        id: delivery_id(&wire.id)?,
        route: wire.route.into(),
        part: wire.part,
        destination: wire.destination.as_deref().map(Name::read),
        outcome: outcome(wire.outcome)?,
        out: wire.out,
        chained: wire.chained.as_deref().map(uid).transpose()?,
        findings: findings(wire.findings)?,
    })
}

impl Record for InRecord {
    fn encode(&self) -> Bytes {
        encode::in_record(self)
    }

    fn decode(bytes: Bytes) -> Result<Self> {
        let wire = wire::In::decode(bytes)?;
        version(wire.version)?;
        let envelope = envelope(wire.envelope.ok_or(RecordError::Field("envelope"))?)?;
        let source = wire.source.map(|wire| source(Some(wire))).transpose()?;
        Ok(Self { envelope, source, raw: Payload::new(wire.raw) })
    }
}

impl Record for OutRecord {
    fn encode(&self) -> Bytes {
        encode::out_record(self)
    }

    fn decode(bytes: Bytes) -> Result<Self> {
        out(wire::Out::decode(bytes)?)
    }
}

impl Record for RoutedRecord {
    fn encode(&self) -> Bytes {
        encode::routed(self)
    }

    fn decode(bytes: Bytes) -> Result<Self> {
        let wire = wire::Routed::decode(bytes)?;
        version(wire.version)?;
        Ok(Self {
            uid: uid(&wire.uid)?,
            source: source(wire.source)?,
            at: Timestamp::from_micros(wire.at),
            disposition: match wire.disposition {
                1 => Disposition::Routed,
                2 => Disposition::Duplicate,
                3 => Disposition::Quarantined,
                _ => return Err(RecordError::Field("disposition")),
            },
            duplicate_of: wire.duplicate_of.as_deref().map(uid).transpose()?,
            findings: findings(wire.findings)?,
            deliveries: wire.deliveries.into_iter().map(routed_delivery).collect::<Result<_>>()?,
        })
    }
}

impl Record for OutcomeRecord {
    fn encode(&self) -> Bytes {
        encode::outcome_record(self)
    }

    fn decode(bytes: Bytes) -> Result<Self> {
        let wire = wire::Outcome::decode(bytes)?;
        version(wire.version)?;
        Ok(Self {
            id: delivery_id(&wire.id)?,
            uid: uid(&wire.uid)?,
            route: wire.route.into(),
            part: wire.part,
            run: wire.run,
            destination: Name::read(&wire.destination),
            out: (partition(wire.out_partition)?, wire.out_position),
            park: wire.park,
            outcome: outcome(wire.outcome)?,
            at: Timestamp::from_micros(wire.at),
            attempts: wire.attempts,
            possible_duplicate: wire.possible_duplicate,
            answer: wire.answer.map(answer),
            findings: findings(wire.findings)?,
            actor: wire.actor,
            reason: wire.reason,
            awaited: wire.awaited.map(|key| array(&key, "answer key")).transpose()?.map(Digest::from_bytes),
        })
    }
}

impl Record for ParkEvent {
    fn encode(&self) -> Bytes {
        match self {
            Self::Parked(record) => encode::park(record),
            Self::Ended(position) => encode::park_ended(*position),
            Self::Released(position) => encode::park_released(*position),
            Self::Held { position, possible_duplicate } => encode::park_held(*position, *possible_duplicate),
        }
    }

    fn decode(bytes: Bytes) -> Result<Self> {
        let wire = wire::Park::decode(bytes)?;
        version(wire.version)?;
        if let Some(position) = wire.ended {
            return Ok(Self::Ended(position));
        }
        if let Some(position) = wire.released {
            return Ok(Self::Released(position));
        }
        if let Some(position) = wire.held {
            return Ok(Self::Held { position, possible_duplicate: wire.possible_duplicate });
        }
        Ok(Self::Parked(Box::new(ParkRecord {
            why: match wire.why {
                1 => Parked::Held,
                2 => Parked::Stalled,
                3 => Parked::Follows,
                4 => Parked::Quarantined,
                5 => Parked::Rerun,
                6 => Parked::Paused,
                _ => return Err(RecordError::Field("reason for parking")),
            },
            at: Timestamp::from_micros(wire.at),
            out: (partition(wire.out_partition)?, wire.out_position),
            attempts: wire.attempts,
            possible_duplicate: wire.possible_duplicate,
            findings: findings(wire.findings)?,
            answer: wire.answer.map(answer),
            delivery: out(wire.delivery.ok_or(RecordError::Field("delivery"))?)?,
        })))
    }
}

impl Record for RefusedRecord {
    fn encode(&self) -> Bytes {
        encode::refused(self)
    }

    fn decode(bytes: Bytes) -> Result<Self> {
        let wire = wire::Refused::decode(bytes)?;
        version(wire.version)?;
        Ok(Self {
            at: Timestamp::from_micros(wire.at),
            listener: Name::read(&wire.listener),
            origin: wire.origin,
            facility: wire.facility.map(Arc::from),
            channel: wire.channel.as_deref().map(Name::read),
            control_id: wire.control_id,
            message_type: message_type(wire.message_type),
            code: wire.code,
            findings: findings(wire.findings)?,
            raw: Payload::new(wire.raw),
        })
    }
}

impl Record for CommandRecord {
    fn encode(&self) -> Bytes {
        encode::command(self)
    }

    fn decode(bytes: Bytes) -> Result<Self> {
        let wire = wire::Command::decode(bytes)?;
        version(wire.version)?;
        Ok(Self {
            at: Timestamp::from_micros(wire.at),
            actor: wire.actor,
            reason: wire.reason,
            verb: wire.verb,
            target: wire.target,
            detail: wire.detail,
        })
    }
}

impl Record for AnswerRecord {
    fn encode(&self) -> Bytes {
        encode::awaited(self)
    }

    fn decode(bytes: Bytes) -> Result<Self> {
        let wire = wire::Awaited::decode(bytes)?;
        version(wire.version)?;
        Ok(Self {
            outcome: outcome(wire.outcome)?.ok_or(RecordError::Field("outcome"))?,
            at: Timestamp::from_micros(wire.at),
            answer: wire.answer.map(answer).unwrap_or_default(),
            findings: findings(wire.findings)?,
        })
    }
}
