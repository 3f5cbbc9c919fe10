//! Which messages to replay, in which order.
//!
//! A lane's messages lie in one partition, and their order there is the order of acceptance (O5). So the items of one
//! subject come by position, and subjects are laid beside each other by time. A page ends where a millisecond ends, so
//! that no two messages of one change places between pages.

use barid_ledger::filter::REPLAY_PAGE_MAX;
use barid_ledger::store::{Span, floor, in_order, just_below, of};
use barid_ledger::view::ReplayItem;
use barid_ledger::{Cursor, MessageFilter, Page, Paging, State};
use barid_model::{MessageUid, Timestamp};

use super::message::{Found, complete};
use super::search::Question;
use super::{Reader, read_uid};
use crate::fault::Fault;
use crate::session::Session;

/// The messages a filter selects, oldest first.
pub(crate) fn select(session: &Session, filter: &MessageFilter, paging: &Paging) -> Result<Page<ReplayItem>, Fault> {
    let reader = Reader::new(session)?;
    let nothing = Page { items: Vec::new(), next: None };
    let Some(mut question) = Question::new(session, filter)? else { return Ok(nothing) };
    question.unknown = None;
    question.conditions.and("m.subject IS NOT NULL");
    if filter.state != Some(State::Duplicate) {
        question.conditions.and("coalesce(m.disposition, 0) <> 2");
    }
    if filter.channel.is_none() && filter.cause.is_none() {
        question.conditions.and("m.cause NOT IN (SELECT id FROM name WHERE text IN ('chained', 'split'))");
    }
    let mut span = Span::between(filter.from, filter.to);
    if let Some(cursor) = &paging.after {
        span.after(read_uid(cursor)?, false);
    }
    let limit = paging.limit.clamp(1, REPLAY_PAGE_MAX);
    let (mut found, mut next) = question.ask(&reader, span, false, limit)?;
    if next.is_some() && found.len() >= limit {
        next = end_at_a_millisecond(&reader, &question, &mut found)?;
    }
    let mut items = Vec::with_capacity(found.len());
    for view in complete(found, &reader)? {
        let Some(accepted) = view.accepted else { continue };
        items.push(ReplayItem {
            uid: view.uid,
            place: accepted.place,
            channel: accepted.channel,
            facility: accepted.facility,
            received: accepted.received,
            payload_expired: view.payload_expired,
        });
    }
    Ok(Page { items: in_order(items), next: next.map(|uid| Cursor(uid.to_string())) })
}

/// Leaves the last millisecond to the next page, or takes all of it where the page has nothing else.
fn end_at_a_millisecond(
    reader: &Reader<'_>,
    question: &Question,
    found: &mut Vec<Found>,
) -> Result<Option<MessageUid>, Fault> {
    let Some(last) = found.last().map(|found| of(found.view.uid)) else { return Ok(None) };
    if found.first().is_some_and(|first| of(first.view.uid) == last) {
        let whole = Span::between(Some(last), Some(Timestamp::from_millis(last.millis() + 1)));
        *found = question.ask(reader, whole, false, REPLAY_PAGE_MAX)?.0;
    } else {
        // The filter may have been narrower than the rows: go on right before the millisecond begins.
        found.retain(|found| of(found.view.uid) < last);
    }
    let first_of_next =
        if found.last().is_some_and(|found| of(found.view.uid) == last) { last.millis() + 1 } else { last.millis() };
    Ok(Some(just_below(floor(Timestamp::from_millis(first_of_next)))))
}
