//! One message's way, and what waits, with what only the running engine knows of it: the last tries of deliveries that did not go well at
//! once. A record in the log for each would be more than the messages while a destination is down.

use barid_delivery::owner::trouble::Trouble;
use barid_ledger_service::commands::{show, waiting};
use barid_model::{Finding, MessageUid};
use barid_runtime::control::CommandResult;
use barid_runtime::control::protocol::{
    DeliveryDetail, Event, Failing, MessageDetail, Page, ParkedQuery, ParkedRow, state,
};

use super::Engine;

/// The code of table 0357 under which a list says why a try failed.
const FAILED: u16 = 207;

/// One message's way.
pub(super) async fn show(engine: &Engine, uid: MessageUid) -> CommandResult<MessageDetail> {
    let mut detail = show::show(&engine.history, uid).await?;
    for run in &mut detail.runs {
        let running = run.destination.as_ref().and_then(|name| engine.parts.destinations.get(name));
        if let Some(trouble) = running.and_then(|running| running.shared.trouble(run.id)) {
            detail.events.extend(tell(run, trouble));
        }
    }
    detail.events.sort_by_key(|event| event.at);
    Ok(detail)
}

/// What waits; of what is tried in vain, how often and why it failed last.
pub(super) async fn parked(engine: &Engine, query: ParkedQuery) -> CommandResult<Page<ParkedRow>> {
    let mut page = waiting::parked(&engine.history, query).await?;
    for row in page.rows.iter_mut().filter(|row| row.why != state::QUARANTINED) {
        let running = row.destination.as_ref().and_then(|name| engine.parts.destinations.get(name));
        let trouble = running.zip(row.id).and_then(|(running, id)| running.shared.trouble(id));
        let Some(last) = trouble.and_then(|mut trouble| trouble.tries.pop_back()) else { continue };
        row.attempts = row.attempts.max(last.number);
        if row.findings.is_empty() {
            row.findings.push(Finding::warning(FAILED, "", "delivery.failed", last.text));
        }
    }
    Ok(page)
}

fn tell(run: &mut DeliveryDetail, trouble: Trouble) -> Vec<Event> {
    let last = trouble.tries.back();
    run.attempts = run.attempts.max(last.map_or(0, |last| last.number));
    if run.state == state::IN_FLIGHT {
        run.failing = last.map(|last| Failing { at: last.at, text: last.text.clone(), next: trouble.next });
    }
    let event = |tried: barid_delivery::owner::trouble::Try| Event {
        at: tried.at,
        what: "tried".to_owned(),
        route: Some(run.route.clone()),
        text: format!("try {}: {}", tried.number, tried.text),
    };
    trouble.tries.into_iter().map(event).collect()
}
