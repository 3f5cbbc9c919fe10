//! Which deliveries a person means: by their identities, by message, or by what they wait for; always by the ledger,
//! once it has read what is in the log.

use std::collections::HashSet;

use barid_ledger::filter::PAGE_MAX;
use barid_ledger::{DeliveryFilter, DeliveryView, MessageView, Paging, State};
use barid_model::{DeliveryId, Disposition, MessageUid};
use barid_runtime::control::protocol::{DeliverySelection, Missed, ParkedQuery, state};
use barid_runtime::control::{CommandError, CommandResult};

use super::history::{History, unknown};
use super::rows;

/// What a person acts on.
#[derive(Debug)]
pub enum Target {
    /// A delivery that waits.
    Delivery(Box<DeliveryView>),
    /// A message that was set aside before routing.
    Message(Box<MessageView>),
}

impl Target {
    /// How it is named.
    pub fn id(&self) -> String {
        match self {
            Self::Delivery(delivery) => delivery.id.to_string(),
            Self::Message(message) => message.uid.to_string(),
        }
    }

    /// Its place in its lanes: what is acted on first.
    fn order(&self) -> (String, u16, u64, u32) {
        match self {
            Self::Delivery(delivery) => {
                let destination = delivery.destination.as_ref().map(ToString::to_string).unwrap_or_default();
                let out = delivery.out.map_or((0, 0), |place| (place.partition, place.position));
                (destination, out.0, out.1, delivery.part)
            }
            Self::Message(message) => {
                let place = message.accepted.as_ref().map(|accepted| accepted.place.clone());
                let position = place.as_ref().map_or(0, |place| place.position);
                (place.map(|place| place.subject).unwrap_or_default(), 0, position, 0)
            }
        }
    }
}

/// What was chosen, in the order it is to be acted on, and what was named and does not wait.
#[derive(Debug, Default)]
pub struct Chosen {
    /// What is acted on.
    pub targets: Vec<Target>,
    /// What is not, and why.
    pub missed: Vec<Missed>,
}

impl Chosen {
    /// How many were meant.
    pub fn matched(&self) -> u64 {
        (self.targets.len() + self.missed.len()) as u64
    }

    fn miss(&mut self, id: impl ToString, why: String) {
        self.missed.push(Missed { id: id.to_string(), why });
    }
}

/// Chooses, among what is in one of these states; more than `limit` is an error.
pub async fn choose(
    history: &History,
    select: &DeliverySelection,
    states: &'static [State],
    limit: u64,
) -> CommandResult<Chosen> {
    history.settle().await?;
    let mut chosen = match select {
        DeliverySelection::Deliveries(ids) => named(history, ids, states).await?,
        DeliverySelection::Message { uid, route } => of_message(history, *uid, route.as_deref(), states).await?,
        DeliverySelection::Query(query) => {
            Chosen { targets: found(history, query, states, limit).await?, missed: Vec::new() }
        }
    };
    if chosen.matched() > limit {
        return Err(CommandError::invalid(format!(
            "more than the limit of {limit} match: raise the limit, or narrow the search"
        )));
    }
    chosen.targets.sort_by_cached_key(Target::order);
    Ok(chosen)
}

async fn named(history: &History, ids: &[DeliveryId], states: &[State]) -> CommandResult<Chosen> {
    let (mut chosen, mut seen) = (Chosen::default(), HashSet::new());
    for id in ids.iter().copied().filter(|id| seen.insert(*id)) {
        match history.ask(move |ledger| ledger.delivery(id)).await? {
            None => chosen.miss(id, "no such delivery is known".to_owned()),
            Some(delivery) => take(&mut chosen, delivery, states),
        }
    }
    Ok(chosen)
}

fn take(chosen: &mut Chosen, delivery: DeliveryView, states: &[State]) {
    match wrong(&delivery, states) {
        Some(why) => chosen.miss(delivery.id, why),
        None => chosen.targets.push(Target::Delivery(Box::new(delivery))),
    }
}

/// Why a delivery cannot be acted on.
fn wrong(delivery: &DeliveryView, states: &[State]) -> Option<String> {
    if let Some(run) = delivery.rerun_as {
        return Some(format!("it has been run again as run {run}"));
    }
    if !states.contains(&delivery.state) {
        let hint = if delivery.state == State::Held { ": release its lane" } else { "" };
        return Some(format!("it is {}{hint}", rows::state(delivery.state)));
    }
    if delivery.state == State::InFlight && delivery.out.is_none() {
        return Some("it is not at a destination yet: try again".to_owned());
    }
    None
}

