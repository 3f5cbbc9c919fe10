//! Rerun, discard and release: what a person decides about what waits for one.
//!
//! Each delivery is its destination's owner's to act on, in the order of its lanes. A message that was set aside before
//! routing stands in IN alone: run again it becomes a message of its own, and what was decided on it is a command in the
//! log, from which the ledger knows that it waits no more.

use std::time::Duration;

use barid_custody::act::Act;
use barid_ledger::{DeliveryFilter, DeliveryView, GivenUp, MessageView, Paging, State};
use barid_model::{Cause, Digest, Lane, MessageUid, Name, Partition};
use barid_pipeline::fanout::answer_key;
use barid_runtime::control::protocol::{
    By, DeliverySelection, DiscardRequest, Done, HeldHead, Missed, ReleaseRequest, ReplayRevision, ReplayedMessage,
    RerunRequest,
};
use barid_runtime::control::{CommandError, CommandResult};
use serde_json::json;
use tokio::sync::MutexGuard;
use tokio::time::Instant;

use super::acting::{Acting, Why};
use super::again::Again;
use super::answered::Told;
use super::journal::{Order, check};
use super::payload::{parked, received};
use super::remake::{remake, standing_in};
use super::replay::{LISTED_MAX, unsent};
use super::select::{Chosen, Target, choose};
use super::turns::Turns;

/// Held lanes that are released in one command with something done to their heads.
const HEADS_MAX: usize = 1_000;

/// How long one who decides on messages set aside before routing waits for another who does: a few of them take less, and
/// with many of them one rather looks again.
const TURN_WAIT: Duration = Duration::from_secs(10);

/// What is done to each.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Rerun,
    Discard,
    /// As a discard, but it can be run again.
    SetAside,
}

/// Runs quarantined deliveries again.
pub(super) async fn rerun(acting: &Acting, request: RerunRequest) -> CommandResult<Done> {
    check(&request.by)?;
    let decision = in_turn(acting, &request.select, &[State::Quarantined], request.limit, request.dry_run).await?;
    carry_out(acting, Verb::Rerun, &request.by, decision, request.dry_run).await
}

/// Gives quarantined or held deliveries up, or sets aside those that are not; one that follows a held one, or is on its way,
/// where it is asked for by name or reason.
pub(super) async fn discard(acting: &Acting, request: DiscardRequest) -> CommandResult<Done> {
    check(&request.by)?;
    let whatever_waits = matches!(&request.select, DeliverySelection::Query(query) if query.why.is_none());
    let states: &[State] = match (whatever_waits, request.keep) {
        (true, false) => &[State::Held, State::Quarantined],
        (false, false) => &[State::Held, State::Parked, State::Quarantined, State::InFlight],
        (true, true) => &[State::Held],
        (false, true) => &[State::Held, State::Parked, State::InFlight],
    };
    let verb = if request.keep { Verb::SetAside } else { Verb::Discard };
    let decision = in_turn(acting, &request.select, states, request.limit, request.dry_run).await?;
    carry_out(acting, verb, &request.by, decision, request.dry_run).await
}

/// What is decided on, since when it is known to wait, and the turn where messages that were set aside are among it.
struct Decision<'a> {
    chosen: Chosen,
    at: Instant,
    turns: Option<MutexGuard<'a, Turns>>,
}

/// Chooses; where messages that were set aside before routing are among it, alone in this process, until what is given back is
/// dropped: nobody else owns them, and two people who decide on one at once would make two of it. Those at other ledgers are
/// met in the log, message by message.
async fn in_turn<'a>(
    acting: &'a Acting,
    select: &DeliverySelection,
    states: &'static [State],
    limit: u64,
    dry_run: bool,
) -> CommandResult<Decision<'a>> {
    let at = Instant::now();
    let chosen = choose(&acting.history, select, states, limit).await?;
    if dry_run || !chosen.targets.iter().any(|target| matches!(target, Target::Message(_))) {
        return Ok(Decision { chosen, at, turns: None });
    }
    let turn = tokio::time::timeout(TURN_WAIT, acting.journal.turn()).await.map_err(|_| {
        CommandError::unavailable("somebody decides on messages that were set aside right now: try again after that")
    })?;
    // Somebody may have decided on them while this waited, or since it chose.
    let at = Instant::now();
    Ok(Decision { chosen: choose(&acting.history, select, states, limit).await?, at, turns: Some(turn) })
}

