//! The balance out of the rows, and what breaks it.

use std::collections::BTreeMap;

use barid_ledger::balance::{BalanceRange, Breach, Coverage, Deliveries, Line, VIOLATIONS_MAX, Violation};
use barid_ledger::store::{NameId, Span, delivery_word, floor};
use barid_ledger::{Balance, State};
use barid_model::{Name, Timestamp};

use super::Reader;
use super::waiting::{DECISION, LAST_RUN};
use crate::fault::Fault;
use crate::row::{Columns as _, narrow};
use crate::session::{AUDIT, Session};

/// The balance of a range.
pub(crate) fn balance(session: &Session, range: &BalanceRange) -> Result<Balance, Fault> {
    session.through(AUDIT)?;
    let reader = Reader::new(session)?;
    let span = Span::between(range.from, range.to);
    let mut lines: BTreeMap<Option<NameId>, Line> = BTreeMap::new();
    messages(session, &span, &mut lines)?;
    deliveries(session, &span, &mut lines)?;
    let mut total = Line::default();
    let mut channels: Vec<(Option<Name>, Line)> = Vec::with_capacity(lines.len());
    for (channel, line) in lines {
        total.add(&line);
        channels.push((reader.name(channel)?, line));
    }
    channels.sort_by(|a, b| a.0.cmp(&b.0));
    let incomplete = incomplete_before(session)?;
    let mut violations = Vec::new();
    let mut violations_found = 0;
    for breach in Breach::ALL {
        violations_found += find(&reader, breach, &span, incomplete, VIOLATIONS_MAX, &mut violations)?;
    }
    let range = *range;
    Ok(Balance { range, incomplete_before: incomplete, total, channels, violations, violations_found })
}

fn incomplete_before(session: &Session) -> Result<Option<Timestamp>, Fault> {
    let row = session.first("SELECT incomplete_before FROM ledger", &[])?;
    Ok(row.map_or(Ok(None), |row| row.at::<Option<i64>>(0))?.map(Timestamp::from_micros))
}

