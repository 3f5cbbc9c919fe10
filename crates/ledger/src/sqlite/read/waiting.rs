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
/// A re-run names the message it makes before that is stored, so it counts when that is there; where the ledger was filled
/// from a log that no longer held everything of that time, it is believed. What the ledger has forgotten itself proves
/// nothing: a message that was made goes after the one that was run again ([`KEEPS_DECIDED`]).
pub(in crate::sqlite) const DECISION: &str = "(SELECT c.verb FROM command c
    WHERE c.target = lower(substr(hex(m.uid), 1, 8) || '-' || substr(hex(m.uid), 9, 4) || '-' || substr(hex(m.uid), 13, 4)
        || '-' || substr(hex(m.uid), 17, 4) || '-' || substr(hex(m.uid), 21))
    AND (c.verb = 'discard' OR c.verb = 'rerun' AND (
        NOT json_valid(c.detail) OR json_extract(c.detail, '$.as') IS NULL
        OR EXISTS(SELECT 1 FROM message n WHERE n.subject IS NOT NULL
            AND n.uid = unhex(replace(json_extract(c.detail, '$.as'), '-', '')))
        OR c.at < (SELECT value FROM meta WHERE key = 'rebuiltBefore')))
    ORDER BY c.id LIMIT 1)";

/// Whether the message ?1 is what a message that is still known was run again as: it stays as long as that, which would
/// wait for a person again without it.
pub(in crate::sqlite) const KEEPS_DECIDED: &str = "SELECT EXISTS(SELECT 1 FROM message m
    CROSS JOIN message p ON p.uid = m.parents
    CROSS JOIN command c ON c.target = lower(substr(hex(p.uid), 1, 8) || '-' || substr(hex(p.uid), 9, 4) || '-'
        || substr(hex(p.uid), 13, 4) || '-' || substr(hex(p.uid), 17, 4) || '-' || substr(hex(p.uid), 21))
    WHERE m.uid = ?1 AND p.disposition = 3 AND c.verb = 'rerun' AND CASE WHEN json_valid(c.detail)
        THEN unhex(replace(json_extract(c.detail, '$.as'), '-', '')) = m.uid ELSE false END)";

/// Whether the delivery `d` is the last run of its piece.
pub(in crate::sqlite) const LAST_RUN: &str = "NOT EXISTS(SELECT 1 FROM delivery n WHERE n.uid = d.uid
    AND n.route = d.route AND n.part = d.part AND n.run = d.run + 1)";

/// What a person has decided on a message that was set aside before routing, as the state it is in since.
pub(in crate::sqlite) fn decision(conn: &Connection, uid: MessageUid) -> Result<Option<State>, Fault> {
    let mut statement = conn.prepare_cached(&format!("SELECT {DECISION} FROM (SELECT ?1 AS uid) m"))?;
    let verb: Option<Option<String>> = statement.query_row([uid.as_bytes().as_slice()], |row| row.get(0)).optional()?;
    Ok(verb.flatten().map(|verb| if verb == "discard" { State::Discarded } else { State::Rerun }))
}

/// Messages set aside before routing, whatever was decided on them.
pub(in crate::sqlite) const ASIDE: &str = "SELECT count(*) FROM message m WHERE m.disposition = 3";

/// Those of them on which somebody has decided, found by what was decided, which is less: [`DECISION`] from the other side.
const DECIDED: &str = "SELECT count(DISTINCT m.uid) FROM command c
    CROSS JOIN message m ON m.uid = unhex(replace(c.target, '-', ''))
    WHERE length(c.target) = 36 AND m.disposition = 3 AND (c.verb = 'discard' OR c.verb = 'rerun' AND (
        NOT json_valid(c.detail) OR json_extract(c.detail, '$.as') IS NULL
        OR EXISTS(SELECT 1 FROM message n WHERE n.subject IS NOT NULL
            AND n.uid = unhex(replace(json_extract(c.detail, '$.as'), '-', '')))
        OR c.at < (SELECT value FROM meta WHERE key = 'rebuiltBefore')))";

/// What is held, parked or quarantined, by its index alone.
pub(in crate::sqlite) const WAITING: &str =
    "SELECT d.state, d.destination, count(*) FROM delivery d WHERE d.state > 0 AND d.state < 4
    GROUP BY d.state, d.destination";

/// What of it was run again, found by the next run: [`LAST_RUN`] from the other side.
pub(in crate::sqlite) const RUN_AGAIN: &str = "SELECT d.state, d.destination, count(*) FROM delivery n
    CROSS JOIN delivery d ON d.uid = n.uid AND d.route = n.route AND d.part = n.part AND d.run = n.run - 1
    WHERE n.run > 0 AND d.state BETWEEN 1 AND 3 GROUP BY d.state, d.destination";

/// What waits now.
pub(in crate::sqlite) fn waiting(conn: &Connection) -> Result<Waiting, Fault> {
    let reader = Reader::new(conn)?;
    let messages: i64 = conn.prepare_cached(ASIDE)?.query_row([], |row| row.get(0))?;
    let decided: i64 = conn.prepare_cached(DECIDED)?.query_row([], |row| row.get(0))?;
    let mut counts: BTreeMap<Option<NameId>, WaitingAt> = BTreeMap::new();
    for (sql, again) in [(WAITING, false), (RUN_AGAIN, true)] {
        let mut statement = conn.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let at = counts.entry(row.get(1)?).or_default();
            let count = unsigned(row.get(2)?);
            let add = |to: &mut u64| *to = if again { to.saturating_sub(count) } else { *to + count };
            match State::from_code(row.get(0)?) {
                Some(State::Quarantined) => add(&mut at.quarantined),
                Some(State::Held) => {
                    add(&mut at.held);
                    add(&mut at.parked);
                }
                _ => add(&mut at.parked),
            }
        }
    }
    counts.retain(|_, at| *at != WaitingAt::default());
    let mut destinations = Vec::with_capacity(counts.len());
    for (name, at) in counts {
        destinations.push((name.map(|id| reader.texts.name(id)).transpose()?, at));
    }
    destinations.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Waiting { messages: unsigned(messages - decided), destinations })
}
