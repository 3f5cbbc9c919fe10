//! Dry runs and answers, between the contract's messages and the nouns.

use barid_model::record::{Answer, AnswerRecord};
use barid_model::{DryEnd, DryPiece, DryRouting, DryRun, DryRunResult, Partition, Payload, Timestamp};

use crate::convert::{
    Strict, copy, findings, findings_wire, invalid, lanes, lanes_wire, name, needed, outcome, outcome_wire, revision,
};
use crate::proto::route::v1 as wire;

pub(super) fn dry_run_wire(run: &DryRun) -> wire::DryRunRequest {
    wire::DryRunRequest {
        channel: run.channel.to_string(),
        listener: run.listener.as_ref().map(ToString::to_string),
        raw: run.raw.bytes(),
        received_micros: run.received.micros(),
        revision: run.revision.map(|revision| copy(revision.as_bytes())),
        facility: run.facility.as_ref().map(ToString::to_string),
    }
}

pub(super) fn dry_run(wire: wire::DryRunRequest) -> Strict<DryRun> {
    Ok(DryRun {
        channel: name(&wire.channel, "channel")?,
        listener: wire.listener.map(|text| name(&text, "listener")).transpose()?,
        facility: wire.facility.map(|text| name(&text, "facility")).transpose()?,
        raw: Payload::new(wire.raw),
        received: Timestamp::from_micros(wire.received_micros),
        revision: wire.revision.map(|bytes| revision(&bytes, "revision")).transpose()?,
    })
}

pub(super) fn result_wire(result: &DryRunResult) -> wire::DryRunResponse {
    wire::DryRunResponse {
        revision: copy(result.revision.as_bytes()),
        findings: findings_wire(&result.findings),
        listener: result.listener.as_ref().map(ToString::to_string),
        notes: result.notes.clone(),
        ack: result.ack.clone(),
        facility: result.facility.clone(),
        routing: result.routing.as_ref().map(routing_wire),
    }
}

pub(super) fn result(wire: wire::DryRunResponse) -> Strict<DryRunResult> {
    Ok(DryRunResult {
        revision: revision(&wire.revision, "revision")?,
        listener: wire.listener.map(|text| name(&text, "listener")).transpose()?,
        notes: wire.notes,
        ack: wire.ack,
        facility: wire.facility,
        findings: findings(wire.findings)?,
        routing: wire.routing.map(routing).transpose()?,
    })
}

fn routing_wire(routing: &DryRouting) -> wire::Routing {
    let set_aside = routing.set_aside.as_ref();
    wire::Routing {
        partition: u32::from(routing.partition.0),
        lanes: Some(lanes_wire(&routing.lanes)),
        filtered: routing.filtered,
        set_aside: set_aside.map(|found| wire::SetAside { findings: findings_wire(found) }),
        pieces: routing.pieces.iter().map(piece_wire).collect(),
    }
}

fn routing(wire: wire::Routing) -> Strict<DryRouting> {
    Ok(DryRouting {
        partition: Partition(u16::try_from(wire.partition).map_err(|_| invalid("routing.partition"))?),
        lanes: lanes(&needed(wire.lanes, "routing.lanes")?)?,
        filtered: wire.filtered,
        set_aside: wire.set_aside.map(|wire| findings(wire.findings)).transpose()?,
        pieces: wire.pieces.into_iter().map(piece).collect::<Strict<_>>()?,
    })
}

fn piece_wire(piece: &DryPiece) -> wire::Piece {
    use wire::piece::End;
    wire::Piece {
        route: piece.route.to_string(),
        part: piece.part,
        destination: piece.destination.as_ref().map(ToString::to_string),
        end: match piece.end {
            DryEnd::Written => End::Written,
            DryEnd::Filtered => End::Filtered,
            DryEnd::SetAside => End::SetAside,
        }
        .into(),
        subject: piece.subject.clone(),
        findings: findings_wire(&piece.findings),
        note: piece.note.clone(),
        payload: piece.payload.bytes(),
    }
}

fn piece(wire: wire::Piece) -> Strict<DryPiece> {
    use wire::piece::End;
    if wire.route.is_empty() {
        return Err(invalid("piece.route"));
    }
    Ok(DryPiece {
        route: wire.route.into(),
        part: wire.part,
        destination: wire.destination.map(|text| name(&text, "piece.destination")).transpose()?,
        end: match End::try_from(wire.end) {
            Ok(End::Written) => DryEnd::Written,
            Ok(End::Filtered) => DryEnd::Filtered,
            Ok(End::SetAside) => DryEnd::SetAside,
            Ok(End::Unspecified) | Err(_) => return Err(invalid("piece.end")),
        },
        subject: wire.subject,
        findings: findings(wire.findings)?,
        note: wire.note,
        payload: Payload::new(wire.payload),
    })
}

pub(super) fn answer_wire(answer: &AnswerRecord) -> wire::Answer {
    wire::Answer {
        outcome: outcome_wire(answer.outcome).into(),
        at_micros: answer.at.micros(),
        code: answer.answer.code.clone(),
        bytes: answer.answer.bytes.bytes(),
        findings: findings_wire(&answer.findings),
    }
}

pub(super) fn answer(wire: wire::Answer) -> Strict<AnswerRecord> {
    Ok(AnswerRecord {
        outcome: outcome(wire.outcome)?,
        at: Timestamp::from_micros(wire.at_micros),
        answer: Answer { code: wire.code, bytes: Payload::new(wire.bytes) },
        findings: findings(wire.findings)?,
    })
}
