//! Counts and latencies out of the rows of a window.

use std::collections::BTreeMap;

use barid_ledger::State;
use barid_ledger::statistics::{
    ChannelCounts, DestinationCounts, FacilityCounts, FacilitySeen, SAMPLE_MAX, Statistics,
};
use barid_ledger::store::{Durations, NameId, Span, of};
use barid_model::Timestamp;

use super::{Reader, count};
use crate::fault::Fault;
use crate::row::{Columns as _, unsigned};
use crate::session::{QUESTION, Session};

/// What happened to the messages received in a window.
pub(crate) fn statistics(session: &Session, from: Timestamp, to: Timestamp) -> Result<Statistics, Fault> {
    session.through(QUESTION)?;
    let reader = Reader::new(session)?;
    let mut span = Span::between(Some(from), Some(to));
    let edge = session.first(
        "SELECT uid FROM message WHERE uid >= $1 AND uid < $2 ORDER BY uid DESC LIMIT 1 OFFSET $3",
        &[&span.low, &span.high, &count(SAMPLE_MAX)],
    )?;
    let edge = edge.map(|row| row.uid(0)).transpose()?;
    if let Some(edge) = edge {
        span.after(edge, false);
    }
    let sql = "SELECT count(*) FROM refused WHERE at >= $1 AND at < $2";
    let refused = session.first(sql, &[&from.micros(), &to.micros()])?.map_or(Ok(0), |row| row.unsigned(0))?;
    Ok(Statistics {
        from: edge.map_or(from, of),
        to,
        complete: edge.is_none(),
        refused,
        channels: channels(&reader, &span)?,
        destinations: destinations(&reader, &span)?,
        facilities: facilities(&reader, &span)?,
    })
}

fn channels(reader: &Reader<'_>, span: &Span) -> Result<Vec<ChannelCounts>, Fault> {
    let rows = reader.session.query(
        "SELECT channel, count(*), count(*) FILTER (WHERE disposition = 1), count(*) FILTER (WHERE disposition = 2),
         count(*) FILTER (WHERE disposition = 3), count(*) FILTER (WHERE disposition IS NULL)
         FROM message WHERE subject IS NOT NULL AND uid >= $1 AND uid < $2 GROUP BY channel",
        &[&span.low, &span.high],
    )?;
    let mut counts = Vec::with_capacity(rows.len());
    for row in rows {
        counts.push(ChannelCounts {
            channel: reader.name(row.at(0)?)?,
            accepted: row.unsigned(1)?,
            routed: row.unsigned(2)?,
            duplicate: row.unsigned(3)?,
            quarantined: row.unsigned(4)?,
            not_yet_routed: row.unsigned(5)?,
        });
    }
    counts.sort_by(|a, b| a.channel.cmp(&b.channel));
    Ok(counts)
}

#[derive(Default)]
struct Sum {
    states: BTreeMap<State, u64>,
    attempts: u64,
    durations: Durations,
}

fn destinations(reader: &Reader<'_>, span: &Span) -> Result<Vec<DestinationCounts>, Fault> {
    // As many rows as deliveries: read in portions by the database's own grouping of equal ones.
    let rows = reader.session.query(
        "SELECT d.destination, d.state, d.outcome_at - m.received, count(*), sum(d.attempts)::bigint
         FROM delivery d LEFT JOIN message m ON m.uid = d.uid AND m.uid >= $1 AND m.uid < $2
         WHERE d.uid >= $1 AND d.uid < $2 GROUP BY 1, 2, 3",
        &[&span.low, &span.high],
    )?;
    let mut sums: BTreeMap<Option<NameId>, Sum> = BTreeMap::new();
    for row in rows {
        let sum = sums.entry(row.at(0)?).or_default();
        let state = State::from_code(row.at(1)?).unwrap_or(State::InFlight);
        let times = row.unsigned(3)?;
        *sum.states.entry(state).or_default() += times;
        sum.attempts += row.unsigned(4)?;
        if let (State::Delivered, Some(micros)) = (state, row.at::<Option<i64>>(2)?) {
            (0..times).for_each(|_| sum.durations.add(unsigned(micros)));
        }
    }
    let mut counts = Vec::with_capacity(sums.len());
    for (destination, sum) in sums {
        let (destination, latency) = (reader.name(destination)?, sum.durations.latency());
        counts.push(DestinationCounts { destination, states: sum.states, attempts: sum.attempts, latency });
    }
    counts.sort_by(|a, b| a.destination.cmp(&b.destination));
    Ok(counts)
}

fn facilities(reader: &Reader<'_>, span: &Span) -> Result<Vec<FacilityCounts>, Fault> {
    let rows = reader.session.query(
        "SELECT facility, count(*), max(received) FROM message
         WHERE subject IS NOT NULL AND uid >= $1 AND uid < $2 GROUP BY facility",
        &[&span.low, &span.high],
    )?;
    let mut counts = Vec::with_capacity(rows.len());
    for row in rows {
        counts.push(FacilityCounts {
            facility: reader.text(row.at(0)?)?,
            accepted: row.unsigned(1)?,
            last: Timestamp::from_micros(row.at(2)?),
        });
    }
    counts.sort_by(|a, b| a.facility.cmp(&b.facility));
    Ok(counts)
}

/// When each facility last sent a message.
pub(crate) fn last_seen(session: &Session) -> Result<Vec<FacilitySeen>, Fault> {
    let sql = "SELECT text, last FROM facility JOIN name ON name.id = facility.name ORDER BY text";
    let rows = session.query(sql, &[])?;
    rows.iter().map(|row| Ok(FacilitySeen { facility: row.at(0)?, last: Timestamp::from_micros(row.at(1)?) })).collect()
}
