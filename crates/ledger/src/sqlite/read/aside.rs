//! Refused messages and commands, newest first.

use barid_model::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::time::bad_cursor;
use super::{Reader, limit, message, unsigned};
use crate::codes::findings;
use crate::sqlite::fault::Fault;
use crate::sqlite::names;
use crate::view::{CommandView, Place, RefusedView};
use crate::{Cursor, Page, Paging, RefusedFilter};

/// Refused messages. There are 100,000 at most, so all of them can be looked at.
pub(in crate::sqlite) fn refused(
    conn: &Connection,
    filter: &RefusedFilter,
    paging: &Paging,
) -> Result<Page<RefusedView>, Fault> {
    let reader = Reader::new(conn)?;
    let mut conditions = String::from("id < ?");
    let mut values = vec![Value::from(start(paging)?)];
    let text = |name: &Option<barid_model::Name>| name.as_ref().map(ToString::to_string);
    let named = [
        (filter.facility.clone(), "facility"),
        (text(&filter.channel), "channel"),
        (text(&filter.listener), "listener"),
    ];
    for (wanted, column) in named {
        let Some(wanted) = wanted else { continue };
        let Some(id) = names::find(conn, &wanted)? else { return Ok(Page { items: Vec::new(), next: None }) };
        conditions.push_str(&format!(" AND {column} = ?"));
        values.push(id.into());
    }
    for (time, condition) in [(filter.from, " AND at >= ?"), (filter.to, " AND at < ?")] {
        let Some(time) = time else { continue };
        conditions.push_str(condition);
        values.push(time.micros().into());
    }
    if let Some(id) = &filter.control_id {
        conditions.push_str(" AND control_id = ?");
        values.push(id.clone().into_bytes().into());
    }
    let sql = format!(
        "SELECT id, at, listener, origin, facility, channel, control_id, kind, code, findings, subject, position
         FROM refused WHERE {conditions} ORDER BY id DESC LIMIT ?"
    );
    page(&reader, &sql, values, paging, |row| {
        let texts = &reader.texts;
        Ok(RefusedView {
            at: Timestamp::from_micros(row.get(1)?),
            listener: texts.name(row.get(2)?)?,
            origin: row.get(3)?,
            facility: message::text(&reader, row.get(4)?)?.map(|text| text.to_string()),
            channel: row.get::<_, Option<i64>>(5)?.map(|id| texts.name(id)).transpose()?,
            control_id: String::from_utf8_lossy(row.get_ref(6)?.as_blob()?).into_owned(),
            message_type: texts.kind(row.get(7)?)?.short(),
            code: row.get(8)?,
            findings: findings(row.get_ref(9)?.as_str_or_null()?),
            place: Place { subject: texts.text(row.get(10)?)?.to_string(), position: unsigned(row.get(11)?) },
        })
    })
}

/// Commands, of one target or all.
pub(in crate::sqlite) fn commands(
    conn: &Connection,
    target: Option<&str>,
    paging: &Paging,
) -> Result<Page<CommandView>, Fault> {
    let reader = Reader::new(conn)?;
    let mut values = vec![Value::from(start(paging)?)];
    let condition = if target.is_some() { "AND target = ?" } else { "" };
    values.extend(target.map(|target| Value::from(target.to_owned())));
    let sql = format!(
        "SELECT id, at, actor, reason, verb, target, detail FROM command WHERE id < ? {condition} ORDER BY id DESC LIMIT ?"
    );
    page(&reader, &sql, values, paging, command)
}

/// A command of a row that begins with its id.
pub(super) fn command(row: &Row<'_>) -> rusqlite::Result<CommandView> {
    Ok(CommandView {
        at: Timestamp::from_micros(row.get(1)?),
        actor: row.get(2)?,
        reason: row.get(3)?,
        verb: row.get(4)?,
        target: row.get(5)?,
        detail: row.get(6)?,
    })
}

fn start(paging: &Paging) -> Result<i64, Fault> {
    let Some(cursor) = &paging.after else { return Ok(i64::MAX) };
    cursor.0.parse().map_err(|_| bad_cursor(cursor))
}

/// Rows by falling id, one more than asked for to know whether there are more.
fn page<T>(
    reader: &Reader<'_>,
    sql: &str,
    mut values: Vec<Value>,
    paging: &Paging,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Page<T>, Fault> {
    let limit = limit(paging);
    values.push(i64::try_from(limit + 1).unwrap_or(i64::MAX).into());
    let mut statement = reader.conn.prepare_cached(sql)?;
    let mut rows = statement.query(params_from_iter(&values))?;
    let mut page = Page { items: Vec::new(), next: None };
    let mut last: i64 = 0;
    while let Some(row) = rows.next()? {
        if page.items.len() == limit {
            page.next = Some(Cursor(last.to_string()));
            break;
        }
        last = row.get(0)?;
        page.items.push(read(row)?);
    }
    Ok(page)
}
