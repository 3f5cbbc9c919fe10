//! Messages by what people know of them.
//!
//! A question is answered from the narrowest source there is: a value's keys, the index of what needs attention, or
//! else the rows themselves in the order of time, in windows that grow, up to [`SCAN_MAX`] rows. Whatever the source,
//! each row is compared with the whole question.

use barid_model::{MessageUid, Name};
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use super::message::{self, COLUMNS, Found};
use super::time::{Span, read_uid};
use super::waiting::{DECISION, LAST_RUN};
use super::{Reader, limit};
use crate::filter::SCAN_MAX;
use crate::sqlite::fault::Fault;
use crate::sqlite::{keys, names};
use crate::{Cursor, MessageFilter, MessageView, Page, Paging, State, choose, key};

/// Rows of the first window; most questions are answered out of it.
const WINDOW_FIRST: usize = 1_000;
/// Candidates fetched at a time.
const CANDIDATES: usize = 500;
/// Most candidates compared for one page: each is a look-up of its own.
const CANDIDATES_MAX: usize = 20_000;

/// Where the uids come from.
enum Source {
    Rows,
    Key(i64),
    /// A query for uids in a span, in order.
    Query {
        descending: &'static str,
        ascending: &'static str,
        state: i64,
    },
}

/// A question, ready to be asked in windows.
pub(super) struct Question {
    source: Source,
    conditions: String,
    values: Vec<Value>,
    /// What deliveries have to be whose message is not known; none where the question is about messages.
    unknown: Option<(State, Option<Name>)>,
}

impl Question {
    /// The question of a filter; nothing where it names something that no message has.
    pub(super) fn new(conn: &Connection, filter: &MessageFilter) -> Result<Option<Self>, Fault> {
        let unknown = choose::of_deliveries(filter);
        let mut question = Self { source: Source::Rows, conditions: String::new(), values: Vec::new(), unknown };
        let known = question.names(conn, filter)? && question.kind(conn, filter.message_type.as_deref())?;
        if !known {
            return Ok(None);
        }
        if let Some(state) = filter.state {
            question.state(state);
        }
        if let Some(code) = filter.finding {
            question.finding(code);
        }
        if filter.possible_duplicate {
            question.and("EXISTS(SELECT 1 FROM delivery d WHERE d.uid = m.uid AND d.possible_duplicate)", []);
        }
        for wanted in &filter.keys {
            let pair = serde_json::to_string(&(&wanted.name, &wanted.value))
                .map_err(|error| Fault::invalid(format!("the search key has no text: {error}")))?;
            question.and("instr(m.keys, ?) > 0", [pair.into()]);
            question.source = Source::Key(key::search(&wanted.name, &wanted.value));
        }
        if let Some(id) = &filter.control_id {
            question.and("m.control_id = ?", [id.clone().into_bytes().into()]);
            question.source = Source::Key(key::control_id(id.as_bytes()));
        }
        Ok(Some(question))
    }

    /// Only messages themselves are an answer.
    pub(super) fn known_only(&mut self) {
        self.unknown = None;
    }

    /// One more condition.
    pub(super) fn and<const N: usize>(&mut self, condition: &str, values: [Value; N]) {
        self.conditions.push_str(" AND ");
        self.conditions.push_str(condition);
        self.values.extend(values);
    }

    fn names(&mut self, conn: &Connection, filter: &MessageFilter) -> Result<bool, Fault> {
        let text = |name: &Option<barid_model::Name>| name.as_ref().map(ToString::to_string);
        let delivery = "EXISTS(SELECT 1 FROM delivery d WHERE d.uid = m.uid AND d.destination = ?)";
        let conditions = [
            (text(&filter.channel), "m.channel = ?"),
            (text(&filter.listener), "m.listener = ?"),
            (filter.cause.clone(), "m.cause = ?"),
            (filter.revision.map(|revision| revision.to_string()), "m.revision = ?"),
            (filter.facility.clone(), "? IN (m.facility, m.speaks_for)"),
            (text(&filter.destination), delivery),
        ];
        for (wanted, condition) in conditions {
            let Some(wanted) = wanted else { continue };
            let Some(id) = names::find(conn, &wanted)? else { return Ok(false) };
            self.and(condition, [id.into()]);
        }
        Ok(true)
    }

    fn kind(&mut self, conn: &Connection, wanted: Option<&str>) -> Result<bool, Fault> {
        let Some(wanted) = wanted else { return Ok(true) };
        let mut parts = wanted.split('^').chain(["", "", ""]);
        let parts: [&str; 3] = std::array::from_fn(|_| parts.next().unwrap_or(""));
        let mut statement =
            conn.prepare_cached("SELECT id FROM kind WHERE code = ?1 AND ?2 IN ('', event) AND ?3 IN ('', structure)")?;
        let ids = statement.query_map(parts, |row| row.get::<_, i64>(0))?.collect::<Result<Vec<_>, _>>()?;
        let list: Vec<String> = ids.iter().map(ToString::to_string).collect();
        self.and(&format!("m.kind IN ({})", list.join(", ")), []);
        Ok(!ids.is_empty())
    }

