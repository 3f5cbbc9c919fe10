//! One message's way, with what only the running engine knows of it: the last tries of deliveries that did not go well at
//! once. A record in the log for each would be more than the messages while a destination is down.

use barid_delivery::owner::trouble::Trouble;
use barid_ledger_service::commands::show;
use barid_model::MessageUid;
use barid_runtime::control::CommandResult;
use barid_runtime::control::protocol::{DeliveryDetail, Event, Failing, MessageDetail, state};

use super::Engine;

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