fn messages(session: &Session, span: &Span, lines: &mut BTreeMap<Option<NameId>, Line>) -> Result<(), Fault> {
    let sql = format!(
        "SELECT channel, disposition, count(*),
         count(*) FILTER (WHERE CASE disposition WHEN 3 THEN {DECISION} IS NOT NULL ELSE false END)
         FROM message m WHERE subject IS NOT NULL AND uid >= $1 AND uid < $2 GROUP BY channel, disposition",
    );
    for row in session.query(&sql, &[&span.low, &span.high])? {
        let line = lines.entry(row.at(0)?).or_default();
        let count = row.unsigned(2)?;
        line.accepted += count;
        line.decided += row.unsigned(3)?;
        match row.at::<Option<i64>>(1)? {
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

fn deliveries(session: &Session, span: &Span, lines: &mut BTreeMap<Option<NameId>, Line>) -> Result<(), Fault> {
    let sql = format!(
        "SELECT m.channel, d.state, count(*), count(*) FILTER (WHERE d.possible_duplicate),
         count(*) FILTER (WHERE CASE d.state WHEN 3 THEN NOT {LAST_RUN} ELSE false END)
         FROM delivery d LEFT JOIN message m ON m.uid = d.uid AND m.uid >= $1 AND m.uid < $2
         WHERE d.uid >= $1 AND d.uid < $2 GROUP BY m.channel, d.state",
    );
    for row in session.query(&sql, &[&span.low, &span.high])? {
        let line = &mut lines.entry(row.at(0)?).or_default().deliveries;
        let count = row.unsigned(2)?;
        line.total += count;
        line.possible_duplicates += row.unsigned(3)?;
        line.run_again += row.unsigned(4)?;
        if let Some(state) = State::from_code(row.at(1)?) {
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

/// For each breach: uid, the other message, route, part, run. `$1` and `$2` bound the uids, `$3` is the lowest uid
/// from which on everything should be known.
const fn query(breach: Breach) -> &'static str {
    match breach {
        Breach::NeverAccepted => {
            "SELECT uid, NULL::bytea, NULL::bigint, NULL::bigint, NULL::bigint FROM message
             WHERE subject IS NULL AND uid >= $1 AND uid < $2 AND uid >= $3
             UNION SELECT uid, NULL::bytea, NULL::bigint, NULL::bigint, NULL::bigint FROM delivery d WHERE uid >= $1 AND uid < $2 AND uid >= $3
             AND NOT EXISTS (SELECT 1 FROM message m WHERE m.uid = d.uid)"
        }
        Breach::AcceptedTwice => {
            "SELECT DISTINCT uid, NULL::bytea, NULL::bigint, NULL::bigint, NULL::bigint FROM step
             WHERE kind = 1 AND uid >= $1 AND uid < $2 AND uid >= $3"
        }
        Breach::NeverRouted => {
            "SELECT uid, NULL::bytea, route, part, run FROM delivery
             WHERE run = 0 AND (known & 1) = 0 AND uid >= $1 AND uid < $2 AND uid >= $3"
        }
        Breach::RoutedAnyway => {
            "SELECT d.uid, NULL::bytea, d.route, d.part, d.run FROM delivery d JOIN message m ON m.uid = d.uid
             WHERE m.disposition IN (2, 3) AND d.uid >= $1 AND d.uid < $2 AND d.uid >= $3"
        }
        Breach::RerunOfNothing => {
            "SELECT uid, NULL::bytea, route, part, run FROM delivery d
             WHERE run > 0 AND uid >= $1 AND uid < $2 AND uid >= $3 AND NOT EXISTS (SELECT 1 FROM delivery b
             WHERE b.uid = d.uid AND b.route = d.route AND b.part = d.part AND b.run = d.run - 1)"
        }
        Breach::ChainBroken => {
            "SELECT uid, chained, route, part, run FROM delivery d
             WHERE chained IS NOT NULL AND uid >= $1 AND uid < $2 AND chained >= $3
             AND NOT EXISTS (SELECT 1 FROM message m WHERE m.uid = d.chained AND m.subject IS NOT NULL)"
        }
        Breach::DuplicateOfNothing => {
            "SELECT uid, duplicate_of, NULL::bigint, NULL::bigint, NULL::bigint FROM message m
             WHERE duplicate_of IS NOT NULL AND uid >= $1 AND uid < $2 AND duplicate_of >= $3
             AND NOT EXISTS (SELECT 1 FROM message o WHERE o.uid = m.duplicate_of AND o.subject IS NOT NULL)"
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
    // No more than are listed come over the way; the rest is counted.
    let sql = format!("SELECT *, count(*) OVER () FROM ({}) v LIMIT {}", query(breach), VIOLATIONS_MAX);
    let mut count = 0;
    for row in reader.session.query(&sql, &[&span.low, &span.high, &complete_from])? {
        count = row.unsigned(5)?;
        if violations.len() >= most {
            continue;
        }
        let delivery = match row.at::<Option<NameId>>(2)? {
            Some(route) => Some(delivery_word(&reader.text(route)?, narrow(row.at(3)?), narrow(row.at(4)?))),
            None => None,
        };
        violations.push(Violation { uid: row.uid(0)?, breach, other: row.some_uid(1)?, delivery });
    }
    Ok(count)
}

/// Which of these violations still hold.
pub(crate) fn confirm(session: &Session, violations: &[Violation]) -> Result<Vec<Violation>, Fault> {
    let reader = Reader::new(session)?;
    let incomplete = incomplete_before(session)?;
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
pub(crate) fn coverage(session: &Session) -> Result<Vec<Coverage>, Fault> {
    session.through(AUDIT)?;
    let rows = session.query(
        "SELECT n.text, c.messages, c.first, c.last, coalesce(p.position, 0) FROM
         (SELECT subject, count(*) AS messages, min(position) AS first, max(position) AS last FROM message
          WHERE subject IS NOT NULL GROUP BY subject) c
         JOIN name n ON n.id = c.subject LEFT JOIN position p ON p.subject = c.subject ORDER BY n.text",
        &[],
    )?;
    let coverage = |row: &tokio_postgres::Row| {
        Ok(Coverage {
            subject: row.at(0)?,
            messages: row.unsigned(1)?,
            first: row.unsigned(2)?,
            last: row.unsigned(3)?,
            applied: row.unsigned(4)?,
        })
    };
    rows.iter().map(coverage).collect()
}
