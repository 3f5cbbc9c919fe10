//! Counts and latencies out of the rows of a window.

use std::collections::BTreeMap;

use barid_model::{MessageUid, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::time::{Span, of};
use super::{Reader, unsigned};
use crate::State;
use crate::fold::NameId;
use crate::sqlite::fault::Fault;
use crate::statistics::{
    ChannelCounts, DestinationCounts, Durations, FacilityCounts, FacilitySeen, SAMPLE_MAX, Statistics,
};

/// What happened to the messages received in a window.
pub(in crate::sqlite) fn statistics(conn: &Connection, from: Timestamp, to: Timestamp) -> Result<Statistics, Fault> {
    let reader = Reader::new(conn)?;
    let mut span = Span::between(Some(from), Some(to));
    let edge: Option<[u8; 16]> = conn
        .prepare_cached("SELECT uid FROM message WHERE uid >= ?1 AND uid < ?2 ORDER BY uid DESC LIMIT 1 OFFSET ?3")?
        .query_row(params![span.low, span.high, SAMPLE_MAX], |row| row.get(0))
        .optional()?;
    if let Some(edge) = edge {
        span.after(MessageUid::from_bytes(edge), false);
    }
    let refused: i64 = conn
        .prepare_cached("SELECT count(*) FROM refused WHERE at >= ?1 AND at < ?2")?
        .query_row(params![from.micros(), to.micros()], |row| row.get(0))?;
    Ok(Statistics {
        from: edge.map_or(from, |edge| of(MessageUid::from_bytes(edge))),
        to,
        complete: edge.is_none(),
        refused: unsigned(refused),
        channels: channels(&reader, &span)?,
        destinations: destinations(&reader, &span)?,
        facilities: facilities(&reader, &span)?,
    })
}

fn channels(reader: &Reader<'_>, span: &Span) -> Result<Vec<ChannelCounts>, Fault> {
    let mut statement = reader.conn.prepare_cached(
        "SELECT channel, count(*), sum(disposition = 1), sum(disposition = 2), sum(disposition = 3),
         sum(disposition IS NULL) FROM message WHERE subject IS NOT NULL AND uid >= ?1 AND uid < ?2 GROUP BY channel",
    )?;
    let rows = statement.query_map(params![span.low, span.high], |row| {
        let count = |column| row.get::<_, Option<i64>>(column).map(|count| unsigned(count.unwrap_or(0)));
        Ok(ChannelCounts {
            channel: row.get::<_, Option<NameId>>(0)?.map(|id| reader.texts.name(id)).transpose()?,
            accepted: count(1)?,
            routed: count(2)?,
            duplicate: count(3)?,
            quarantined: count(4)?,
            not_yet_routed: count(5)?,
        })
    })?;
    let mut counts = rows.collect::<Result<Vec<_>, _>>()?;
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
    let mut statement = reader.conn.prepare_cached(
        "SELECT d.destination, d.state, d.attempts, d.outcome_at - m.received
         FROM delivery d LEFT JOIN message m ON m.uid = d.uid WHERE d.uid >= ?1 AND d.uid < ?2",
    )?;
    let mut rows = statement.query(params![span.low, span.high])?;
    let mut sums: BTreeMap<Option<NameId>, Sum> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let sum = sums.entry(row.get(0)?).or_default();
        let state = State::from_code(row.get(1)?).unwrap_or(State::InFlight);
        *sum.states.entry(state).or_default() += 1;
        sum.attempts += row.get::<_, u64>(2)?;
        if let (State::Delivered, Some(micros)) = (state, row.get::<_, Option<i64>>(3)?) {
            sum.durations.add(unsigned(micros));
        }
    }
    let mut counts = Vec::with_capacity(sums.len());
    for (destination, sum) in sums {
        let destination = destination.map(|id| reader.texts.name(id)).transpose()?;
        let latency = sum.durations.latency();
        counts.push(DestinationCounts { destination, states: sum.states, attempts: sum.attempts, latency });
    }
    counts.sort_by(|a, b| a.destination.cmp(&b.destination));
    Ok(counts)
}

fn facilities(reader: &Reader<'_>, span: &Span) -> Result<Vec<FacilityCounts>, Fault> {
    let mut statement = reader.conn.prepare_cached(
        "SELECT facility, count(*), max(received) FROM message
         WHERE subject IS NOT NULL AND uid >= ?1 AND uid < ?2 GROUP BY facility",
    )?;
    let rows = statement.query_map(params![span.low, span.high], |row| {
        Ok(FacilityCounts {
            facility: reader.texts.text(row.get(0)?)?.to_string(),
            accepted: unsigned(row.get(1)?),
            last: Timestamp::from_micros(row.get(2)?),
        })
    })?;
    let mut counts = rows.collect::<Result<Vec<_>, _>>()?;
    counts.sort_by(|a, b| a.facility.cmp(&b.facility));
    Ok(counts)
}

/// When each facility last sent a message.
pub(in crate::sqlite) fn last_seen(conn: &Connection) -> Result<Vec<FacilitySeen>, Fault> {
    let mut statement =
        conn.prepare_cached("SELECT text, last FROM facility JOIN name ON name.id = facility.name ORDER BY text")?;
    let rows = statement
        .query_map([], |row| Ok(FacilitySeen { facility: row.get(0)?, last: Timestamp::from_micros(row.get(1)?) }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
