//! One message's way, as the ledger tells it (G6).

use barid_ledger::story::{Event as Told, Kind};
use barid_ledger::view::Accepted;
use barid_ledger::{MessageView, Story};
use barid_log::Subject;
use barid_model::{Disposition, Finding, MessageUid, Outcome};
use barid_runtime::control::CommandResult;
use barid_runtime::control::protocol::{Event, MessageDetail, state};

use super::history::{History, unknown};
use super::{log_failed, rows};

/// Most children that are named.
const CHILDREN_MAX: usize = 100;

/// One message's way.
pub async fn show(history: &History, uid: MessageUid) -> CommandResult<MessageDetail> {
    // Waits for what is not read yet.
    history.message(uid).await?;
    let story = history.ask(move |ledger| ledger.follow(uid)).await?.ok_or_else(|| unknown(uid))?;
    let Some(accepted) = story.message.accepted.clone() else { return Err(unknown(uid)) };
    let in_log = is_kept(history, &accepted).await?;
    detail(story, accepted, in_log).ok_or_else(|| unknown(uid))
}

/// Whether the message's IN record is still in the log.
async fn is_kept(history: &History, accepted: &Accepted) -> CommandResult<bool> {
    let Ok(subject) = Subject::new(&accepted.place.subject) else { return Ok(false) };
    let bounds = history.log.bounds(&subject).await.map_err(log_failed)?;
    Ok((bounds.first.0..=bounds.last.0).contains(&accepted.place.position))
}

fn detail(story: Story, accepted: Accepted, in_log: bool) -> Option<MessageDetail> {
    let Story { message, events, children, .. } = story;
    let row = rows::message(&message)?;
    let mut findings = accepted.findings;
    let new: Vec<Finding> =
        message.routing_findings.iter().filter(|finding| !findings.contains(finding)).cloned().collect();
    findings.extend(new);
    let mut keys: Vec<String> = accepted.keys.into_iter().map(|key| key.name).collect();
    keys.dedup();
    Some(MessageDetail {
        row,
        speaks_for: accepted.speaks_for,
        revision: accepted.revision,
        sha256: accepted.digest,
        origin: accepted.origin,
        structure: accepted.structure,
        version: accepted.version,
        lanes: accepted.lanes,
        place: in_log.then(|| format!("{}@{}", accepted.place.subject, accepted.place.position)),
        parents: accepted.parents,
        children: children.into_iter().take(CHILDREN_MAX).map(|child| child.uid).collect(),
        duplicate_of: message.duplicate_of,
        traceparent: accepted.traceparent,
        reason: accepted.reason,
        findings,
        keys,
        payload_kept: in_log && !message.payload_expired,
        events: once(events).into_iter().map(|told| event(&message, told)).collect(),
        runs: message.deliveries.iter().map(|delivery| rows::delivery(&message, delivery.clone())).collect(),
    })
}

/// A finding is told where it was made: what became of its delivery then need not say it again.
fn once(mut events: Vec<Told>) -> Vec<Told> {
    let mut told: Vec<(Option<String>, Finding)> = Vec::new();
    for event in &mut events {
        let route = event.delivery.clone();
        event.findings.retain(|finding| !told.iter().any(|(of, known)| *of == route && known == finding));
        told.extend(event.findings.iter().map(|finding| (route.clone(), finding.clone())));
    }
    events
}

fn event(message: &MessageView, told: Told) -> Event {
    let what = match told.kind {
        Kind::Accepted => state::ACCEPTED,
        Kind::AcceptedAgain => "acceptedAgain",
        Kind::Routed => match message.disposition {
            Some(Disposition::Duplicate) => state::DUPLICATE,
            Some(Disposition::Quarantined) => state::QUARANTINED,
            Some(Disposition::Routed) | None => "routed",
        },
        Kind::Parked => "parked",
        // Its text begins with the outcome.
        Kind::Outcome => {
            let first = told.text.split(' ').next().unwrap_or_default();
            Outcome::read(first).map_or("told", Outcome::word)
        }
        Kind::Resent => "resent",
        Kind::Child => "child",
        Kind::Command => "command",
    };
    let mut text = told.text;
    for finding in &told.findings {
        let place = if finding.path.is_empty() { String::new() } else { format!(" at {}", finding.path) };
        text.push_str(&format!("; {}{place}", finding.text));
    }
    Event { at: told.at, what: what.to_owned(), route: told.delivery, text }
}

#[cfg(test)]
mod tests;
