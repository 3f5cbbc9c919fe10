//! Messages by what people know of them.
//!
//! A question is answered from the narrowest source there is: a value's keys, the index of what needs attention, or
//! else the rows themselves in the order of time, in windows that grow, up to [`SCAN_MAX`] rows. Whatever the source,
//! each row is compared with the whole question.

use barid_ledger::filter::SCAN_MAX;
use barid_ledger::store::{self, Span, keys};
use barid_ledger::{Cursor, MessageFilter, MessageView, Page, Paging, State};
use barid_model::{MessageUid, Name};

use super::message::{self, Found, columns};
use super::waiting::{DECISION, LAST_RUN};
use super::{Conditions, Reader, candidates, count, limit, read_uid};
use crate::fault::Fault;
use crate::names;
use crate::row::Columns as _;
use crate::session::Session;

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
    /// A query for uids in the span `$1` to `$2`, without order and limit.
    Query(String),
}

/// A question, ready to be asked in windows.
pub(crate) struct Question {
    source: Source,
    pub(crate) conditions: Conditions,
    /// What deliveries have to be whose message is not known; none where the question is about messages.
    pub(crate) unknown: Option<(State, Option<Name>)>,
}

fn in_state(state: i64) -> String {
    format!("SELECT uid FROM delivery WHERE state = {state} AND state < 8 AND uid >= $1 AND uid < $2")
}

fn unsettled(disposition: &str) -> String {
    format!("SELECT uid FROM message WHERE disposition {disposition} AND uid >= $1 AND uid < $2")
}

impl Question {
    /// The question of a filter; nothing where it names something that no message has.
    pub(crate) fn new(session: &Session, filter: &MessageFilter) -> Result<Option<Self>, Fault> {
        let unknown = store::of_deliveries(filter);
        let mut question = Self { source: Source::Rows, conditions: Conditions::default(), unknown };
        if !question.names(session, filter)? || !question.kind(session, filter.message_type.as_deref())? {
            return Ok(None);
        }
        if let Some(state) = filter.state {
            question.state(state);
        }
        let conditions = &mut question.conditions;
        if let Some(code) = filter.finding {
            // As serde_json writes it: the code is never the last field of a finding.
            conditions.with(
                "(strpos(m.findings, ?) > 0 OR strpos(m.routed_findings, ?) > 0 OR EXISTS (SELECT 1 FROM delivery d
                 WHERE d.uid = m.uid AND (strpos(d.findings, ?) > 0 OR strpos(d.routed_findings, ?) > 0)))",
                &format!("\"code\":{code},"),
            );
        }
        if filter.possible_duplicate {
            conditions.and("EXISTS (SELECT 1 FROM delivery d WHERE d.uid = m.uid AND d.possible_duplicate)");
        }
        for wanted in &filter.keys {
            let pair = serde_json::to_string(&(&wanted.name, &wanted.value))
                .map_err(|error| Fault::invalid(format!("the search key has no text: {error}")))?;
            conditions.with("strpos(m.keys, ?) > 0", &pair);
            question.source = Source::Key(keys::search(&wanted.name, &wanted.value));
        }
        if let Some(id) = &filter.control_id {
            conditions.with("m.control_id = ?", &id.clone().into_bytes());
            question.source = Source::Key(keys::control_id(id.as_bytes()));
        }
        Ok(Some(question))
    }

    fn names(&mut self, session: &Session, filter: &MessageFilter) -> Result<bool, Fault> {
        let text = |name: &Option<barid_model::Name>| name.as_ref().map(ToString::to_string);
        let conditions = [
            (text(&filter.channel), "m.channel = ?"),
            (text(&filter.listener), "m.listener = ?"),
            (filter.cause.clone(), "m.cause = ?"),
            (filter.revision.map(|revision| revision.to_string()), "m.revision = ?"),
            (filter.facility.clone(), "? IN (m.facility, m.speaks_for)"),
            (text(&filter.destination), "EXISTS (SELECT 1 FROM delivery d WHERE d.uid = m.uid AND d.destination = ?)"),
        ];
        for (wanted, condition) in conditions {
            let Some(wanted) = wanted else { continue };
            let Some(id) = names::find(session, &wanted)? else { return Ok(false) };
            self.conditions.with(condition, &id);
        }
        Ok(true)
    }

    fn kind(&mut self, session: &Session, wanted: Option<&str>) -> Result<bool, Fault> {
        let Some(wanted) = wanted else { return Ok(true) };
        let mut parts = wanted.split('^').chain(["", "", ""]);
        let [code, event, structure]: [&str; 3] = std::array::from_fn(|_| parts.next().unwrap_or(""));
        let rows = session.query(
            "SELECT id FROM kind WHERE code = $1 AND $2 IN ('', event) AND $3 IN ('', structure)",
            &[&code, &event, &structure],
        )?;
        let ids = rows.iter().map(|row| row.at(0)).collect::<Result<Vec<i64>, _>>()?;
        self.conditions.with("m.kind = ANY(?)", &ids);
        Ok(!ids.is_empty())
    }

    fn state(&mut self, state: State) {
        let code = state.code();
        let delivery = format!("EXISTS (SELECT 1 FROM delivery d WHERE d.uid = m.uid AND d.state = {code}");
        let aside = |code| Source::Query(format!("{} UNION {}", in_state(code), unsettled("= 3")));
        match state {
            State::NotYetRouted => {
                self.conditions.and("m.disposition IS NULL");
                self.source = Source::Query(unsettled("IS NULL"));
            }
            State::Duplicate => self.conditions.and("m.disposition = 2"),
            State::Quarantined => {
                self.conditions
                    .and(&format!("(m.disposition = 3 AND {DECISION} IS NULL OR {delivery} AND {LAST_RUN}))"));
                self.source = aside(code);
            }
            State::Discarded => {
                self.conditions.and(&format!("(m.disposition = 3 AND {DECISION} = 'discard' OR {delivery}))"));
                self.source = aside(code);
            }
            State::Rerun => {
                self.conditions.and(&format!("m.disposition = 3 AND {DECISION} = 'rerun'"));
                self.source = Source::Query(unsettled("= 3"));
            }
            // Under way is what waits in PARK, too; held ones are asked for by their own word.
            State::InFlight => {
                self.conditions.and("EXISTS (SELECT 1 FROM delivery d WHERE d.uid = m.uid AND d.state IN (0, 2))");
                self.source = Source::Query(format!("{} UNION {}", in_state(0), in_state(2)));
            }
            _ => {
                self.conditions.and(&format!("{delivery})"));
                if code < State::COMMON {
                    self.source = Source::Query(in_state(code).replacen("SELECT", "SELECT DISTINCT", 1));
                }
            }
        }
    }

    /// Up to `limit` messages of a span, and the uid to go on after where there may be more.
    pub(crate) fn ask(
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
                _ => (self.candidates(reader, &span, descending, &mut found)?, CANDIDATES_MAX),
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
        let sql =
            format!("SELECT uid FROM message WHERE uid >= $1 AND uid < $2 ORDER BY uid {order} LIMIT 1 OFFSET $3");
        let edge = reader.session.first(&sql, &[&span.low, &span.high, &count(window - 1)])?;
        let edge = edge.map(|row| row.uid(0)).transpose()?;
        let mut inside = span.clone();
        if let Some(edge) = edge {
            let only = Span::only(edge);
            if descending { inside.low = only.low } else { inside.high = only.high }
        }
        let sql = format!(
            "SELECT {} FROM message m WHERE m.uid >= $1 AND m.uid < $2 {} ORDER BY m.uid {order} LIMIT $3",
            columns(),
            self.conditions.sql(3)
        );
        let most = count(limit + 1 - found.len());
        for row in reader.session.query(&sql, &self.conditions.values(&[&inside.low, &inside.high, &most]))? {
            found.push(Found::read(&row, reader)?);
        }
        Ok(edge)
    }

    /// Compares the next candidates. Gives the last one compared; nothing where there are no more.
    fn candidates(
        &self,
        reader: &Reader<'_>,
        span: &Span,
        descending: bool,
        found: &mut Vec<Found>,
    ) -> Result<Option<MessageUid>, Fault> {
        let order = if descending { "DESC" } else { "ASC" };
        let uids = match &self.source {
            Source::Key(hash) => candidates(reader.session, *hash, span, descending, CANDIDATES)?,
            Source::Query(sql) => {
                let sql = format!("{sql} ORDER BY uid {order} LIMIT $3");
                let rows = reader.session.query(&sql, &[&span.low, &span.high, &count(CANDIDATES)])?;
                rows.iter().map(|row| row.uid(0)).collect::<Result<_, _>>()?
            }
            Source::Rows => Vec::new(),
        };
        let bytes: Vec<&[u8]> = uids.iter().map(|uid| uid.as_bytes().as_slice()).collect();
        let sql = format!(
            "SELECT {} FROM message m WHERE m.uid = ANY($1) {} ORDER BY m.uid {order}",
            columns(),
            self.conditions.sql(1)
        );
        let mut these = Vec::new();
        for row in reader.session.query(&sql, &self.conditions.values(&[&bytes]))? {
            these.push(Found::read(&row, reader)?);
        }
        if self.unknown.is_some() && these.len() < uids.len() {
            these.extend(self.unknown(reader, &uids)?);
            these.sort_by_key(|found| found.view.uid);
            if descending {
                these.reverse();
            }
        }
        found.extend(these);
        Ok(if uids.len() < CANDIDATES { None } else { uids.last().copied() })
    }
}

