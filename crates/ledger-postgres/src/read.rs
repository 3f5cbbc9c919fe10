//! Answers out of the tables. Each question reads one snapshot, and no more rows than its bound allows.

pub(crate) mod aside;
pub(crate) mod balance;
pub(crate) mod deliveries;
pub(crate) mod list;
pub(crate) mod message;
pub(crate) mod quarantine;
pub(crate) mod replay;
pub(crate) mod search;
pub(crate) mod statistics;
pub(crate) mod story;
pub(crate) mod waiting;

use std::collections::HashMap;

use barid_ledger::filter::PAGE_MAX;
use barid_ledger::store::{NameId, Span};
use barid_ledger::{Cursor, Paging};
use barid_model::{MessageUid, Name, Timestamp};

use crate::fault::Fault;
use crate::names;
use crate::row::Columns as _;
use crate::session::Session;

/// What a question needs besides the rows: the connection, and when payloads expire.
pub(crate) struct Reader<'c> {
    pub(crate) session: &'c Session,
    expiry: HashMap<NameId, i64>,
}

impl<'c> Reader<'c> {
    pub(crate) fn new(session: &'c Session) -> Result<Self, Fault> {
        let rows = session.query("SELECT channel, before FROM expiry", &[])?;
        let expiry = rows.iter().map(|row| Ok((row.at(0)?, row.at(1)?))).collect::<Result<_, Fault>>()?;
        Ok(Self { session, expiry })
    }

    /// Whether payloads of this channel received at this time are past their retention. Channel 0 stands for those
    /// that have no time of their own.
    pub(crate) fn is_expired(&self, channel: Option<NameId>, received: Timestamp) -> bool {
        let own = channel.and_then(|channel| self.expiry.get(&channel));
        own.or_else(|| self.expiry.get(&0)).is_some_and(|before| received.micros() < *before)
    }

    /// The text of a number.
    pub(crate) fn text(&self, id: NameId) -> Result<String, Fault> {
        names::text(self.session, id).map(|text| text.to_string())
    }

    /// The document's name of a number, where there is one.
    pub(crate) fn name(&self, id: Option<NameId>) -> Result<Option<Name>, Fault> {
        id.map(|id| names::name(self.session, id)).transpose()
    }
}

/// How many items a page has.
pub(crate) fn limit(paging: &Paging) -> usize {
    paging.limit.clamp(1, PAGE_MAX)
}

/// A count as PostgreSQL takes it.
pub(crate) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The uid in a cursor.
pub(crate) fn read_uid(cursor: &Cursor) -> Result<MessageUid, Fault> {
    MessageUid::read(&cursor.0).ok_or_else(|| bad_cursor(cursor))
}

/// The cursor is of another question.
pub(crate) fn bad_cursor(cursor: &Cursor) -> Fault {
    Fault::invalid(format!("cursor {:?} is not one that this question gave: begin again without it", cursor.0))
}

/// The uids with this hash in a span, in order, at most `limit`. They still have to be compared with what was asked for.
pub(crate) fn candidates(
    session: &Session,
    hash: i64,
    span: &Span,
    descending: bool,
    limit: usize,
) -> Result<Vec<MessageUid>, Fault> {
    let order = if descending { "DESC" } else { "ASC" };
    let sql = format!(
        "SELECT DISTINCT uid FROM message_key WHERE hash = $1 AND uid >= $2 AND uid < $3 ORDER BY uid {order} LIMIT $4"
    );
    let rows = session.query(&sql, &[&hash, &span.low, &span.high, &count(limit)])?;
    rows.iter().map(|row| row.uid(0)).collect()
}

/// Conditions put together: `?` stands for the next value.
#[derive(Default)]
pub(crate) struct Conditions {
    text: String,
    values: Vec<Box<dyn tokio_postgres::types::ToSql + Sync + Send>>,
}

impl Conditions {
    /// One more.
    pub(crate) fn and(&mut self, condition: &str) {
        self.text.push_str(" AND ");
        self.text.push_str(condition);
    }

    /// One more, with as many values as it has question marks.
    pub(crate) fn with<T: tokio_postgres::types::ToSql + Sync + Send + Clone + 'static>(
        &mut self,
        condition: &str,
        value: &T,
    ) {
        self.and(condition);
        for _ in condition.matches('?') {
            self.values.push(Box::new(value.clone()));
        }
    }

    /// The text, where `before` values come first.
    pub(crate) fn sql(&self, before: usize) -> String {
        let mut text = String::with_capacity(self.text.len() + 16);
        for (number, part) in (before..).zip(self.text.split('?')) {
            if number > before {
                text.push_str(&format!("${number}"));
            }
            text.push_str(part);
        }
        text
    }

    /// All values, these first.
    pub(crate) fn values<'a>(&'a self, before: &[crate::session::Value<'a>]) -> Vec<crate::session::Value<'a>> {
        let own = self.values.iter().map(|value| &**value as crate::session::Value<'a>);
        before.iter().copied().chain(own).collect()
    }
}
