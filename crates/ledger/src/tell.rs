//! The story of a message in words, out of what the rows say: the same for every database.
#![allow(missing_docs, reason = "fields are those of the row")]

use std::time::Duration;

use barid_model::{Disposition, MessageUid, Outcome, Timestamp};

use crate::State;
use crate::gather::{STEP_ACCEPTED_AGAIN, STEP_PARKED};
use crate::story::{Event, Kind, Related, Step, Story, delivery_word};
use crate::view::{CommandView, DeliveryView, MessageView, Place};

/// Most PARK and OUTCOME records of one message that are told.
pub const STEPS_MAX: usize = 1_000;

/// A row that tells of a PARK, an OUTCOME or a second IN record.
pub struct Line {
    pub place: Place,
    pub at: Timestamp,
    pub kind: i64,
    pub delivery: Option<(String, u32, u32)>,
    pub step: Step,
}

/// Other messages that have to do with one, or commands, and whether there are more of them.
pub type Cut<T> = (Vec<T>, bool);

/// The story of a message.
pub fn tell(
    message: MessageView,
    lines: &[Line],
    (children, children_cut): Cut<Related>,
    (duplicates, duplicates_cut): Cut<Related>,
    (commands, commands_cut): Cut<CommandView>,
) -> Story {
    let mut events = Vec::new();
    of_message(&message, &mut events);
    of_steps(lines, &message, &mut events);
    of_deliveries(&message, &mut events);
    let told: Vec<&CommandView> = commands.iter().filter(|command| !is_told(command, &message, &commands)).collect();
    of_related(&children, &duplicates, &told, &mut events);
    events.sort_by_key(|event: &Event| (event.at, event.kind));
    let related_cut = children_cut || duplicates_cut || commands_cut;
    Story { message, events, children, duplicates, commands, related_cut }
}

fn event(at: Timestamp, kind: Kind, text: String) -> Event {
    Event { at, kind, text, delivery: None, findings: Vec::new() }
}

fn of_message(message: &MessageView, events: &mut Vec<Event>) {
    if let Some(accepted) = &message.accepted {
        let channel =
            accepted.channel.as_ref().map_or("no channel".to_owned(), |name| format!("channel {}", name.short()));
        let mut text = format!(
            "{} {} from {} ({}) by listener {}, taken by {channel}",
            accepted.message_type,
            if accepted.cause == "received" { "accepted" } else { &accepted.cause },
            accepted.facility,
            accepted.origin,
            accepted.listener.short(),
        );
        if let [parent] = accepted.parents.as_slice() {
            text.push_str(&format!(", made of {parent}"));
        }
        if let Some(reason) = &accepted.reason {
            text.push_str(&format!(": {reason}"));
        }
        let findings = accepted.findings.clone();
        events.push(Event { findings, ..event(accepted.received, Kind::Accepted, text) });
    }
    let (Some(at), Some(disposition)) = (message.routed_at, message.disposition) else { return };
    let text = match disposition {
        Disposition::Duplicate => match message.duplicate_of {
            Some(first) => format!("recognised as a resend of {first}: answered again, not delivered again"),
            None => "recognised as a resend: answered again, not delivered again".to_owned(),
        },
        Disposition::Quarantined => "set aside before routing".to_owned(),
        Disposition::Routed => routed_text(message),
    };
    events.push(Event { findings: message.routing_findings.clone(), ..event(at, Kind::Routed, text) });
}

fn routed_text(message: &MessageView) -> String {
    let first: Vec<String> = message.deliveries.iter().filter(|delivery| delivery.run == 0).map(arrow).collect();
    if first.is_empty() { "no route wanted it".to_owned() } else { format!("routed: {}", first.join(", ")) }
}

fn arrow(delivery: &DeliveryView) -> String {
    let name = delivery_word(&delivery.route, delivery.part, delivery.run);
    let by_router = delivery.outcome_place.is_none();
    match (&delivery.destination, delivery.chained) {
        (_, Some(chained)) => format!("{name} → message {chained}"),
        _ if delivery.outcome == Some(Outcome::Filtered) && by_router => format!("{name} filtered"),
        (Some(destination), None) => format!("{name} → {}", destination.short()),
        (None, None) if delivery.state == State::Quarantined => format!("{name} set aside"),
        (None, None) => name,
    }
}

