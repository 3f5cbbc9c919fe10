//! Replay: messages sent again as new ones, in the order of every lane (O5), beside live traffic and not before it.

use std::collections::{HashSet, VecDeque};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use barid_custody::NotAdmitted;
use barid_ledger::filter::REPLAY_PAGE_MAX;
use barid_ledger::view::Place;
use barid_ledger::{MessageFilter, Paging};
use barid_log::{LogError, Position};
use barid_model::record::{InRecord, Record as _};
use barid_model::{Cause, MessageUid, Name};
use barid_pipeline::{Chain, Durable};
use barid_runtime::control::protocol::{Missed, ReplayRequest, ReplayRevision, Replayed, ReplayedMessage, Selection};
use barid_runtime::control::{CommandError, CommandResult};
use serde_json::json;
use tokio::time::Instant;

use super::acting::{Acting, Why};
use super::again::Again;
use super::history::{Found, History};
use super::journal::{Order, check};
use super::search;

/// Replayed messages that wait to be durable at a time: a part of a group commit, so that live traffic fills the rest.
const IN_FLIGHT_MAX: usize = 16;
/// Messages and misses that are listed.
pub(super) const LISTED_MAX: usize = 1_000;
/// How long a replay waits in all for destinations whose backlog is full.
const ROOM_WAIT: Duration = Duration::from_secs(120);
/// How often it looks whether there is room.
const ROOM_LOOK: Duration = Duration::from_millis(250);

/// A message to replay.
struct Item {
    uid: MessageUid,
    place: Place,
    expired: bool,
}

/// Replays.
pub(super) async fn replay(acting: &Acting, request: ReplayRequest) -> CommandResult<Replayed> {
    check(&request.by)?;
    acting.history.settle().await?;
    let (items, missed) = select(&acting.history, &request).await?;
    let matched = (items.len() + missed.len()) as u64;
    if matched > request.limit {
        return Err(CommandError::invalid(format!(
            "{matched} messages match, more than the limit of {}: raise the limit, or narrow the search",
            request.limit
        )));
    }
    let mut replayed = Replayed { matched, missed, ..Replayed::default() };
    if request.dry_run {
        let listed = items.iter().take(LISTED_MAX);
        replayed.messages = listed.map(|item| ReplayedMessage { from: item.uid, uid: None }).collect();
        return Ok(replayed);
    }
    acting.journal.write(&request.by, vec![order(&request, &items)]).await?;
    let again = Again { acting, by: &request.by, cause: Cause::Replayed, answers: false };
    let mut run = Run {
        again,
        revision: request.revision,
        replayed,
        in_flight: VecDeque::new(),
        chain: Chain::default(),
        until: None,
    };
    run.all(items).await?;
    Ok(run.replayed)
}

fn order(request: &ReplayRequest, items: &[Item]) -> Order {
    let target = match items {
        [one] => one.uid.to_string(),
        many => format!("{} messages", many.len()),
    };
    let selected = match &request.select {
        Selection::Uids(uids) => json!({"uids": uids.iter().take(LISTED_MAX).collect::<Vec<_>>()}),
        Selection::Query(query) => json!({
            "since": query.since, "until": query.until, "channel": query.channel, "facility": query.facility,
            "listener": query.listener, "destination": query.destination, "messageType": query.message_type,
            "state": query.state, "cause": query.cause, "byControlId": query.control_id.is_some(),
            "byPatient": query.patient.is_some(),
            "byKeys": query.keys.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        }),
    };
    Order::new("replay", target).with(json!({"revision": request.revision, "select": selected}))
}

async fn select(history: &History, request: &ReplayRequest) -> CommandResult<(Vec<Item>, Vec<Missed>)> {
    match &request.select {
        Selection::Uids(uids) => named(history, uids).await,
        Selection::Query(query) if query.is_unbounded() => {
            Err(CommandError::invalid("say which messages: a replay of everything is never meant"))
        }
        Selection::Query(query) => {
            let filter = search::filter(history, query)?;
            Ok((found(history, filter, request.limit).await?, Vec::new()))
        }
    }
}

async fn named(history: &History, uids: &[MessageUid]) -> CommandResult<(Vec<Item>, Vec<Missed>)> {
    let (mut items, mut missed, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for uid in uids.iter().copied().filter(|uid| seen.insert(*uid)) {
        let view = history.ask(move |ledger| ledger.message(uid)).await?;
        let expired = view.as_ref().is_some_and(|view| view.payload_expired);
        match view.and_then(|view| view.accepted) {
            Some(accepted) => items.push(Item { uid, place: accepted.place, expired }),
            None => missed.push(Missed { id: uid.to_string(), why: "no such message is known".to_owned() }),
        }
    }
    // As they were accepted, in each partition: that is where lanes are.
    items.sort_by(|a: &Item, b| (&a.place.subject, a.place.position).cmp(&(&b.place.subject, b.place.position)));
    Ok((items, missed))
}

/// All that match, up to one more than the limit.
async fn found(history: &History, filter: MessageFilter, limit: u64) -> CommandResult<Vec<Item>> {
    let mut items = Vec::new();
    let mut paging = Paging::first(REPLAY_PAGE_MAX);
    loop {
        let (filter, asked) = (filter.clone(), paging.clone());
        let page = history.ask(move |ledger| ledger.select_for_replay(&filter, &asked)).await?;
        items.extend(page.items.into_iter().map(|item| Item {
            uid: item.uid,
            place: item.place,
            expired: item.payload_expired,
        }));
        match page.next {
            Some(next) if items.len() as u64 <= limit => paging.after = Some(next),
            _ => return Ok(items),
        }
    }
}

/// A replay that runs.
struct Run<'a> {
    again: Again<'a>,
    revision: ReplayRevision,
    replayed: Replayed,
    in_flight: VecDeque<(MessageUid, MessageUid, Durable)>,
    /// What was submitted: nothing is stored behind what was not.
    chain: Chain,
    /// Until when room at a destination is waited for; none until there was none.
    until: Option<Instant>,
}