async fn of_message(
    history: &History,
    uid: MessageUid,
    route: Option<&str>,
    states: &[State],
) -> CommandResult<Chosen> {
    let message = history.ask(move |ledger| ledger.message(uid)).await?.ok_or_else(|| unknown(uid))?;
    if message.disposition == Some(Disposition::Quarantined) && route.is_none() {
        if message.settled {
            return Err(CommandError::conflict(format!(
                "somebody has decided on message {uid} already: barid show {uid}"
            )));
        }
        return Ok(Chosen { targets: vec![Target::Message(Box::new(message))], missed: Vec::new() });
    }
    // Only by its route: what goes its way is not given up because another delivery of the message is.
    let in_flight = |delivery: &DeliveryView| route.is_some() || delivery.state != State::InFlight;
    let mut chosen = Chosen::default();
    let meant = message.deliveries.iter().filter(|delivery| route.is_none_or(|route| delivery.route == route));
    for delivery in meant.filter(|delivery| delivery.rerun_as.is_none()) {
        // Of a message only what waits is meant; of a named route whatever it has.
        if route.is_some() || states.contains(&delivery.state) && in_flight(delivery) {
            take(&mut chosen, delivery.clone(), states);
        }
    }
    if chosen.matched() == 0 {
        let of = route.map(|route| format!(" by route {route}")).unwrap_or_default();
        return Err(CommandError::conflict(format!(
            "nothing of message {uid}{of} waits for a person: it is {}{}",
            rows::state(message.state),
            if message.state == State::InFlight { "; to give up what is on its way, name its route" } else { "" }
        )));
    }
    Ok(chosen)
}

/// All that match, up to one more than the limit.
async fn found(
    history: &History,
    query: &ParkedQuery,
    states: &'static [State],
    limit: u64,
) -> CommandResult<Vec<Target>> {
    let filter = super::waiting::filter(history, query);
    let asked = query.why.as_deref() == Some(state::IN_FLIGHT);
    let waits = states.iter().copied().filter(|state| *state != State::Quarantined);
    let waits: Vec<State> = waits.filter(|state| asked == (*state == State::InFlight)).collect();
    let mut targets = Vec::new();
    if query.why.as_deref() != Some(state::QUARANTINED) && !waits.is_empty() {
        waiting(history, DeliveryFilter { states: waits, ..filter.clone() }, limit, &mut targets).await?;
    }
    if query.why.as_deref().is_none_or(|why| why == state::QUARANTINED) && states.contains(&State::Quarantined) {
        quarantined(history, filter, limit, &mut targets).await?;
    }
    let inside = |target: &Target| {
        let at = match target {
            Target::Delivery(delivery) => delivery.parked_at.or(delivery.ended_at),
            Target::Message(message) => message.routed_at,
        };
        at.is_none_or(|at| query.since.is_none_or(|since| at >= since) && query.until.is_none_or(|until| at < until))
    };
    targets.retain(inside);
    Ok(targets)
}

async fn waiting(history: &History, filter: DeliveryFilter, limit: u64, into: &mut Vec<Target>) -> CommandResult<()> {
    let mut paging = Paging::first(PAGE_MAX);
    loop {
        let (filter, asked) = (filter.clone(), paging.clone());
        let page = history.ask(move |ledger| ledger.deliveries(&filter, &asked)).await?;
        into.extend(page.items.into_iter().map(|delivery| Target::Delivery(Box::new(delivery))));
        match page.next {
            Some(next) if into.len() as u64 <= limit => paging.after = Some(next),
            _ => return Ok(()),
        }
    }
}

async fn quarantined(
    history: &History,
    filter: DeliveryFilter,
    limit: u64,
    into: &mut Vec<Target>,
) -> CommandResult<()> {
    let mut paging = Paging::first(PAGE_MAX);
    loop {
        let (filter, asked) = (filter.clone(), paging.clone());
        let page = history.ask(move |ledger| ledger.quarantine(&filter, &asked)).await?;
        into.extend(page.items.into_iter().map(|item| match item.delivery {
            Some(delivery) => Target::Delivery(Box::new(delivery)),
            None => Target::Message(Box::new(item.message)),
        }));
        match page.next {
            Some(next) if into.len() as u64 <= limit => paging.after = Some(next),
            _ => return Ok(()),
        }
    }
}
