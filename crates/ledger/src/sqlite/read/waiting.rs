//! The SQL of what is set aside, in one place, and its counts.

use std::collections::BTreeMap;

use barid_model::MessageUid;
use rusqlite::{Connection, OptionalExtension as _};

use super::{Reader, unsigned};
use crate::State;
use crate::fold::NameId;
use crate::sqlite::fault::Fault;
use crate::waiting::{Waiting, WaitingAt};

/// What a person has decided on the message `m` that was set aside before routing: `discard`, `rerun`, or NULL.
///
/// A re-run names the message it makes before that is stored, so it counts when that is there; where the ledger no
/// longer knows everything of that time, it is believed.
pub(in crate::sqlite) const DECISION: &str = "(SELECT c.verb FROM command c
    WHERE c.target = lower(substr(hex(m.uid), 1, 8) || '-' || substr(hex(m.uid), 9, 4) || '-' || substr(hex(m.uid), 13, 4)
        || '-' || substr(hex(m.uid), 17, 4) || '-' || substr(hex(m.uid), 21))
    AND (c.verb = 'discard' OR c.verb = 'rerun' AND (
        NOT json_valid(c.detail) OR json_extract(c.detail, '$.as') IS NULL
        OR EXISTS(SELECT 1 FROM message n WHERE n.subject IS NOT NULL
            AND n.uid = unhex(replace(json_extract(c.detail, '$.as'), '-', '')))
        OR c.at < (SELECT value FROM meta WHERE key = 'incompleteBefore')))
    ORDER BY c.id LIMIT 1)";

/// Whether the delivery `d` is the last run of its piece.
pub(in crate::sqlite) const LAST_RUN: &str = "NOT EXISTS(SELECT 1 FROM delivery n WHERE n.uid = d.uid
    AND n.route = d.route AND n.part = d.part AND n.run = d.run + 1)";

/// What a person has decided on a message that was set aside before routing, as the state it is in since.
pub(in crate::sqlite) fn decision(conn: &Connection, uid: MessageUid) -> Result<Option<State>, Fault> {
    let mut statement = conn.prepare_cached(&format!("SELECT {DECISION} FROM (SELECT ?1 AS uid) m"))?;
    let verb: Option<Option<String>> = statement.query_row([uid.as_bytes().as_slice()], |row| row.get(0)).optional()?;
    Ok(verb.flatten().map(|verb| if verb == "discard" { State::Discarded } else { State::Rerun }))
}

/// What waits now.
pub(in crate::sqlite) fn waiting(conn: &Connection) -> Result<Waiting, Fault> {
    let reader = Reader::new(conn)?;
    let messages: i64 = conn
        .prepare_cached(&format!("SELECT count(*) FROM message m WHERE m.disposition = 3 AND {DECISION} IS NULL"))?
        .query_row([], |row| row.get(0))?;
    let mut counts: BTreeMap<Option<NameId>, WaitingAt> = BTreeMap::new();
    for state in [State::Held, State::Parked, State::Quarantined] {
        let sql = format!(
            "SELECT d.destination, count(*) FROM delivery d WHERE d.state = ?1 AND d.state < 8 AND {LAST_RUN}
             GROUP BY d.destination"
        );
        let mut statement = conn.prepare_cached(&sql)?;
        let mut rows = statement.query([state.code()])?;
        while let Some(row) = rows.next()? {
            let at = counts.entry(row.get(0)?).or_default();
            let count = unsigned(row.get(1)?);
            match state {
                State::Quarantined => at.quarantined += count,
                State::Held => (at.held, at.parked) = (at.held + count, at.parked + count),
                _ => at.parked += count,
            }
        }
    }
    let mut destinations = Vec::with_capacity(counts.len());
    for (name, at) in counts {
        destinations.push((name.map(|id| reader.texts.name(id)).transpose()?, at));
    }
    destinations.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Waiting { messages: unsigned(messages), destinations })
}
