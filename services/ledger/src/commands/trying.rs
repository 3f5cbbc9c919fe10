//! One message's way, and what waits, with what only the owners of destinations know of it: the last tries of deliveries that
//! did not go well at once. A record in the log for each would be more than the messages while a destination is down.

use std::collections::{BTreeMap, HashMap};

use barid_custody::tried::{Trouble, Try};
use barid_model::{DeliveryId, Finding, MessageUid, Name};
use barid_runtime::control::CommandResult;
use barid_runtime::control::protocol::{
    DeliveryDetail, Event, Failing, MessageDetail, Page, ParkedQuery, ParkedRow, state,
};
use futures_util::future::{BoxFuture, join_all};

use super::history::History;
use super::{show as told, waiting};

/// The code of table 0357 under which a list says why a try failed.
const FAILED: u16 = 207;

/// Who knows of the last tries.
pub trait Tries: Send + Sync {
    /// What the owner of a destination knows of these deliveries; nothing where it cannot be asked now.
    fn of<'a>(&'a self, destination: &'a Name, which: Vec<DeliveryId>) -> BoxFuture<'a, Vec<(DeliveryId, Trouble)>>;
}

/// One message's way.
///
/// # Errors
/// As [`told::show`].
pub async fn show(history: &History, tries: &dyn Tries, uid: MessageUid) -> CommandResult<MessageDetail> {
    let mut detail = told::show(history, uid).await?;
    let mut known = ask(tries, detail.runs.iter().map(|run| (run.destination.as_ref(), Some(run.id)))).await;
    for run in &mut detail.runs {
        if let Some(trouble) = known.remove(&run.id) {
            detail.events.extend(tell(run, trouble));
        }
    }
    detail.events.sort_by_key(|event| event.at);
    Ok(detail)
}

/// What waits; of what is tried in vain, how often and why it failed last.
///
/// # Errors
/// As [`waiting::parked`].
pub async fn parked(history: &History, tries: &dyn Tries, query: ParkedQuery) -> CommandResult<Page<ParkedRow>> {
    let mut page = waiting::parked(history, query).await?;
    let in_flight = |row: &&ParkedRow| row.why != state::QUARANTINED;
    let rows = page.rows.iter().filter(in_flight).map(|row| (row.destination.as_ref(), row.id));
    let mut known = ask(tries, rows).await;
    for row in page.rows.iter_mut().filter(|row| row.why != state::QUARANTINED) {
        let trouble = row.id.and_then(|id| known.remove(&id));
        let Some(last) = trouble.and_then(|mut trouble| trouble.tries.pop_back()) else { continue };
        row.attempts = row.attempts.max(last.number);
        if row.findings.is_empty() {
            row.findings.push(Finding::warning(FAILED, "", "delivery.failed", last.text));
        }
    }
    Ok(page)
}

/// All owners at once.
async fn ask<'a>(
    tries: &dyn Tries,
    which: impl Iterator<Item = (Option<&'a Name>, Option<DeliveryId>)>,
) -> HashMap<DeliveryId, Trouble> {
    let mut by: BTreeMap<&Name, Vec<DeliveryId>> = BTreeMap::new();
    for (destination, id) in which {
        if let (Some(destination), Some(id)) = (destination, id) {
            by.entry(destination).or_default().push(id);
        }
    }
    let asked = by.into_iter().map(|(destination, which)| tries.of(destination, which));
    join_all(asked).await.into_iter().flatten().collect()
}

fn tell(run: &mut DeliveryDetail, trouble: Trouble) -> Vec<Event> {
    let last = trouble.tries.back();
    run.attempts = run.attempts.max(last.map_or(0, |last| last.number));
    if run.state == state::IN_FLIGHT {
        run.failing = last.map(|last| Failing { at: last.at, text: last.text.clone(), next: trouble.next });
    }
    let event = |tried: Try| Event {
        at: tried.at,
        what: "tried".to_owned(),
        route: Some(run.route.clone()),
        text: format!("try {}: {}", tried.number, tried.text),
    };
    trouble.tries.into_iter().map(event).collect()
}