impl Question {
    /// What only deliveries tell of, where that is an answer.
    fn unknown(&self, reader: &Reader<'_>, uids: &[MessageUid]) -> Result<Vec<Found>, Fault> {
        let Some(wanted) = &self.unknown else { return Ok(Vec::new()) };
        let bytes: Vec<&[u8]> = uids.iter().map(|uid| uid.as_bytes().as_slice()).collect();
        let sql = "SELECT u.uid FROM unnest($1::bytea[]) AS u (uid)
             WHERE NOT EXISTS (SELECT 1 FROM message m WHERE m.uid = u.uid)";
        let rows = reader.session.query(sql, &[&bytes])?;
        let missing = rows.iter().map(|row| row.uid(0).map(Found::unknown)).collect::<Result<Vec<_>, _>>()?;
        if missing.is_empty() {
            return Ok(missing);
        }
        let views = message::complete(missing, reader)?;
        Ok(views.iter().filter(|view| store::has_delivery(view, wanted)).map(|view| Found::unknown(view.uid)).collect())
    }
}

/// Messages, newest first.
pub(crate) fn search(session: &Session, filter: &MessageFilter, paging: &Paging) -> Result<Page<MessageView>, Fault> {
    let reader = Reader::new(session)?;
    let mut span = Span::between(filter.from, filter.to);
    if let Some(cursor) = &paging.after {
        span.after(read_uid(cursor)?, true);
    }
    let Some(question) = Question::new(session, filter)? else { return Ok(Page { items: Vec::new(), next: None }) };
    let (found, next) = question.ask(&reader, span, true, limit(paging))?;
    let items = message::complete(found, &reader)?;
    Ok(Page { items, next: next.map(|uid| Cursor(uid.to_string())) })
}
