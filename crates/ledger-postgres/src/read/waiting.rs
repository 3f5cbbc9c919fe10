//! The SQL of what is set aside, in one place, and its counts.

use std::collections::{BTreeMap, HashMap};

use barid_ledger::State;
use barid_ledger::store::NameId;
use barid_ledger::waiting::{Waiting, WaitingAt};
use barid_model::MessageUid;

use super::Reader;
use crate::fault::Fault;
use crate::row::Columns as _;
use crate::session::Session;

/// What a person has decided on the message `m` that was set aside before routing: `discard`, `rerun`, or NULL.
///
/// A re-run names the message it makes before that is stored, so it counts when that is there; where the ledger was filled
/// from a log that no longer held everything of that time, it is believed. What the ledger has forgotten itself proves
/// nothing: a message that was made goes after the one that was run again ([`KEEPS_DECIDED`]).
pub(crate) const DECISION: &str = "(SELECT c.verb FROM command c WHERE c.about = m.uid
    AND (c.verb = 'discard' OR c.verb = 'rerun' AND (c.made IS NULL
        OR EXISTS (SELECT 1 FROM message n WHERE n.subject IS NOT NULL AND n.uid = c.made)
        OR c.at < (SELECT rebuilt_before FROM ledger)))
    ORDER BY c.id LIMIT 1)";

/// Whether the message `m` is what a message that is still known was run again as: it stays as long as that, which would
/// wait for a person again without it.
pub(crate) const KEEPS_DECIDED: &str = "EXISTS (SELECT 1 FROM command c JOIN message p ON p.uid = c.about
    WHERE c.about = m.parents AND c.made = m.uid AND c.verb = 'rerun' AND p.disposition = 3)";

/// Whether the delivery `d` is the last run of its piece.
pub(crate) const LAST_RUN: &str = "NOT EXISTS (SELECT 1 FROM delivery n WHERE n.uid = d.uid
    AND n.route = d.route AND n.part = d.part AND n.run = d.run + 1)";

/// What a person has decided on messages that were set aside before routing, as the state each is in since.
pub(crate) fn decisions(session: &Session, uids: &[MessageUid]) -> Result<HashMap<MessageUid, State>, Fault> {
    let mut found = HashMap::new();
    if uids.is_empty() {
        return Ok(found);
    }
    let bytes: Vec<&[u8]> = uids.iter().map(|uid| uid.as_bytes().as_slice()).collect();
    let sql = format!("SELECT m.uid, {DECISION} FROM unnest($1::bytea[]) AS m (uid)");
    for row in session.query(&sql, &[&bytes])? {
        if let Some(verb) = row.at::<Option<&str>>(1)? {
            let state = if verb == "discard" { State::Discarded } else { State::Rerun };
            found.insert(row.uid(0)?, state);
        }
    }
    Ok(found)
}

/// What waits now.
pub(crate) fn waiting(session: &Session) -> Result<Waiting, Fault> {
    let reader = Reader::new(session)?;
    let sql = format!("SELECT count(*) FROM message m WHERE m.disposition = 3 AND {DECISION} IS NULL");
    let messages = session.first(&sql, &[])?.map_or(Ok(0), |row| row.unsigned(0))?;
    let mut counts: BTreeMap<Option<NameId>, WaitingAt> = BTreeMap::new();
    for state in [State::Held, State::Parked, State::Quarantined] {
        let sql = format!(
            "SELECT d.destination, count(*) FROM delivery d WHERE d.state = {} AND d.state < 8 AND {LAST_RUN}
             GROUP BY d.destination",
            state.code()
        );
        for row in session.query(&sql, &[])? {
            let at = counts.entry(row.at(0)?).or_default();
            let count = row.unsigned(1)?;
            match state {
                State::Quarantined => at.quarantined += count,
                State::Held => (at.held, at.parked) = (at.held + count, at.parked + count),
                _ => at.parked += count,
            }
        }
    }
    let mut destinations = Vec::with_capacity(counts.len());
    for (name, at) in counts {
        destinations.push((reader.name(name)?, at));
    }
    destinations.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Waiting { messages, destinations })
}
