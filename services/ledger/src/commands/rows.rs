//! The ledger's views in the words of the control protocol.

use barid_ledger::store::of;
use barid_ledger::view::{Accepted, RefusedView};
use barid_ledger::{DeliveryView, MessageView, State};
use barid_runtime::control::protocol::{
    DeliveryDetail, DeliverySummary, MessageRow, ParkedRow, RefusedRow, state as words,
};

/// The protocol's word for a state: what waits in PARK is still in flight.
pub const fn state(state: State) -> &'static str {
    match state {
        State::NotYetRouted => words::ACCEPTED,
        State::InFlight | State::Parked => words::IN_FLIGHT,
        State::Held => words::HELD,
        State::Duplicate => words::DUPLICATE,
        State::Quarantined => words::QUARANTINED,
        State::Delivered => words::DELIVERED,
        State::Filtered => words::FILTERED,
        State::Rejected => words::REJECTED,
        State::Expired => words::EXPIRED,
        State::Merged => words::MERGED,
        State::Discarded => words::DISCARDED,
        State::Rerun => words::RERUN,
    }
}

/// A message in a list; none where only its later records were read so far.
pub fn message(view: &MessageView) -> Option<MessageRow> {
    let accepted = view.accepted.as_ref()?;
    let last = view.deliveries.iter().filter(|delivery| delivery.rerun_as.is_none());
    Some(MessageRow {
        uid: view.uid,
        received: accepted.received,
        facility: accepted.facility.clone(),
        verified: accepted.verified,
        listener: accepted.listener.clone(),
        channel: accepted.channel.clone(),
        message_type: accepted.message_type.clone(),
        control_id: accepted.control_id.clone(),
        cause: accepted.cause.clone(),
        bytes: accepted.bytes,
        state: state(view.state).to_owned(),
        deliveries: last.map(|delivery| summary(view, delivery)).collect(),
    })
}

fn summary(message: &MessageView, delivery: &DeliveryView) -> DeliverySummary {
    let mut runs = message.deliveries.iter().filter(|run| run.route == delivery.route && run.part == delivery.part);
    DeliverySummary {
        route: delivery.route.clone(),
        destination: delivery.destination.clone(),
        state: state(delivery.state).to_owned(),
        possible_duplicate: runs.any(|run| run.possible_duplicate),
    }
}

/// A refused message in a list.
pub fn refused(view: RefusedView) -> RefusedRow {
    RefusedRow {
        position: view.place.position,
        at: view.at,
        listener: view.listener,
        origin: view.origin,
        facility: view.facility,
        channel: view.channel,
        message_type: view.message_type,
        control_id: view.control_id,
        code: view.code,
        findings: view.findings,
    }
}

/// A delivery that waits; also where the log had no more than that of its message when the history was filled.
pub fn parked(message: &MessageView, delivery: DeliveryView) -> ParkedRow {
    let whole = message.accepted.as_ref().map_or_else(|| unknown(message), |accepted| whole(message, accepted));
    let why = if delivery.state == State::Quarantined { Some(words::QUARANTINED.to_owned()) } else { delivery.parked };
    ParkedRow {
        id: Some(delivery.id),
        at: delivery.parked_at.or(delivery.ended_at).or(message.routed_at).unwrap_or(whole.received),
        why: why.unwrap_or_default(),
        destination: delivery.destination,
        route: delivery.route,
        attempts: delivery.attempts,
        lanes: delivery.lanes,
        answer: delivery.answer,
        findings: delivery.findings,
        ..whole
    }
}

fn unknown(message: &MessageView) -> ParkedRow {
    let received = of(message.uid);
    ParkedRow {
        id: None,
        uid: message.uid,
        at: received,
        received,
        why: String::new(),
        destination: None,
        channel: None,
        route: String::new(),
        facility: String::new(),
        message_type: String::new(),
        attempts: 0,
        lanes: Vec::new(),
        answer: None,
        findings: Vec::new(),
    }
}

/// A message that was set aside before it was routed: no delivery, so no identity of one.
pub fn set_aside(message: &MessageView) -> Option<ParkedRow> {
    message.accepted.as_ref().map(|accepted| whole(message, accepted))
}

fn whole(message: &MessageView, accepted: &Accepted) -> ParkedRow {
    ParkedRow {
        id: None,
        uid: message.uid,
        at: message.routed_at.unwrap_or(accepted.received),
        received: accepted.received,
        why: words::QUARANTINED.to_owned(),
        destination: None,
        channel: accepted.channel.clone(),
        route: String::new(),
        facility: accepted.facility.clone(),
        message_type: accepted.message_type.clone(),
        attempts: 0,
        lanes: Vec::new(),
        answer: None,
        findings: message.routing_findings.clone(),
    }
}

/// One run of a delivery in full.
pub fn delivery(message: &MessageView, delivery: DeliveryView) -> DeliveryDetail {
    DeliveryDetail {
        id: delivery.id,
        state: state(delivery.state).to_owned(),
        at: delivery.ended_at.or(delivery.parked_at).or(message.routed_at),
        route: delivery.route,
        part: delivery.part,
        run: delivery.run,
        destination: delivery.destination,
        chained: delivery.chained,
        attempts: delivery.attempts,
        possible_duplicate: delivery.possible_duplicate,
        answer: delivery.answer,
        findings: delivery.findings,
        actor: delivery.actor,
        reason: delivery.reason,
        failing: None,
    }
}
