//! Answers out of the tables. Each question reads one snapshot, and no more rows than its bound allows.

pub(super) mod aside;
pub(super) mod balance;
pub(super) mod deliveries;
pub(super) mod message;
pub(super) mod quarantine;
pub(super) mod replay;
pub(super) mod search;
pub(super) mod statistics;
pub(super) mod story;
pub(super) mod time;
pub(super) mod waiting;

use std::collections::HashMap;

use barid_model::Timestamp;
use rusqlite::Connection;

use super::fault::Fault;
use super::names::Texts;
use crate::filter::{PAGE_MAX, Paging};
use crate::fold::NameId;

/// What a question needs besides the rows: texts of names, and when payloads expire.
pub(super) struct Reader<'c> {
    pub(super) conn: &'c Connection,
    pub(super) texts: Texts<'c>,
    expiry: HashMap<NameId, i64>,
}

impl<'c> Reader<'c> {
    pub(super) fn new(conn: &'c Connection) -> Result<Self, Fault> {
        let mut statement = conn.prepare_cached("SELECT channel, before FROM expiry")?;
        let expiry = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        drop(statement);
        Ok(Self { conn, texts: Texts::new(conn), expiry })
    }

    /// Whether payloads of this channel received at this time are past their retention. Channel 0 stands for those
    /// that have no time of their own.
    pub(super) fn is_expired(&self, channel: Option<NameId>, received: Timestamp) -> bool {
        let own = channel.and_then(|channel| self.expiry.get(&channel));
        own.or_else(|| self.expiry.get(&0)).is_some_and(|before| received.micros() < *before)
    }
}

/// How many items a page has.
pub(super) fn limit(paging: &Paging) -> usize {
    paging.limit.clamp(1, PAGE_MAX)
}

/// A number that SQLite stores signed.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