    fn state(&mut self, state: State) {
        let code = state.code();
        match state {
            State::NotYetRouted => self.and("m.disposition IS NULL", []),
            State::Duplicate => self.and("m.disposition = 2", []),
            State::Quarantined => {
                let delivery = format!("SELECT 1 FROM delivery d WHERE d.uid = m.uid AND d.state = 3 AND {LAST_RUN}");
                self.and(&format!("(m.disposition = 3 AND {DECISION} IS NULL OR EXISTS({delivery}))"), []);
                self.source = Self::set_aside(code);
            }
            State::Discarded => {
                let delivery = "SELECT 1 FROM delivery d WHERE d.uid = m.uid AND d.state = 6";
                self.and(&format!("(m.disposition = 3 AND {DECISION} = 'discard' OR EXISTS({delivery}))"), []);
                self.source = Self::set_aside(code);
            }
            State::Rerun => {
                self.and(&format!("m.disposition = 3 AND {DECISION} = 'rerun'"), []);
                self.source = Self::set_aside(code);
            }
            // Under way is what waits in PARK, too; held ones are asked for by their own word.
            State::InFlight => {
                self.and("EXISTS(SELECT 1 FROM delivery d WHERE d.uid = m.uid AND d.state IN (0, 2))", []);
                self.source = Source::Query {
                    descending: "SELECT uid FROM delivery WHERE state = ?1 AND state < 8 AND uid >= ?2 AND uid < ?3
                        UNION SELECT uid FROM delivery WHERE state = 2 AND state < 8 AND uid >= ?2 AND uid < ?3
                        ORDER BY uid DESC LIMIT ?4",
                    ascending: "SELECT uid FROM delivery WHERE state = ?1 AND state < 8 AND uid >= ?2 AND uid < ?3
                        UNION SELECT uid FROM delivery WHERE state = 2 AND state < 8 AND uid >= ?2 AND uid < ?3
                        ORDER BY uid LIMIT ?4",
                    state: code,
                };
            }
            _ => {
                self.and("EXISTS(SELECT 1 FROM delivery d WHERE d.uid = m.uid AND d.state = ?)", [code.into()]);
                if code < State::COMMON {
                    self.source = Source::Query {
                        descending: "SELECT DISTINCT uid FROM delivery WHERE state = ?1 AND state < 8 AND uid >= ?2
                            AND uid < ?3 ORDER BY uid DESC LIMIT ?4",
                        ascending: "SELECT DISTINCT uid FROM delivery WHERE state = ?1 AND state < 8 AND uid >= ?2
                            AND uid < ?3 ORDER BY uid LIMIT ?4",
                        state: code,
                    };
                }
            }
        }
    }

    /// Messages with a delivery in a state, and those that were set aside before routing.
    const fn set_aside(state: i64) -> Source {
        Source::Query {
            descending: "SELECT uid FROM delivery WHERE state = ?1 AND state < 8 AND uid >= ?2 AND uid < ?3
                UNION SELECT uid FROM message WHERE disposition = 3 AND uid >= ?2 AND uid < ?3
                ORDER BY uid DESC LIMIT ?4",
            ascending: "SELECT uid FROM delivery WHERE state = ?1 AND state < 8 AND uid >= ?2 AND uid < ?3
                UNION SELECT uid FROM message WHERE disposition = 3 AND uid >= ?2 AND uid < ?3
                ORDER BY uid LIMIT ?4",
            state,
        }
    }

