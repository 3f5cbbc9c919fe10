//! Everything known of one message, put together from its rows and from those that refer to it.

use std::time::Duration;

use barid_model::{Disposition, MessageUid, Outcome, Timestamp};
use rusqlite::{Connection, Row, params};

use super::message::{self, Found};
use super::time::Span;
use super::{Reader, aside, unsigned};
use crate::fold::NameId;
use crate::sqlite::fault::Fault;
use crate::sqlite::keys;
use crate::sqlite::write::delivery::{STEP_ACCEPTED_AGAIN, STEP_PARKED};
use crate::story::{Event, Kind, RELATED_MAX, Related, Step, Story, delivery_word};
use crate::view::{CommandView, DeliveryView, MessageView, Place};
use crate::{State, key};

/// Most PARK and OUTCOME records of one message that are told.
const STEPS_MAX: usize = 1_000;

/// The story of a message; nothing where nothing is known of it.
pub(in crate::sqlite) fn follow(conn: &Connection, uid: MessageUid) -> Result<Option<Story>, Fault> {
    let reader = Reader::new(conn)?;
    let found = message::by_uid(&reader, uid)?;
    let known = found.is_some();
    let message = found.unwrap_or_else(|| message::unknown(uid)).complete(&reader)?;
    if !known && message.deliveries.is_empty() {
        return Ok(None);
    }
    let (children, children_cut) =
        related(&reader, key::parent(uid), |found| found.accepted.as_ref().is_some_and(|a| a.parents.contains(&uid)))?;
    let (duplicates, duplicates_cut) =
        related(&reader, key::duplicate_of(uid), |found| found.duplicate_of == Some(uid))?;
    let (commands, commands_cut) = commands(conn, &message)?;
    let mut events = Vec::new();
    of_message(&message, &mut events);
    of_steps(&reader, &message, &mut events)?;
    of_deliveries(&message, &mut events);
    let told: Vec<&CommandView> = commands.iter().filter(|command| !is_told(command, &message, &commands)).collect();
    of_related(&children, &duplicates, &told, &mut events);
    events.sort_by_key(|event: &Event| (event.at, event.kind));
    let related_cut = children_cut || duplicates_cut || commands_cut;
    Ok(Some(Story { message, events, children, duplicates, commands, related_cut }))
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

struct Line {
    place: Place,
    at: Timestamp,
    kind: i64,
    delivery: Option<(String, u32, u32)>,
    step: Step,
}

fn line(row: &Row<'_>, reader: &Reader<'_>) -> rusqlite::Result<Line> {
    let subject = reader.texts.text(row.get(0)?)?.to_string();
    let route = message::text(reader, row.get::<_, Option<NameId>>(4)?)?;
    let step: String = row.get(7)?;
    Ok(Line {
        place: Place { subject, position: unsigned(row.get(1)?) },
        at: Timestamp::from_micros(row.get(2)?),
        kind: row.get(3)?,
        delivery: match route {
            Some(route) => Some((route.to_string(), row.get(5)?, row.get(6)?)),
            None => None,
        },
        step: serde_json::from_str(&step).unwrap_or_default(),
    })
}

fn of_steps(reader: &Reader<'_>, message: &MessageView, events: &mut Vec<Event>) -> Result<(), Fault> {
    let mut statement = reader.conn.prepare_cached(
        "SELECT subject, position, at, kind, route, part, run, detail FROM step WHERE uid = ?1 ORDER BY at LIMIT ?2",
    )?;
    let lines = statement
        .query_map(params![message.uid.as_bytes().as_slice(), STEPS_MAX], |row| line(row, reader))?
        .collect::<Result<Vec<_>, _>>()?;
    let parked: Vec<u64> =
        lines.iter().filter(|line| line.kind == STEP_PARKED).map(|line| line.place.position).collect();
    for line in &lines {
        // PARK has told it already.
        let told = line.step.outcome.is_none() && line.step.park.is_some_and(|place| parked.contains(&place));
        if line.kind == STEP_ACCEPTED_AGAIN {
            let text = format!("stored a second time at {} {}", line.place.subject, line.place.position);
            events.push(event(line.at, Kind::AcceptedAgain, text));
        } else if line.kind == STEP_PARKED || !told {
            events.push(of_step(message, line));
        }
    }
    Ok(())
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

/// Messages that refer to this one by a key.
fn related(
    reader: &Reader<'_>,
    hash: i64,
    is_so: impl Fn(&MessageView) -> bool,
) -> Result<(Vec<Related>, bool), Fault> {
    let everything = Span::between(None, None);
    let uids = keys::candidates(reader.conn, hash, (&everything.low, &everything.high), false, RELATED_MAX + 1)?;
    let mut found = Vec::new();
    for uid in &uids {
        let Some(Found { view, .. }) = message::by_uid(reader, *uid)? else { continue };
        if is_so(&view) {
            let accepted = view.accepted;
            found.push(Related {
                uid: *uid,
                cause: accepted.as_ref().map_or_else(String::new, |accepted| accepted.cause.clone()),
                received: accepted.as_ref().map(|accepted| accepted.received),
                channel: accepted.and_then(|accepted| accepted.channel).map(|name| name.to_string()),
            });
        }
    }
    found.truncate(RELATED_MAX);
    Ok((found, uids.len() > RELATED_MAX))
}

/// What people did about the message or one of its deliveries.
fn commands(conn: &Connection, message: &MessageView) -> Result<(Vec<CommandView>, bool), Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT id, at, actor, reason, verb, target, detail FROM command WHERE target = ?1 ORDER BY id LIMIT ?2",
    )?;
    let targets = message.deliveries.iter().map(|delivery| delivery.id.to_string());
    let mut found = Vec::new();
    for target in targets.chain([message.uid.to_string()]) {
        for command in statement.query_map(params![target, RELATED_MAX + 1], aside::command)? {
            found.push(command?);
        }
    }
    found.sort_by_key(|command| command.at);
    let cut = found.len() > RELATED_MAX;
    found.truncate(RELATED_MAX);
    Ok((found, cut))
}
