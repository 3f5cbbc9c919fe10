//! The balance out of the rows, and what breaks it.

use std::collections::BTreeMap;

use barid_model::{MessageUid, Name, Timestamp};
use rusqlite::{Connection, params};

use super::time::{Span, floor};
use super::waiting::{DECISION, LAST_RUN};
use super::{Reader, unsigned};
use crate::balance::{BalanceRange, Breach, Coverage, Deliveries, Line, VIOLATIONS_MAX, Violation};
use crate::fold::NameId;
use crate::sqlite::fault::Fault;
use crate::sqlite::schema;
use crate::story::delivery_word;
use crate::{Balance, State};

/// The balance of a range.
pub(in crate::sqlite) fn balance(conn: &Connection, range: &BalanceRange) -> Result<Balance, Fault> {
    let reader = Reader::new(conn)?;
    let span = Span::between(range.from, range.to);
    let mut lines: BTreeMap<Option<NameId>, Line> = BTreeMap::new();
    messages(conn, &span, &mut lines)?;
    deliveries(conn, &span, &mut lines)?;
    let mut total = Line::default();
    let mut channels: Vec<(Option<Name>, Line)> = Vec::with_capacity(lines.len());
    for (channel, line) in lines {
        total.add(&line);
        channels.push((channel.map(|id| reader.texts.name(id)).transpose()?, line));
    }
    channels.sort_by(|a, b| a.0.cmp(&b.0));
    let incomplete = incomplete_before(conn)?;
    let mut violations = Vec::new();
    let mut violations_found = 0;
    for breach in Breach::ALL {
        violations_found += find(&reader, breach, &span, incomplete, VIOLATIONS_MAX, &mut violations)?;
    }
    let range = *range;
    Ok(Balance { range, incomplete_before: incomplete, total, channels, violations, violations_found })
}

fn incomplete_before(conn: &Connection) -> Result<Option<Timestamp>, Fault> {
    Ok(schema::meta::<i64>(conn, schema::INCOMPLETE_BEFORE)?.map(Timestamp::from_micros))
}

fn messages(conn: &Connection, span: &Span, lines: &mut BTreeMap<Option<NameId>, Line>) -> Result<(), Fault> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT channel, disposition, count(*), sum(CASE disposition WHEN 3 THEN {DECISION} IS NOT NULL ELSE 0 END)
         FROM message m WHERE subject IS NOT NULL AND uid >= ?1 AND uid < ?2 GROUP BY channel, disposition",
    ))?;
    let mut rows = statement.query(params![span.low, span.high])?;
    while let Some(row) = rows.next()? {
        let line = lines.entry(row.get(0)?).or_default();
        let count = unsigned(row.get(2)?);
        line.accepted += count;
        line.decided += unsigned(row.get(3)?);
        match row.get::<_, Option<i64>>(1)? {
            None => line.not_yet_routed += count,
            Some(1) => line.routed += count,
            Some(2) => line.duplicate += count,
            Some(3) => line.quarantined += count,
            // Counted as accepted only: the line will not hold.
            Some(_) => {}
        }
    }
    Ok(())
}

fn deliveries(conn: &Connection, span: &Span, lines: &mut BTreeMap<Option<NameId>, Line>) -> Result<(), Fault> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT m.channel, d.state, count(*), sum(d.possible_duplicate), sum(d.state = 3 AND NOT {LAST_RUN})
         FROM delivery d LEFT JOIN message m ON m.uid = d.uid WHERE d.uid >= ?1 AND d.uid < ?2
         GROUP BY m.channel, d.state",
    ))?;
    let mut rows = statement.query(params![span.low, span.high])?;
    while let Some(row) = rows.next()? {
        let line = &mut lines.entry(row.get(0)?).or_default().deliveries;
        let count = unsigned(row.get(2)?);
        line.total += count;
        line.possible_duplicates += unsigned(row.get(3)?);
        line.run_again += unsigned(row.get(4)?);
        if let Some(state) = State::from_code(row.get(1)?) {
            add(line, state, count);
        }
    }
    Ok(())
}

const fn add(line: &mut Deliveries, state: State, count: u64) {
    match state {
        State::InFlight => line.in_flight += count,
        State::Held => {
            line.in_flight += count;
            line.held += count;
        }
        State::Parked => {
            line.in_flight += count;
            line.parked += count;
        }
        State::Quarantined => line.quarantined += count,
        State::Rejected => line.rejected += count,
        State::Expired => line.expired += count,
        State::Discarded => line.discarded += count,
        State::Merged => line.merged += count,
        State::Delivered => line.delivered += count,
        State::Filtered => line.filtered += count,
        // No state of a delivery: the line will not hold.
        State::NotYetRouted | State::Duplicate | State::Rerun => {}
    }
}

