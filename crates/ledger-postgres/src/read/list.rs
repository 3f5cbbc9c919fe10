//! Deliveries by filter, those of the newest messages first.

use barid_ledger::filter::SCAN_MAX;
use barid_ledger::store::{Span, parked_word_code};
use barid_ledger::{Cursor, DeliveryFilter, DeliveryView, Page, Paging, State};
use barid_model::MessageUid;
use tokio_postgres::Row;

use super::waiting::LAST_RUN;
use super::{Conditions, Reader, bad_cursor, count, deliveries, limit};
use crate::fault::Fault;
use crate::names;
use crate::row::Columns as _;
use crate::session::Session;

/// Rows of the first window.
const WINDOW_FIRST: usize = 1_000;

/// Where a list of deliveries goes on: the order is by all four, backwards.
type Edge = (Vec<u8>, i64, i64, i64);

/// A delivery's row and its place in the order.
type Item = (Edge, Row);

/// Deliveries by filter.
pub(crate) fn list(session: &Session, filter: &DeliveryFilter, paging: &Paging) -> Result<Page<DeliveryView>, Fault> {
    let reader = Reader::new(session)?;
    let nothing = Page { items: Vec::new(), next: None };
    let Some(question) = Question::new(session, filter)? else { return Ok(nothing) };
    let start = match &paging.after {
        Some(cursor) => read_edge(cursor)?,
        None => (question.span.high.clone(), 0, 0, 0),
    };
    let limit = limit(paging);
    let mut found: Vec<Item> = Vec::new();
    let mut next: Option<Edge> = None;
    for source in &question.sources {
        let (some, cut) = question.ask(session, source, start.clone(), limit)?;
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
    let rows: Vec<Row> = found.into_iter().map(|(_, row)| row).collect();
    let next = next.map(|edge| write_edge(&edge)).transpose()?;
    Ok(Page { items: deliveries::views(&reader, &rows)?, next })
}

struct Question {
    span: Span,
    /// Conditions that pick an index, asked one after the other.
    sources: Vec<String>,
    conditions: Conditions,
}

impl Question {
    fn new(session: &Session, filter: &DeliveryFilter) -> Result<Option<Self>, Fault> {
        let text = |name: &Option<barid_model::Name>| name.as_ref().map(ToString::to_string);
        let of_message = "EXISTS (SELECT 1 FROM message m WHERE m.uid = d.uid AND";
        let wanted = [
            (text(&filter.destination), "d.destination = ?".to_owned()),
            (filter.route.clone(), "d.route = ?".to_owned()),
            (text(&filter.channel), format!("{of_message} m.channel = ?)")),
            (filter.facility.clone(), format!("{of_message} ? IN (m.facility, m.speaks_for))")),
        ];
        let mut conditions = Conditions::default();
        for (wanted, condition) in wanted {
            let Some(wanted) = wanted else { continue };
            let Some(id) = names::find(session, &wanted)? else { return Ok(None) };
            conditions.with(&condition, &id);
        }
        if let Some(word) = &filter.parked {
            let code = parked_word_code(word).ok_or_else(|| {
                Fault::invalid(format!(
                    "nothing is parked for the reason {word:?}: held, rerun, paused, stalled, follows and quarantined are known"
                ))
            })?;
            conditions.with("d.park_why = ?", &code);
        }
        if filter.latest_run {
            conditions.and(LAST_RUN);
        }
        let span = filter.uid.map_or_else(|| Span::between(filter.from, filter.to), Span::only);
        Ok(Some(Self { span, sources: sources(&filter.states), conditions }))
    }

    /// Up to `limit` and one more of a source, and where it was cut for having looked at enough.
    fn ask(
        &self,
        session: &Session,
        source: &str,
        mut edge: Edge,
        limit: usize,
    ) -> Result<(Vec<Item>, Option<Edge>), Fault> {
        let mut found = Vec::new();
        let mut window = WINDOW_FIRST;
        let mut looked = 0;
        loop {
            let floor = self.floor(session, source, &edge, window)?;
            self.window(session, source, &edge, floor.as_ref(), limit + 1 - found.len(), &mut found)?;
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
    fn floor(&self, session: &Session, source: &str, edge: &Edge, window: usize) -> Result<Option<Edge>, Fault> {
        let sql = format!(
            "SELECT d.uid, d.route, d.part, d.run FROM delivery d WHERE {source} AND d.uid >= $1 AND d.uid <= $2
             AND (d.uid, d.route, d.part, d.run) < ($2, $3, $4, $5)
             ORDER BY d.uid DESC, d.route DESC, d.part DESC, d.run DESC LIMIT 1 OFFSET $6"
        );
        let values: [crate::session::Value<'_>; 6] =
            [&self.span.low, &edge.0, &edge.1, &edge.2, &edge.3, &count(window - 1)];
        session.first(&sql, &values)?.map(|row| read_key(&row)).transpose()
    }

    fn window(
        &self,
        session: &Session,
        source: &str,
        edge: &Edge,
        floor: Option<&Edge>,
        limit: usize,
        found: &mut Vec<Item>,
    ) -> Result<(), Fault> {
        let low = floor.cloned().unwrap_or((self.span.low.clone(), 0, 0, 0));
        let sql = format!(
            "{} WHERE {source} AND d.uid >= $1 AND d.uid <= $5 AND (d.uid, d.route, d.part, d.run) >= ($1, $2, $3, $4)
             AND (d.uid, d.route, d.part, d.run) < ($5, $6, $7, $8) {}
             ORDER BY d.uid DESC, d.route DESC, d.part DESC, d.run DESC LIMIT $9",
            deliveries::select(),
            self.conditions.sql(9)
        );
        let most = count(limit);
        let bounds: [crate::session::Value<'_>; 9] =
            [&low.0, &low.1, &low.2, &low.3, &edge.0, &edge.1, &edge.2, &edge.3, &most];
        for row in session.query(&sql, &self.conditions.values(&bounds))? {
            found.push((read_key(&row)?, row));
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

fn read_key(row: &Row) -> Result<Edge, Fault> {
    Ok((row.at(0)?, row.at(1)?, row.at(2)?, row.at(3)?))
}

fn write_edge((uid, route, part, run): &Edge) -> Result<Cursor, Fault> {
    let uid: [u8; 16] = uid.as_slice().try_into().map_err(|_| Fault::Row("a delivery's uid has no 16 bytes"))?;
    Ok(Cursor(format!("{}/{route}/{part}/{run}", MessageUid::from_bytes(uid))))
}

fn read_edge(cursor: &Cursor) -> Result<Edge, Fault> {
    let mut parts = cursor.0.split('/');
    let uid = parts.next().and_then(MessageUid::read).ok_or_else(|| bad_cursor(cursor))?;
    let mut number = || parts.next().and_then(|text| text.parse().ok()).ok_or_else(|| bad_cursor(cursor));
    Ok((uid.as_bytes().to_vec(), number()?, number()?, number()?))
}