async fn carry_out(acting: &Acting, verb: Verb, by: &By, decision: Decision<'_>, dry_run: bool) -> CommandResult<Done> {
    let Decision { mut chosen, at, mut turns } = decision;
    let mut done = Done { matched: chosen.matched(), missed: std::mem::take(&mut chosen.missed), ..Done::default() };
    if dry_run {
        return Ok(done);
    }
    if let (Verb::Discard, Some(turns)) = (verb, &mut turns) {
        begin_all(acting, turns, &mut chosen, at, &mut done).await;
    }
    let orders = chosen.targets.iter().filter_map(|target| order(verb, target)).collect();
    acting.journal.write(by, orders).await?;
    for target in &chosen.targets {
        let decided = match (verb, target) {
            (Verb::Rerun, Target::Delivery(delivery)) => rerun_delivery(acting, by, delivery).await,
            (Verb::Rerun, Target::Message(message)) => {
                let made = rerun_message(acting, by, message, turns.as_deref_mut(), at).await;
                made.map(|child| {
                    if done.children.len() < LISTED_MAX {
                        done.children.push(ReplayedMessage { from: message.uid, uid: Some(child) });
                    }
                })
            }
            (Verb::Discard, Target::Delivery(delivery)) => end_delivery(acting, by, delivery, false).await,
            (Verb::SetAside, Target::Delivery(delivery)) => end_delivery(acting, by, delivery, true).await,
            (Verb::SetAside, Target::Message(_)) => Err("it is set aside already".to_owned()),
            // Its command says so.
            (Verb::Discard, Target::Message(_)) => Ok(()),
        };
        match decided {
            Ok(()) => done.done += 1,
            Err(why) => miss(&mut done, target, why),
        }
    }
    Ok(done)
}

fn miss(done: &mut Done, target: &Target, why: Why) {
    if done.missed.len() < LISTED_MAX {
        done.missed.push(Missed { id: target.id(), why });
    }
}

/// Begins to decide on the messages that are to be given up, which their commands do; leaves those out that are decided on
/// elsewhere.
async fn begin_all(acting: &Acting, turns: &mut Turns, chosen: &mut Chosen, at: Instant, done: &mut Done) {
    for target in std::mem::take(&mut chosen.targets) {
        let begun = match &target {
            Target::Message(message) => turns.begin(&acting.history.log, message.uid, None, at).await.map(drop),
            Target::Delivery(_) => Ok(()),
        };
        match begun {
            Ok(()) => chosen.targets.push(target),
            Err(why) => miss(done, &target, why),
        }
    }
}

/// What is recorded before it is done. That a message is run again is recorded when it is known as what.
fn order(verb: Verb, target: &Target) -> Option<Order> {
    Some(match (verb, target) {
        (Verb::Rerun, Target::Delivery(_)) => Order::new("rerun", target.id()),
        (Verb::Rerun | Verb::SetAside, Target::Message(_)) => return None,
        (Verb::SetAside, Target::Delivery(_)) => Order::new("setAside", target.id()),
        // It stands nowhere but in what the router wrote, so the order itself is what ends it: the ledger has to find it.
        (Verb::Discard, Target::Delivery(delivery)) if delivery.destination.is_none() => {
            let DeliveryView { uid, route, part, run, .. } = &**delivery;
            Order::new("discard", target.id()).with(json!(GivenUp {
                uid: *uid,
                route: route.clone(),
                part: *part,
                run: *run
            }))
        }
        (Verb::Discard, _) => Order::new("discard", target.id()),
    })
}

async fn rerun_delivery(acting: &Acting, by: &By, delivery: &DeliveryView) -> Result<(), Why> {
    let (destination, position) = place(delivery)?;
    let record = parked(&acting.history, delivery).await.map_err(|error| error.text)?;
    let awaited = record.as_ref().and_then(|record| record.delivery.waits.as_ref()).map(|caller| caller.key);
    let told = told(acting, awaited).await?;
    let what = match record.filter(|record| record.delivery.set_aside.is_some()) {
        Some(nothing_made) => {
            let message = acting.history.message(delivery.uid).await.map_err(|error| error.text)?;
            // PARK keeps the bytes as received, where IN was given back meanwhile.
            let parent = match received(&acting.history, &message).await {
                Ok(parent) => parent,
                Err(_) => standing_in(&message, nothing_made.delivery),
            };
            let (payload, revision) = remake(acting, &parent, delivery)?;
            Act::Remade { position, payload, revision }
        }
        None => Act::Rerun(position),
    };
    acting.owners.act(by, destination, what).await?;
    take_back(acting, told).await;
    Ok(())
}

/// What a sender that waited was told of what is run again now.
async fn told(acting: &Acting, awaited: Option<Digest>) -> Result<Option<Told>, Why> {
    match awaited {
        Some(key) => Told::find(&acting.history.log, key).await.map_err(|error| error.to_string()),
        None => Ok(None),
    }
}

async fn take_back(acting: &Acting, told: Option<Told>) {
    if let Some(told) = told {
        told.take_back(&acting.history.log).await;
    }
}

/// Gives a delivery up, or sets it aside.
async fn end_delivery(acting: &Acting, by: &By, delivery: &DeliveryView, keep: bool) -> Result<(), Why> {
    // A route to a channel that failed made nothing that stands anywhere: its command says that it is given up.
    if delivery.destination.is_none() {
        return Ok(());
    }
    if let (Some(destination), None, Some(out)) = (&delivery.destination, delivery.park, delivery.out) {
        let out = (Partition(out.partition), out.position);
        let what = Act::EndWaiting { delivery: delivery.id, out, keep };
        return acting.owners.act(by, destination, what).await.map(drop);
    }
    let (destination, position) = place(delivery)?;
    let what = if keep { Act::SetAside(position) } else { Act::Discard(position) };
    acting.owners.act(by, destination, what).await.map(drop)
}