/// Deliveries whose end is told by their row alone.
fn of_deliveries(message: &MessageView, events: &mut Vec<Event>) {
    let delivered = message.deliveries.iter().filter(|delivery| delivery.outcome == Some(Outcome::Delivered));
    for delivery in delivered.filter(|delivery| delivery.outcome_place.is_some()) {
        let Some(at) = delivery.ended_at else { continue };
        let step = Step {
            outcome: Some(Outcome::Delivered.word().to_owned()),
            attempts: delivery.attempts,
            answer: delivery.answer.clone(),
            actor: delivery.actor.clone(),
            reason: delivery.reason.clone(),
            possible_duplicate: delivery.possible_duplicate,
            ..Step::default()
        };
        let latency = delivery.latency_micros.map(Duration::from_micros);
        let text = step.sentence(&destination(delivery), latency);
        let word = delivery_word(&delivery.route, delivery.part, delivery.run);
        events.push(Event { delivery: Some(word), ..event(at, Kind::Outcome, text) });
    }
}

fn destination(delivery: &DeliveryView) -> String {
    delivery.destination.as_ref().map_or_else(|| delivery.route.clone(), barid_model::Name::short)
}

fn of_steps(lines: &[Line], message: &MessageView, events: &mut Vec<Event>) {
    let parked: Vec<u64> =
        lines.iter().filter(|line| line.kind == STEP_PARKED).map(|line| line.place.position).collect();
    for line in lines {
        // PARK has told it already.
        let told = line.step.outcome.is_none() && line.step.park.is_some_and(|place| parked.contains(&place));
        if line.kind == STEP_ACCEPTED_AGAIN {
            let text = format!("stored a second time at {} {}", line.place.subject, line.place.position);
            events.push(event(line.at, Kind::AcceptedAgain, text));
        } else if line.kind == STEP_PARKED || !told {
            events.push(of_step(message, line));
        }
    }
}

fn of_step(message: &MessageView, line: &Line) -> Event {
    let (route, part, run) = line.delivery.clone().unwrap_or_default();
    let delivery =
        message.deliveries.iter().find(|known| known.route == route && known.part == part && known.run == run);
    let counts = delivery.is_some_and(|delivery| delivery.outcome_place.as_ref() == Some(&line.place));
    let name = delivery.map_or_else(|| route.clone(), destination);
    let latency = message.accepted.as_ref().map(|accepted| line.at.since(accepted.received));
    let mut text = line.step.sentence(&name, latency.filter(|_| counts));
    let replaced = line.step.outcome.as_deref() == Some(Outcome::Quarantined.word());
    if line.step.outcome.is_some() && !counts && !replaced {
        text.push_str("; a record before it counts");
    }
    let kind = if line.kind == STEP_PARKED { Kind::Parked } else { Kind::Outcome };
    let delivery = Some(delivery_word(&route, part, run));
    Event { delivery, findings: line.step.findings.clone(), ..event(line.at, kind, text) }
}

fn of_related(children: &[Related], duplicates: &[Related], commands: &[&CommandView], events: &mut Vec<Event>) {
    let named: Vec<MessageUid> = commands.iter().filter_map(|command| made_by(command)).collect();
    for child in children.iter().filter(|child| !named.contains(&child.uid)) {
        let Some(at) = child.received else { continue };
        events.push(event(at, Kind::Child, format!("message {} was made from it ({})", child.uid, child.cause)));
    }
    for duplicate in duplicates {
        let Some(at) = duplicate.received else { continue };
        events.push(event(
            at,
            Kind::Resent,
            format!("sent again by its sender as {}: not delivered again", duplicate.uid),
        ));
    }
    for command in commands {
        let mut text = format!("{} by {}: {}", command.verb, command.actor, command.reason);
        match made_by(command) {
            Some(child) if children.iter().any(|known| known.uid == child) => {
                text.push_str(&format!("; made message {child}"));
            }
            Some(child) => text.push_str(&format!("; message {child} was not made")),
            None => {}
        }
        events.push(event(command.at, Kind::Command, text));
    }
}

/// The message that a command made.
fn made_by(command: &CommandView) -> Option<MessageUid> {
    let detail: serde_json::Value = serde_json::from_str(&command.detail).ok()?;
    MessageUid::read(detail.get("as")?.as_str()?)
}

/// Whether something else tells of the same act: the outcome that it led to, with who and why, or a later command (the
/// re-run of a message was recorded as a replay first once).
fn is_told(command: &CommandView, message: &MessageView, commands: &[CommandView]) -> bool {
    let ended = |delivery: &DeliveryView| {
        delivery.outcome_place.is_some()
            && delivery.id.to_string() == command.target
            && delivery.actor.as_ref() == Some(&command.actor)
            && delivery.reason.as_ref() == Some(&command.reason)
    };
    if message.deliveries.iter().any(ended) {
        return true;
    }
    let same = |later: &&CommandView| {
        (&later.actor, &later.reason, &later.target) == (&command.actor, &command.reason, &command.target)
            && later.at >= command.at
    };
    command.verb == "replay"
        && made_by(command).is_none()
        && commands.iter().filter(same).any(|later| later.verb == "rerun" && made_by(later).is_some())
}
