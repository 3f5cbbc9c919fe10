//! What waits: deliveries in PARK, and what was set aside before routing or at a destination.
//!
//! The ledger answers the two in different questions, so a list gives first what is in flight and waits, then what is
//! quarantined, each newest first; the cursor says in which of the two it goes on.

use barid_ledger::{Cursor, DeliveryFilter, Paging, State};
use barid_runtime::control::protocol::{Page, ParkedQuery, ParkedRow, state};
use barid_runtime::control::{CommandError, CommandResult};

use super::history::History;
use super::{rows, search};

/// Cursors in the part of the list that is in flight.
const IN_FLIGHT: &str = "w:";
/// Cursors in the part that is quarantined.
const QUARANTINED: &str = "q:";

/// A page of what waits.
pub async fn parked(history: &History, query: ParkedQuery) -> CommandResult<Page<ParkedRow>> {
    history.fresh(query.cursor.as_ref()).await?;
    let quarantined = query.why.as_deref() == Some(state::QUARANTINED);
    let filter = filter(history, &query);
    let limit = search::paging(query.limit, None).limit;
    let mut place = match &query.cursor {
        None if quarantined => (QUARANTINED, None),
        None => (IN_FLIGHT, None),
        Some(text) => read_cursor(text)?,
    };
    let mut page = Page::default();
    loop {
        let paging = Paging { limit: limit.saturating_sub(page.rows.len()).max(1), after: place.1.clone() };
        let (found, next) = if place.0 == IN_FLIGHT {
            in_flight(history, filter.clone(), paging).await?
        } else {
            set_aside(history, filter.clone(), paging).await?
        };
        page.rows.extend(found.into_iter().filter(|row| inside(row, &query)));
        place = match next {
            Some(cursor) => (place.0, Some(cursor)),
            None if place.0 == IN_FLIGHT && query.why.is_none() => (QUARANTINED, None),
            None => return Ok(page),
        };
        if page.rows.len() >= limit || place.1.is_some() {
            page.next = Some(format!("{}{}", place.0, place.1.map(|cursor| cursor.0).unwrap_or_default()));
            return Ok(page);
        }
    }
}

/// What a query asks of those that wait.
pub fn filter(history: &History, query: &ParkedQuery) -> DeliveryFilter {
    DeliveryFilter {
        // What was parked before was received before.
        to: query.until,
        channel: query.channel.clone(),
        facility: query.facility.clone().map(|text| search::facility(history, text)),
        destination: query.destination.clone(),
        parked: query.why.clone().filter(|why| why != state::QUARANTINED && why != state::IN_FLIGHT),
        latest_run: true,
        ..DeliveryFilter::default()
    }
}

fn inside(row: &ParkedRow, query: &ParkedQuery) -> bool {
    query.since.is_none_or(|since| row.at >= since) && query.until.is_none_or(|until| row.at < until)
}

fn read_cursor(text: &str) -> CommandResult<(&'static str, Option<Cursor>)> {
    let cursor = |rest: &str| (!rest.is_empty()).then(|| Cursor(rest.to_owned()));
    match (text.strip_prefix(IN_FLIGHT), text.strip_prefix(QUARANTINED)) {
        (Some(rest), _) => Ok((IN_FLIGHT, cursor(rest))),
        (None, Some(rest)) => Ok((QUARANTINED, cursor(rest))),
        (None, None) => Err(CommandError::invalid("the cursor is not one of this list: begin again without it")),
    }
}

type Rows = (Vec<ParkedRow>, Option<Cursor>);

async fn in_flight(history: &History, filter: DeliveryFilter, paging: Paging) -> CommandResult<Rows> {
    let filter = DeliveryFilter { states: vec![State::Held, State::Parked], ..filter };
    history
        .ask(move |ledger| {
            let page = ledger.deliveries(&filter, &paging)?;
            let mut rows = Vec::with_capacity(page.items.len());
            let mut known = None;
            for delivery in page.items {
                // Deliveries of one message follow each other.
                if known.as_ref().is_none_or(|(uid, _)| *uid != delivery.uid) {
                    known = Some((delivery.uid, ledger.message(delivery.uid)?));
                }
                if let Some((_, Some(message))) = &known {
                    rows.push(rows::parked(message, delivery));
                }
            }
            Ok((rows, page.next))
        })
        .await
}

async fn set_aside(history: &History, filter: DeliveryFilter, paging: Paging) -> CommandResult<Rows> {
    let page = history.ask(move |ledger| ledger.quarantine(&filter, &paging)).await?;
    let rows = page.items.into_iter().filter_map(|item| match item.delivery {
        Some(delivery) => Some(rows::parked(&item.message, delivery)),
        None => rows::set_aside(&item.message),
    });
    Ok((rows.collect(), page.next))
}