/// Why a replay stops before its end.
enum Stop {
    /// This message is not replayed; the others may be.
    Miss(Why),
    /// No further one is.
    All(Why),
}

impl Run<'_> {
    async fn all(&mut self, items: Vec<Item>) -> CommandResult<()> {
        let mut rest = items.into_iter();
        while let Some(item) = rest.next() {
            match self.one(&item).await {
                Ok(()) => {}
                Err(Stop::Miss(why)) => self.miss(item.uid, &why),
                Err(Stop::All(why)) => {
                    self.miss(item.uid, &why);
                    rest.by_ref().for_each(|item| self.miss(item.uid, &why));
                }
            }
        }
        while !self.in_flight.is_empty() {
            // There is nothing left to stop: what is on its way tells of itself.
            self.landed().await.ok();
        }
        Ok(())
    }

    async fn one(&mut self, item: &Item) -> Result<(), Stop> {
        if item.expired {
            return Err(Stop::Miss("its bytes are past their retention".to_owned()));
        }
        let parent = self.parent(item).await?;
        let record = self.again.of(&parent, self.revision).await.map_err(Stop::Miss)?;
        self.admission(record.envelope.channel.as_ref()).await?;
        if self.in_flight.len() >= IN_FLIGHT_MAX {
            self.landed().await.map_err(Stop::All)?;
        }
        self.ended().map_err(Stop::All)?;
        let submitted =
            self.again.acting.intake.submit_in(&record, Some(&self.chain)).await.map_err(|error| stop(&error))?;
        self.in_flight.push_back((item.uid, record.envelope.uid, submitted.ticket));
        Ok(())
    }

    async fn parent(&self, item: &Item) -> Result<InRecord, Stop> {
        let miss = |error: String| Stop::Miss(error);
        match self.again.acting.history.read(&item.place).await.map_err(|error| miss(error.text))? {
            Found::Record(bytes) => InRecord::decode(bytes).map_err(|error| miss(error.to_string())),
            Found::Trimmed => Err(miss("its bytes are no longer in the log".to_owned())),
            Found::Damaged(at) => Err(miss(format!("its bytes are damaged at {at}"))),
        }
    }

    /// Waits until its channel takes messages: what is replayed may not crowd out what senders send.
    async fn admission(&mut self, channel: Option<&Name>) -> Result<(), Stop> {
        loop {
            match (self.again.acting.admits)(channel) {
                Ok(()) => return Ok(()),
                Err(NotAdmitted::Backlog) => {
                    let until = *self.until.get_or_insert_with(|| Instant::now() + ROOM_WAIT);
                    if Instant::now() >= until {
                        return Err(Stop::All("too much waits for a destination of its channel".to_owned()));
                    }
                    tokio::time::sleep(ROOM_LOOK).await;
                }
                Err(error @ NotAdmitted::Closed) => return Err(Stop::Miss(error.to_string())),
                Err(error) => return Err(Stop::All(error.to_string())),
            }
        }
    }

    /// The oldest one that waits to be durable; why none may follow it, where it failed: it would overtake it in its lanes.
    async fn landed(&mut self) -> Result<(), Why> {
        let Some((from, uid, ticket)) = self.in_flight.pop_front() else { return Ok(()) };
        let stored = ticket.await;
        self.end(from, uid, stored)
    }

    /// Those of which it is known by now, without waiting.
    fn ended(&mut self) -> Result<(), Why> {
        while let Some((from, uid, ticket)) = self.in_flight.front_mut() {
            let Poll::Ready(stored) = Pin::new(ticket).poll(&mut Context::from_waker(Waker::noop())) else { break };
            let (from, uid) = (*from, *uid);
            self.in_flight.pop_front();
            self.end(from, uid, stored)?;
        }
        Ok(())
    }

    fn end(&mut self, from: MessageUid, uid: MessageUid, stored: Result<Position, LogError>) -> Result<(), Why> {
        match stored {
            Ok(_) => {
                self.replayed.made += 1;
                if self.replayed.messages.len() < LISTED_MAX {
                    self.replayed.messages.push(ReplayedMessage { from, uid: Some(uid) });
                }
                Ok(())
            }
            Err(error) => {
                self.chain.cut();
                self.miss(from, &unsent(&error));
                Err(format!("one before it was not stored: {error}"))
            }
        }
    }

    fn miss(&mut self, uid: MessageUid, why: &str) {
        if self.replayed.missed.len() < LISTED_MAX {
            self.replayed.missed.push(Missed { id: uid.to_string(), why: why.to_owned() });
        }
    }
}

fn stop(error: &LogError) -> Stop {
    match error {
        LogError::TooLarge { .. } => Stop::Miss(error.to_string()),
        other => Stop::All(unsent(other)),
    }
}

/// Why a message was not stored, or may have been all the same.
pub(super) fn unsent(error: &LogError) -> Why {
    match error {
        LogError::Unknown(_) => format!("it may have been sent, look before it is sent again: {error}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