/// For each breach: uid, the other message, route, part, run. `?1` and `?2` bound the uids, `?3` is the lowest uid
/// from which on everything should be known.
const fn query(breach: Breach) -> &'static str {
    match breach {
        Breach::NeverAccepted => {
            "SELECT uid, NULL, NULL, NULL, NULL FROM message
             WHERE subject IS NULL AND uid >= ?1 AND uid < ?2 AND uid >= ?3
             UNION SELECT uid, NULL, NULL, NULL, NULL FROM delivery d WHERE uid >= ?1 AND uid < ?2 AND uid >= ?3
             AND NOT EXISTS(SELECT 1 FROM message m WHERE m.uid = d.uid)"
        }
        Breach::AcceptedTwice => {
            "SELECT DISTINCT uid, NULL, NULL, NULL, NULL FROM step
             WHERE kind = 1 AND uid >= ?1 AND uid < ?2 AND uid >= ?3"
        }
        Breach::NeverRouted => {
            "SELECT uid, NULL, route, part, run FROM delivery
             WHERE run = 0 AND known & 1 = 0 AND uid >= ?1 AND uid < ?2 AND uid >= ?3"
        }
        Breach::RoutedAnyway => {
            "SELECT d.uid, NULL, d.route, d.part, d.run FROM delivery d JOIN message m ON m.uid = d.uid
             WHERE m.disposition IN (2, 3) AND d.uid >= ?1 AND d.uid < ?2 AND d.uid >= ?3"
        }
        Breach::RerunOfNothing => {
            "SELECT uid, NULL, route, part, run FROM delivery d
             WHERE run > 0 AND uid >= ?1 AND uid < ?2 AND uid >= ?3 AND NOT EXISTS(SELECT 1 FROM delivery b
             WHERE b.uid = d.uid AND b.route = d.route AND b.part = d.part AND b.run = d.run - 1)"
        }
        Breach::ChainBroken => {
            "SELECT uid, chained, route, part, run FROM delivery d
             WHERE chained IS NOT NULL AND uid >= ?1 AND uid < ?2 AND chained >= ?3
             AND NOT EXISTS(SELECT 1 FROM message m WHERE m.uid = d.chained AND m.subject IS NOT NULL)"
        }
        Breach::DuplicateOfNothing => {
            "SELECT uid, duplicate_of, NULL, NULL, NULL FROM message m
             WHERE duplicate_of IS NOT NULL AND uid >= ?1 AND uid < ?2 AND duplicate_of >= ?3
             AND NOT EXISTS(SELECT 1 FROM message o WHERE o.uid = m.duplicate_of AND o.subject IS NOT NULL)"
        }
    }
}

/// Lists the violations of one kind up to `most` of all kinds, and tells how many there are.
fn find(
    reader: &Reader<'_>,
    breach: Breach,
    span: &Span,
    incomplete_before: Option<Timestamp>,
    most: usize,
    violations: &mut Vec<Violation>,
) -> Result<u64, Fault> {
    let complete_from = incomplete_before.map_or_else(Vec::new, |time| floor(time).to_vec());
    let mut statement = reader.conn.prepare_cached(query(breach))?;
    let mut rows = statement.query(params![span.low, span.high, complete_from])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        count += 1;
        if violations.len() >= most {
            continue;
        }
        let delivery = match row.get::<_, Option<NameId>>(2)? {
            Some(route) => Some(delivery_word(&reader.texts.text(route)?, row.get(3)?, row.get(4)?)),
            None => None,
        };
        violations.push(Violation {
            uid: MessageUid::from_bytes(row.get(0)?),
            breach,
            other: row.get::<_, Option<[u8; 16]>>(1)?.map(MessageUid::from_bytes),
            delivery,
        });
    }
    Ok(count)
}

/// Which of these violations still hold.
pub(in crate::sqlite) fn confirm(conn: &Connection, violations: &[Violation]) -> Result<Vec<Violation>, Fault> {
    let reader = Reader::new(conn)?;
    let incomplete = incomplete_before(conn)?;
    let mut confirmed = Vec::new();
    for violation in violations {
        let mut now = Vec::new();
        find(&reader, violation.breach, &Span::only(violation.uid), incomplete, VIOLATIONS_MAX, &mut now)?;
        if now.contains(violation) {
            confirmed.push(violation.clone());
        }
    }
    Ok(confirmed)
}

/// What the ledger has of each IN subject.
pub(in crate::sqlite) fn coverage(conn: &Connection) -> Result<Vec<Coverage>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT text, count(*), min(m.position), max(m.position), coalesce(max(p.position), 0) FROM message m
         JOIN name ON name.id = m.subject LEFT JOIN position p ON p.subject = m.subject GROUP BY m.subject ORDER BY text",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Coverage {
            subject: row.get(0)?,
            messages: unsigned(row.get(1)?),
            first: unsigned(row.get(2)?),
            last: unsigned(row.get(3)?),
            applied: unsigned(row.get(4)?),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