fn place(delivery: &DeliveryView) -> Result<(&Name, u64), Why> {
    match (&delivery.destination, delivery.park) {
        (Some(destination), Some(position)) => Ok((destination, position)),
        (None, _) => {
            Err("it led to another channel and nothing was made for it: replay the message, and discard this"
                .to_owned())
        }
        (Some(_), None) => Err("its destination has not set it aside yet: try again".to_owned()),
    }
}

/// Runs a message that was set aside before routing again, as a message of its own under today's rules. Its record names
/// that message, and counts when it is there: whatever a crash leaves in between waits for a person still.
async fn rerun_message(
    acting: &Acting,
    by: &By,
    message: &MessageView,
    turns: Option<&mut Turns>,
    chosen: Instant,
) -> Result<MessageUid, Why> {
    let parent = received(&acting.history, message).await.map_err(|error| error.text)?;
    let again = Again { acting, by, cause: Cause::Replayed, answers: true };
    let mut record = again.of(&parent, ReplayRevision::Now).await?;
    let envelope = &record.envelope;
    // As anything that is taken in; where it is refused nothing is written of it.
    (acting.admits)(envelope.channel.as_ref()).map_err(|error| error.to_string())?;
    let awaited =
        envelope.waits.as_ref().map(|_| answer_key(&envelope.facility.name, &envelope.control_id, envelope.digest));
    let told = told(acting, awaited).await?;
    let turns = turns.ok_or("it was not to be decided on")?;
    let turn = turns.begin(&acting.history.log, message.uid, Some(record.envelope.uid), chosen).await?;
    let child = turn.child.unwrap_or(record.envelope.uid);
    record.envelope.uid = child;
    let order = Order::new("rerun", message.uid).with(json!({"as": child}));
    acting.journal.write(by, vec![order]).await.map_err(|error| error.text)?;
    turn.in_time()?;
    let submitted = acting.intake.submit(&record).await.map_err(|error| unsent(&error))?;
    submitted.ticket.await.map_err(|error| unsent(&error))?;
    take_back(acting, told).await;
    Ok(child)
}

/// Lets held lanes go on.
pub(super) async fn release(acting: &Acting, request: ReleaseRequest) -> CommandResult<Done> {
    check(&request.by)?;
    let (by, destination) = (&request.by, &request.destination);
    if !acting.owners.knows(destination).await? {
        return Err(CommandError::not_found(format!("no destination {} runs", destination.short())));
    }
    let lane = request.lane.map(|lane| lane.0);
    let heads = match request.head {
        HeldHead::Retry => Vec::new(),
        HeldHead::Quarantine | HeldHead::Discard => heads(acting, destination, lane).await?,
    };
    let detail = json!({"lane": request.lane, "head": request.head});
    acting.journal.write(by, vec![Order::new("release", format!("destination {destination}")).with(detail)]).await?;
    let done = if request.head == HeldHead::Retry {
        let released =
            acting.owners.act(by, destination, Act::Release(lane)).await.map_err(CommandError::unavailable)?;
        Done { matched: released, done: released, ..Done::default() }
    } else {
        take_away(acting, by, &heads, request.head).await
    };
    match (done.matched, lane) {
        (0, Some(lane)) => Err(CommandError::conflict(format!("lane {lane} is not held at {}", destination.short()))),
        _ => Ok(done),
    }
}

/// The deliveries that hold lanes of a destination, or this one.
async fn heads(acting: &Acting, destination: &Name, lane: Option<Lane>) -> CommandResult<Vec<DeliveryView>> {
    acting.history.settle().await?;
    let filter = DeliveryFilter {
        destination: Some(destination.clone()),
        states: vec![State::Held],
        latest_run: true,
        ..DeliveryFilter::default()
    };
    let page = acting.history.ask(move |ledger| ledger.deliveries(&filter, &Paging::first(HEADS_MAX))).await?;
    let wanted = lane.map(|lane| lane.to_string());
    let mut heads = page.items;
    heads.retain(|head| wanted.as_ref().is_none_or(|lane| head.lanes.contains(lane)));
    Ok(heads)
}

/// Takes the heads of held lanes away; their lanes go on with what follows.
async fn take_away(acting: &Acting, by: &By, heads: &[DeliveryView], head: HeldHead) -> Done {
    let mut done = Done { matched: heads.len() as u64, ..Done::default() };
    for delivery in heads {
        let decided = match place(delivery) {
            Ok((destination, position)) => {
                let what = if head == HeldHead::Discard { Act::Discard(position) } else { Act::SetAside(position) };
                acting.owners.act(by, destination, what).await
            }
            Err(why) => Err(why),
        };
        match decided {
            Ok(_) => done.done += 1,
            Err(why) => done.missed.push(Missed { id: delivery.id.to_string(), why }),
        }
    }
    done
}