    fn finding(&mut self, code: u16) {
        // As serde_json writes it: the code is never the last field of a finding.
        let text = Value::from(format!("\"code\":{code},"));
        self.and(
            "(instr(m.findings, ?) > 0 OR instr(m.routed_findings, ?) > 0 OR EXISTS(SELECT 1 FROM delivery d
             WHERE d.uid = m.uid AND (instr(d.findings, ?) > 0 OR instr(d.routed_findings, ?) > 0)))",
            std::array::from_fn::<_, 4, _>(|_| text.clone()),
        );
    }

    /// Up to `limit` messages of a span, and the uid to go on after where there may be more.
    pub(super) fn ask(
        &self,
        reader: &Reader<'_>,
        mut span: Span,
        descending: bool,
        limit: usize,
    ) -> Result<(Vec<Found>, Option<MessageUid>), Fault> {
        let mut found = Vec::new();
        let mut looked = 0;
        let mut window = WINDOW_FIRST;
        loop {
            let (last, most) = match &self.source {
                Source::Rows => (self.window(reader, &span, descending, limit, window, &mut found)?, SCAN_MAX),
                _ => (self.candidates(reader, &span, descending, limit, &mut found)?, CANDIDATES_MAX),
            };
            if found.len() > limit {
                found.truncate(limit);
                let last = found.last().map(|found| found.view.uid);
                return Ok((found, last));
            }
            let Some(last) = last else { return Ok((found, None)) };
            looked += if matches!(self.source, Source::Rows) { window } else { CANDIDATES };
            if looked >= most {
                return Ok((found, Some(last)));
            }
            span.after(last, descending);
            window = (window * 4).min(SCAN_MAX);
        }
    }

    /// Looks through the next rows. Gives the last one looked at; nothing where there are no more.
    fn window(
        &self,
        reader: &Reader<'_>,
        span: &Span,
        descending: bool,
        limit: usize,
        window: usize,
        found: &mut Vec<Found>,
    ) -> Result<Option<MessageUid>, Fault> {
        let order = if descending { "DESC" } else { "ASC" };
        let edge = reader
            .conn
            .prepare_cached(&format!(
                "SELECT uid FROM message WHERE uid >= ?1 AND uid < ?2 ORDER BY uid {order} LIMIT 1 OFFSET ?3"
            ))?
            .query_map(params![span.low, span.high, window - 1], |row| row.get(0).map(MessageUid::from_bytes))?
            .next()
            .transpose()?;
        let mut inside = span.clone();
        if let Some(edge) = edge {
            let only = Span::only(edge);
            if descending { inside.low = only.low } else { inside.high = only.high }
        }
        let sql = format!(
            "SELECT {COLUMNS} FROM message m WHERE m.uid >= ? AND m.uid < ? {} ORDER BY m.uid {order} LIMIT ?",
            self.conditions
        );
        let bounds = [Value::from(inside.low), Value::from(inside.high)];
        let most = Value::from(i64::try_from(limit + 1 - found.len()).unwrap_or(i64::MAX));
        let mut statement = reader.conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(bounds.iter().chain(&self.values).chain([&most])))?;
        while let Some(row) = rows.next()? {
            found.push(Found::read(row, reader)?);
        }
        Ok(edge)
    }

    /// Compares the next candidates. Gives the last one compared; nothing where there are no more.
    fn candidates(
        &self,
        reader: &Reader<'_>,
        span: &Span,
        descending: bool,
        limit: usize,
        found: &mut Vec<Found>,
    ) -> Result<Option<MessageUid>, Fault> {
        let uids = match &self.source {
            Source::Key(hash) => keys::candidates(reader.conn, *hash, (&span.low, &span.high), descending, CANDIDATES)?,
            Source::Query { descending: down, ascending: up, state } => reader
                .conn
                .prepare_cached(if descending { down } else { up })?
                .query_map(params![state, span.low, span.high, CANDIDATES], |row| {
                    row.get(0).map(MessageUid::from_bytes)
                })?
                .collect::<Result<_, _>>()?,
            Source::Rows => Vec::new(),
        };
        let sql = format!("SELECT {COLUMNS} FROM message m WHERE m.uid = ? {}", self.conditions);
        let mut statement = reader.conn.prepare_cached(&sql)?;
        for uid in &uids {
            let key = Value::from(uid.as_bytes().to_vec());
            let mut rows = statement.query(params_from_iter([&key].into_iter().chain(&self.values)))?;
            match rows.next()? {
                Some(row) => found.push(Found::read(row, reader)?),
                None => found.extend(self.unknown(reader, *uid)?),
            }
            if found.len() > limit {
                break;
            }
        }
        Ok(if uids.len() < CANDIDATES { None } else { uids.last().copied() })
    }
}

impl Question {
    /// What only deliveries tell of, where that is an answer.
    fn unknown(&self, reader: &Reader<'_>, uid: MessageUid) -> Result<Option<Found>, Fault> {
        let Some(wanted) = &self.unknown else { return Ok(None) };
        if message::by_uid(reader, uid)?.is_some() {
            return Ok(None);
        }
        let view = message::unknown(uid).complete(reader)?;
        Ok(choose::has_delivery(&view, wanted).then(|| message::unknown(uid)))
    }
}

/// Messages, newest first.
pub(in crate::sqlite) fn search(
    conn: &Connection,
    filter: &MessageFilter,
    paging: &Paging,
) -> Result<Page<MessageView>, Fault> {
    let reader = Reader::new(conn)?;
    let mut span = Span::between(filter.from, filter.to);
    if let Some(cursor) = &paging.after {
        span.after(read_uid(cursor)?, true);
    }
    let Some(question) = Question::new(conn, filter)? else { return Ok(Page { items: Vec::new(), next: None }) };
    let (found, next) = question.ask(&reader, span, true, limit(paging))?;
    let items = found.into_iter().map(|found| found.complete(&reader)).collect::<Result<_, _>>()?;
    Ok(Page { items, next: next.map(|uid| Cursor(uid.to_string())) })
}
