//! Messages and refusals by what people know of them: questions in clear become those of the ledger, whose sensitive
//! values are keyed hashes.

use std::fmt::Write as _;

use barid_ledger::filter::Key;
use barid_ledger::{Cursor, MessageFilter, Paging, RefusedFilter, State};
use barid_model::Name;
use barid_runtime::control::protocol::{
    MessageQuery, MessageRow, PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX, Page, RefusedQuery, RefusedRow,
};
use barid_runtime::control::{CommandError, CommandResult};

use super::history::History;
use super::rows;

/// The search key of patients.
const PATIENT: &str = "patient";
/// Longest value that the ledger keeps as it is, in characters.
const VALUE_CHARS_MAX: usize = 128;

/// A page of accepted messages, newest first.
pub async fn messages(history: &History, query: MessageQuery) -> CommandResult<Page<MessageRow>> {
    let filter = filter(history, &query)?;
    history.fresh(query.cursor.as_ref()).await?;
    let paging = paging(Some(query.rows()), query.cursor);
    let page = history.ask(move |ledger| ledger.search(&filter, &paging)).await?;
    let rows = page.items.iter().filter_map(rows::message).collect();
    Ok(Page { rows, next: page.next.map(|cursor| cursor.0) })
}

/// A page of refused messages, newest first.
pub async fn refused(history: &History, query: RefusedQuery) -> CommandResult<Page<RefusedRow>> {
    let filter = RefusedFilter {
        from: query.since,
        to: query.until,
        facility: query.facility.map(|text| facility(history, text)),
        listener: query.listener,
        ..RefusedFilter::default()
    };
    history.fresh(query.cursor.as_ref()).await?;
    let paging = paging(query.limit, query.cursor);
    let page = history.ask(move |ledger| ledger.refused(&filter, &paging)).await?;
    Ok(Page { rows: page.items.into_iter().map(rows::refused).collect(), next: page.next.map(|cursor| cursor.0) })
}

/// Where to go on, and how far.
pub fn paging(limit: Option<u32>, cursor: Option<String>) -> Paging {
    let limit = limit.unwrap_or(PAGE_ROWS_DEFAULT).clamp(1, PAGE_ROWS_MAX);
    Paging { limit: limit as usize, after: cursor.map(Cursor) }
}

/// A question about messages as the ledger understands it.
pub fn filter(history: &History, query: &MessageQuery) -> CommandResult<MessageFilter> {
    let state = query.state.as_deref().map(|word| {
        State::read(word).ok_or_else(|| {
            let known: Vec<&str> = barid_runtime::control::protocol::state::ALL.to_vec();
            CommandError::invalid(format!("there is no state {word:?}: {} are known", known.join(", ")))
        })
    });
    let patient =
        query.patient.as_ref().map(|id| Key { name: PATIENT.to_owned(), value: hashed(history, PATIENT, id) });
    let keys = query.keys.iter().map(|(name, value)| key(history, query.channel.as_ref(), name, value));
    Ok(MessageFilter {
        from: query.since,
        to: query.until,
        channel: query.channel.clone(),
        facility: query.facility.clone().map(|text| facility(history, text)),
        listener: query.listener.clone(),
        message_type: query.message_type.clone(),
        control_id: query.control_id.clone(),
        keys: keys.chain(patient).collect(),
        state: state.transpose()?,
        destination: query.destination.clone(),
        cause: query.cause.clone(),
        possible_duplicate: query.possible_duplicate,
        ..MessageFilter::default()
    })
}

/// A facility as messages name it: `namespace/name`, where there is a document of that name.
pub fn facility(history: &History, text: String) -> String {
    let name = Name::read(&text);
    if history.channels.snapshot().facilities.contains_key(&name) { name.to_string() } else { text }
}

/// A channel's own search key: what is sensitive is hashed, and whatever is not known to be otherwise is sensitive.
fn key(history: &History, channel: Option<&Name>, name: &str, value: &str) -> Key {
    let snapshot = history.channels.snapshot();
    let named = snapshot.channels.values().filter(|found| channel.is_none_or(|wanted| found.name == *wanted));
    let mut indexed = named.flat_map(|found| &found.settings.index).filter(|key| key.name == name).peekable();
    let sensitive = indexed.peek().is_none() || indexed.any(|key| key.sensitive.unwrap_or(true));
    let value = if sensitive { hashed(history, name, value) } else { value.chars().take(VALUE_CHARS_MAX).collect() };
    Key { name: name.to_owned(), value }
}

fn hashed(history: &History, name: &str, value: &str) -> String {
    let hash = history.hasher.search_key(name, value.as_bytes());
    hash.iter().fold(String::with_capacity(32), |mut text, byte| {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}
