//! Deliveries as views: of one message, by identity, and by filter.

use barid_model::{DeliveryId, MessageUid, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};

use super::time::{Span, bad_cursor};
use super::{Reader, limit, message, unsigned};
use crate::codes::{findings, outcome_of, parked, parked_word_code};
use crate::filter::SCAN_MAX;
use crate::fold::NameId;
use crate::sqlite::fault::Fault;
use crate::sqlite::{keys, names};
use crate::story::Step;
use crate::view::{OutPlace, Place};
use crate::{Cursor, DeliveryFilter, DeliveryView, Page, Paging, State, key};

const SELECT: &str = "SELECT d.uid, d.route, d.part, d.run, d.state, d.destination, d.out_partition, d.out_position,
    d.park_subject, d.park_position, d.park_why, d.parked_at, d.outcome, d.outcome_subject, d.outcome_position,
    d.outcome_at, d.attempts, d.possible_duplicate, d.answer, d.findings, d.routed_findings, d.actor, d.reason,
    d.chained, m.received, EXISTS(SELECT 1 FROM delivery n WHERE n.uid = d.uid AND n.route = d.route
    AND n.part = d.part AND n.run = d.run + 1) FROM delivery d LEFT JOIN message m ON m.uid = d.uid";

/// Rows of the first window.
const WINDOW_FIRST: usize = 1_000;

/// A delivery of a row of [`SELECT`].
fn read(row: &Row<'_>, reader: &Reader<'_>) -> rusqlite::Result<DeliveryView> {
    let texts = &reader.texts;
    let uid = MessageUid::from_bytes(row.get(0)?);
    let route = texts.text(row.get(1)?)?.to_string();
    let (part, run) = (row.get(2)?, row.get(3)?);
    let ended_at = row.get::<_, Option<i64>>(15)?.map(Timestamp::from_micros);
    let received = row.get::<_, Option<i64>>(24)?.map(Timestamp::from_micros);
    let latency = ended_at.zip(received).map(|(end, start)| end.since(start));
    let partition: Option<u16> = row.get(6)?;
    let outcome_subject = message::text(reader, row.get(13)?)?;
    let outcome_position: Option<i64> = row.get(14)?;
    let mut why = findings(row.get_ref(20)?.as_str_or_null()?);
    let more = findings(row.get_ref(19)?.as_str_or_null()?);
    why.extend(more.into_iter().filter(|finding| !why.contains(finding)).collect::<Vec<_>>());
    Ok(DeliveryView {
        id: DeliveryId::of(uid, &route, part, run),
        uid,
        route,
        part,
        run,
        rerun_as: row.get::<_, bool>(25)?.then_some(run + 1),
        destination: row.get::<_, Option<NameId>>(5)?.map(|id| texts.name(id)).transpose()?,
        chained: row.get::<_, Option<[u8; 16]>>(23)?.map(MessageUid::from_bytes),
        state: State::from_code(row.get(4)?).unwrap_or(State::InFlight),
        outcome: row.get::<_, Option<i64>>(12)?.and_then(outcome_of),
        ended_at,
        latency_micros: latency.and_then(|latency| u64::try_from(latency.as_micros()).ok()),
        attempts: row.get(16)?,
        possible_duplicate: row.get(17)?,
        answer: message::text(reader, row.get(18)?)?.map(|text| text.to_string()),
        findings: why,
        actor: row.get(21)?,
        reason: row.get(22)?,
        parked: row.get::<_, Option<i64>>(10)?.and_then(parked).map(|why| why.word().to_owned()),
        parked_at: row.get::<_, Option<i64>>(11)?.map(Timestamp::from_micros),
        lanes: Vec::new(),
        park: row.get::<_, Option<i64>>(9)?.map(unsigned),
        out: partition
            .zip(row.get::<_, Option<i64>>(7)?)
            .map(|(partition, position)| OutPlace { partition, position: unsigned(position) }),
        outcome_place: outcome_subject
            .zip(outcome_position)
            .map(|(subject, position)| Place { subject: subject.to_string(), position: unsigned(position) }),
    })
}

/// A delivery of a row, with what PARK says of it while it waits there.
fn complete(row: &Row<'_>, reader: &Reader<'_>) -> Result<DeliveryView, Fault> {
    let mut view = read(row, reader)?;
    let subject: Option<NameId> = row.get(8)?;
    let waits = view.state.is_open() && subject.is_some();
    if !waits {
        return Ok(view);
    }
    let detail: Option<String> = reader
        .conn
        .prepare_cached("SELECT detail FROM step WHERE uid = ?1 AND subject = ?2 AND position = ?3")?
        .query_row(params![view.uid.as_bytes().as_slice(), subject, row.get::<_, Option<i64>>(9)?], |row| row.get(0))
        .optional()?;
    if let Some(step) = detail.and_then(|text| serde_json::from_str::<Step>(&text).ok()) {
        view.lanes = step.lanes.unwrap_or_default();
        view.answer = view.answer.or(step.answer);
        let new: Vec<_> = step.findings.into_iter().filter(|finding| !view.findings.contains(finding)).collect();
        view.findings.extend(new);
    }
    Ok(view)
}

