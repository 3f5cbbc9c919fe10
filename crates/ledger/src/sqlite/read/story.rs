//! Everything known of one message, put together from its rows and from those that refer to it.

use barid_model::{MessageUid, Timestamp};
use rusqlite::{Connection, Row, params};

use super::message::{self, Found};
use super::time::Span;
use super::{Reader, aside, unsigned};
use crate::fold::NameId;
use crate::key;
use crate::sqlite::fault::Fault;
use crate::sqlite::keys;
use crate::story::{RELATED_MAX, Related, Story};
use crate::tell::{Line, STEPS_MAX, tell};
use crate::view::{CommandView, MessageView, Place};

/// The story of a message; nothing where nothing is known of it.
pub(in crate::sqlite) fn follow(conn: &Connection, uid: MessageUid) -> Result<Option<Story>, Fault> {
    let reader = Reader::new(conn)?;
    let found = message::by_uid(&reader, uid)?;
    let known = found.is_some();
    let message = found.unwrap_or_else(|| message::unknown(uid)).complete(&reader)?;
    if !known && message.deliveries.is_empty() {
        return Ok(None);
    }
    let children =
        related(&reader, key::parent(uid), |found| found.accepted.as_ref().is_some_and(|a| a.parents.contains(&uid)))?;
    let duplicates = related(&reader, key::duplicate_of(uid), |found| found.duplicate_of == Some(uid))?;
    let commands = commands(conn, &message)?;
    let lines = lines(&reader, uid)?;
    Ok(Some(tell(message, &lines, children, duplicates, commands)))
}

fn line(row: &Row<'_>, reader: &Reader<'_>) -> rusqlite::Result<Line> {
    let subject = reader.texts.text(row.get(0)?)?.to_string();
    let route = message::text(reader, row.get::<_, Option<NameId>>(4)?)?;
    let step: String = row.get(7)?;
    Ok(Line {
        place: Place { subject, position: unsigned(row.get(1)?) },
        at: Timestamp::from_micros(row.get(2)?),
        kind: row.get(3)?,
        delivery: match route {
            Some(route) => Some((route.to_string(), row.get(5)?, row.get(6)?)),
            None => None,
        },
        step: serde_json::from_str(&step).unwrap_or_default(),
    })
}

fn lines(reader: &Reader<'_>, uid: MessageUid) -> Result<Vec<Line>, Fault> {
    let mut statement = reader.conn.prepare_cached(
        "SELECT subject, position, at, kind, route, part, run, detail FROM step WHERE uid = ?1 ORDER BY at LIMIT ?2",
    )?;
    let lines = statement
        .query_map(params![uid.as_bytes().as_slice(), STEPS_MAX], |row| line(row, reader))?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(lines)
}

/// Messages that refer to this one by a key.
fn related(
    reader: &Reader<'_>,
    hash: i64,
    is_so: impl Fn(&MessageView) -> bool,
) -> Result<(Vec<Related>, bool), Fault> {
    let everything = Span::between(None, None);
    let uids = keys::candidates(reader.conn, hash, (&everything.low, &everything.high), false, RELATED_MAX + 1)?;
    let mut found = Vec::new();
    for uid in &uids {
        let Some(Found { view, .. }) = message::by_uid(reader, *uid)? else { continue };
        if is_so(&view) {
            let accepted = view.accepted;
            found.push(Related {
                uid: *uid,
                cause: accepted.as_ref().map_or_else(String::new, |accepted| accepted.cause.clone()),
                received: accepted.as_ref().map(|accepted| accepted.received),
                channel: accepted.and_then(|accepted| accepted.channel).map(|name| name.to_string()),
            });
        }
    }
    found.truncate(RELATED_MAX);
    Ok((found, uids.len() > RELATED_MAX))
}

/// What people did about the message or one of its deliveries.
fn commands(conn: &Connection, message: &MessageView) -> Result<(Vec<CommandView>, bool), Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT id, at, actor, reason, verb, target, detail FROM command WHERE target = ?1 ORDER BY id LIMIT ?2",
    )?;
    let targets = message.deliveries.iter().map(|delivery| delivery.id.to_string());
    let mut found = Vec::new();
    for target in targets.chain([message.uid.to_string()]) {
        for command in statement.query_map(params![target, RELATED_MAX + 1], aside::command)? {
            found.push(command?);
        }
    }
    found.sort_by_key(|command| command.at);
    let cut = found.len() > RELATED_MAX;
    found.truncate(RELATED_MAX);
    Ok((found, cut))
}
