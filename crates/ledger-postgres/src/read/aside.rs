//! Refused messages and commands, newest first.

use barid_ledger::store::findings;
use barid_ledger::view::{CommandView, Place, RefusedView};
use barid_ledger::{Cursor, Page, Paging, RefusedFilter};
use barid_model::Timestamp;
use tokio_postgres::Row;

use super::{Conditions, Reader, bad_cursor, count, limit};
use crate::fault::Fault;
use crate::names;
use crate::row::Columns as _;
use crate::session::Session;

/// Refused messages. There are 100,000 at most, so all of them can be looked at.
pub(crate) fn refused(session: &Session, filter: &RefusedFilter, paging: &Paging) -> Result<Page<RefusedView>, Fault> {
    let reader = Reader::new(session)?;
    let mut conditions = Conditions::default();
    let text = |name: &Option<barid_model::Name>| name.as_ref().map(ToString::to_string);
    let named = [
        (filter.facility.clone(), "facility = ?"),
        (text(&filter.channel), "channel = ?"),
        (text(&filter.listener), "listener = ?"),
    ];
    for (wanted, condition) in named {
        let Some(wanted) = wanted else { continue };
        let Some(id) = names::find(session, &wanted)? else { return Ok(Page { items: Vec::new(), next: None }) };
        conditions.with(condition, &id);
    }
    for (time, condition) in [(filter.from, "at >= ?"), (filter.to, "at < ?")] {
        let Some(time) = time else { continue };
        conditions.with(condition, &time.micros());
    }
    if let Some(id) = &filter.control_id {
        conditions.with("control_id = ?", &id.clone().into_bytes());
    }
    let columns = "id, at, listener, origin, facility, channel, control_id, kind, code, findings, subject, position";
    page(session, &format!("SELECT {columns} FROM refused"), &conditions, paging, |row| {
        Ok(RefusedView {
            at: Timestamp::from_micros(row.at(1)?),
            listener: names::name(session, row.at(2)?)?,
            origin: row.at(3)?,
            facility: row.at::<Option<i64>>(4)?.map(|id| reader.text(id)).transpose()?,
            channel: reader.name(row.at(5)?)?,
            control_id: String::from_utf8_lossy(row.at(6)?).into_owned(),
            message_type: names::kind(session, row.at(7)?)?.short(),
            code: row.at(8)?,
            findings: findings(row.at(9)?),
            place: Place { subject: reader.text(row.at(10)?)?, position: row.unsigned(11)? },
        })
    })
}

/// Commands, of one target or all.
pub(crate) fn commands(session: &Session, target: Option<&str>, paging: &Paging) -> Result<Page<CommandView>, Fault> {
    let mut conditions = Conditions::default();
    if let Some(target) = target {
        conditions.with("target = ?", &target.to_owned());
    }
    page(session, "SELECT id, at, actor, reason, verb, target, detail FROM command", &conditions, paging, command)
}

/// A command of a row that begins with its id.
pub(super) fn command(row: &Row) -> Result<CommandView, Fault> {
    Ok(CommandView {
        at: Timestamp::from_micros(row.at(1)?),
        actor: row.at(2)?,
        reason: row.at(3)?,
        verb: row.at(4)?,
        target: row.at(5)?,
        detail: row.at(6)?,
    })
}

/// Rows by falling id, one more than asked for to know whether there are more.
fn page<T>(
    session: &Session,
    select: &str,
    conditions: &Conditions,
    paging: &Paging,
    read: impl Fn(&Row) -> Result<T, Fault>,
) -> Result<Page<T>, Fault> {
    let start: i64 = match &paging.after {
        Some(cursor) => cursor.0.parse().map_err(|_| bad_cursor(cursor))?,
        None => i64::MAX,
    };
    let limit = limit(paging);
    let sql = format!("{select} WHERE id < $1 {} ORDER BY id DESC LIMIT $2", conditions.sql(2));
    let most = count(limit + 1);
    let rows = session.query(&sql, &conditions.values(&[&start, &most]))?;
    let mut page = Page { items: Vec::new(), next: None };
    let mut last: i64 = 0;
    for row in &rows {
        if page.items.len() == limit {
            page.next = Some(Cursor(last.to_string()));
            break;
        }
        last = row.at(0)?;
        page.items.push(read(row)?);
    }
    Ok(page)
}