/// The deliveries of a message, by route, part and run.
pub(in crate::sqlite) fn of(reader: &Reader<'_>, uid: MessageUid) -> Result<Vec<DeliveryView>, Fault> {
    let mut statement = reader.conn.prepare_cached(&format!("{SELECT} WHERE d.uid = ?1"))?;
    let mut rows = statement.query([uid.as_bytes().as_slice()])?;
    let mut views = Vec::new();
    while let Some(row) = rows.next()? {
        views.push(complete(row, reader)?);
    }
    // By the names of routes: their numbers depend on which was read first.
    views.sort_by(|a, b| (&a.route, a.part, a.run).cmp(&(&b.route, b.part, b.run)));
    Ok(views)
}

/// The delivery with this identity.
pub(in crate::sqlite) fn by_id(conn: &Connection, id: DeliveryId) -> Result<Option<DeliveryView>, Fault> {
    let reader = Reader::new(conn)?;
    let everything = Span::between(None, None);
    // Two of them have the same hash about never; eight are plenty.
    for uid in keys::candidates(conn, key::delivery(id), (&everything.low, &everything.high), true, 8)? {
        if let Some(found) = of(&reader, uid)?.into_iter().find(|delivery| delivery.id == id) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Where a list of deliveries goes on: the order is by all four, backwards.
type Edge = (Vec<u8>, i64, i64, i64);

/// A delivery and its place in the order.
type Item = (Edge, DeliveryView);

/// Deliveries by filter, those of the newest messages first.
pub(in crate::sqlite) fn list(
    conn: &Connection,
    filter: &DeliveryFilter,
    paging: &Paging,
) -> Result<Page<DeliveryView>, Fault> {
    let reader = Reader::new(conn)?;
    let nothing = Page { items: Vec::new(), next: None };
    let Some(question) = Question::new(conn, filter)? else { return Ok(nothing) };
    let start = match &paging.after {
        Some(cursor) => read_edge(cursor)?,
        None => (question.span.high.clone(), 0, 0, 0),
    };
    let limit = limit(paging);
    let mut found: Vec<Item> = Vec::new();
    let mut next: Option<Edge> = None;
    for source in &question.sources {
        let (some, cut) = question.ask(&reader, source, start.clone(), limit)?;
        found.extend(some);
        next = next.max(cut);
    }
    // Where a source was cut, what the others have beyond that belongs to the next page.
    if let Some(cut) = &next {
        found.retain(|(edge, _)| edge >= cut);
    }
    found.sort_unstable_by(|a, b| b.0.cmp(&a.0));
    if found.len() > limit {
        found.truncate(limit);
        next = found.last().map(|(edge, _)| edge.clone());
    }
    let next = next.map(|edge| write_edge(&edge)).transpose()?;
    Ok(Page { items: found.into_iter().map(|(_, view)| view).collect(), next })
}

struct Question {
    span: Span,
    /// Conditions that pick an index, asked one after the other.
    sources: Vec<String>,
    conditions: String,
    values: Vec<Value>,
}

impl Question {
    fn new(conn: &Connection, filter: &DeliveryFilter) -> Result<Option<Self>, Fault> {
        let text = |name: &Option<barid_model::Name>| name.as_ref().map(ToString::to_string);
        let wanted = [
            (text(&filter.destination), "d.destination = ?"),
            (filter.route.clone(), "d.route = ?"),
            (text(&filter.channel), "m.channel = ?"),
            (filter.facility.clone(), "? IN (m.facility, m.speaks_for)"),
        ];
        let mut values: Vec<Value> = Vec::new();
        let mut conditions = String::new();
        for (wanted, condition) in wanted {
            let Some(wanted) = wanted else { continue };
            let Some(id) = names::find(conn, &wanted)? else { return Ok(None) };
            conditions.push_str(" AND ");
            conditions.push_str(condition);
            values.push(id.into());
        }
        if let Some(word) = &filter.parked {
            let code = parked_word_code(word)
                .ok_or_else(|| Fault::invalid(format!("nothing is parked for the reason {word:?}: held, rerun, paused, stalled, follows and quarantined are known")))?;
            conditions.push_str(" AND d.park_why = ?");
            values.push(code.into());
        }
        if filter.latest_run {
            conditions.push_str(
                " AND NOT EXISTS(SELECT 1 FROM delivery n WHERE n.uid = d.uid AND n.route = d.route
                 AND n.part = d.part AND n.run = d.run + 1)",
            );
        }
        let span = filter.uid.map_or_else(|| Span::between(filter.from, filter.to), Span::only);
        Ok(Some(Self { span, sources: sources(&filter.states), conditions, values }))
    }

    /// Up to `limit` and one more of a source, and where it was cut for having looked at enough.
    fn ask(
        &self,
        reader: &Reader<'_>,
        source: &str,
        mut edge: Edge,
        limit: usize,
    ) -> Result<(Vec<Item>, Option<Edge>), Fault> {
        let mut found = Vec::new();
        let mut window = WINDOW_FIRST;
        let mut looked = 0;
        loop {
            let floor = self.floor(reader, source, &edge, window)?;
            self.window(reader, source, &edge, floor.as_ref(), limit + 1 - found.len(), &mut found)?;
            let Some(floor) = floor else { return Ok((found, None)) };
            looked += window;
            if found.len() > limit {
                return Ok((found, None));
            }
            if looked >= SCAN_MAX {
                return Ok((found, Some(floor)));
            }
            edge = floor;
            window = (window * 4).min(SCAN_MAX);
        }
    }

    /// The last row of the next window; nothing where there are no more rows.
    fn floor(&self, reader: &Reader<'_>, source: &str, edge: &Edge, window: usize) -> Result<Option<Edge>, Fault> {
        let sql = format!(
            "SELECT uid, route, part, run FROM delivery d WHERE {source} AND uid >= ?1
             AND (uid, route, part, run) < (?2, ?3, ?4, ?5)
             ORDER BY uid DESC, route DESC, part DESC, run DESC LIMIT 1 OFFSET ?6"
        );
        let mut statement = reader.conn.prepare_cached(&sql)?;
        let row = statement.query_row(params![self.span.low, edge.0, edge.1, edge.2, edge.3, window - 1], read_key);
        Ok(row.optional()?)
    }

    fn window(
        &self,
        reader: &Reader<'_>,
        source: &str,
        edge: &Edge,
        floor: Option<&Edge>,
        limit: usize,
        found: &mut Vec<Item>,
    ) -> Result<(), Fault> {
        let low = floor.cloned().unwrap_or((self.span.low.clone(), 0, 0, 0));
        let sql = format!(
            "{SELECT} WHERE {source} AND (d.uid, d.route, d.part, d.run) >= (?, ?, ?, ?)
             AND (d.uid, d.route, d.part, d.run) < (?, ?, ?, ?) {}
             ORDER BY d.uid DESC, d.route DESC, d.part DESC, d.run DESC LIMIT ?",
            self.conditions
        );
        let mut values: Vec<Value> = Vec::new();
        for (uid, route, part, run) in [&low, edge] {
            values.extend([uid.clone().into(), (*route).into(), (*part).into(), (*run).into()]);
        }
        values.extend(self.values.iter().cloned());
        values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
        let mut statement = reader.conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(&values))?;
        while let Some(row) = rows.next()? {
            found.push((read_key(row)?, complete(row, reader)?));
        }
        Ok(())
    }
}

/// Uncommon states have an index, each its own part of it; anything else is found by looking at all rows.
fn sources(states: &[State]) -> Vec<String> {
    if states.is_empty() {
        return vec!["TRUE".to_owned()];
    }
    let codes: Vec<i64> = states.iter().map(|state| state.code()).collect();
    if codes.iter().all(|code| *code < State::COMMON) {
        return codes.iter().map(|code| format!("d.state = {code} AND d.state < 8")).collect();
    }
    let list: Vec<String> = codes.iter().map(ToString::to_string).collect();
    vec![format!("d.state IN ({})", list.join(", "))]
}

fn read_key(row: &Row<'_>) -> rusqlite::Result<Edge> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
}

fn write_edge((uid, route, part, run): &Edge) -> Result<Cursor, Fault> {
    let uid: [u8; 16] = uid.as_slice().try_into().map_err(|_| Fault::invalid("a delivery's uid has no 16 bytes"))?;
    Ok(Cursor(format!("{}/{route}/{part}/{run}", MessageUid::from_bytes(uid))))
}

fn read_edge(cursor: &Cursor) -> Result<Edge, Fault> {
    let mut parts = cursor.0.split('/');
    let uid = parts.next().and_then(MessageUid::read).ok_or_else(|| bad_cursor(cursor))?;
    let mut number = || parts.next().and_then(|text| text.parse().ok()).ok_or_else(|| bad_cursor(cursor));
    Ok((uid.as_bytes().to_vec(), number()?, number()?, number()?))
}
