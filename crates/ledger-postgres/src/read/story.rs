//! Everything known of one message, put together from its rows and from those that refer to it.

use barid_ledger::Story;
use barid_ledger::store::{self, Cut, Line, STEPS_MAX, Span, tell};
use barid_ledger::story::{RELATED_MAX, Related};
use barid_ledger::view::{CommandView, MessageView, Place};
use barid_model::{MessageUid, Timestamp};
use tokio_postgres::Row;

use super::message::{self, Found};
use super::{Reader, aside, candidates, count};
use crate::fault::Fault;
use crate::row::{Columns as _, narrow};
use crate::session::Session;

/// The story of a message; nothing where nothing is known of it.
pub(crate) fn follow(session: &Session, uid: MessageUid) -> Result<Option<Story>, Fault> {
    let Some(message) = message::whole(session, uid)? else { return Ok(None) };
    let reader = Reader::new(session)?;
    let children = related(&reader, store::keys::parent(uid), |view| {
        view.accepted.as_ref().is_some_and(|accepted| accepted.parents.contains(&uid))
    })?;
    let duplicates = related(&reader, store::keys::duplicate_of(uid), |view| view.duplicate_of == Some(uid))?;
    let commands = commands(session, &message)?;
    let rows = session.query(
        "SELECT subject, position, at, kind, route, part, run, detail FROM step WHERE uid = $1 ORDER BY at LIMIT $2",
        &[&uid.as_bytes().as_slice(), &count(STEPS_MAX)],
    )?;
    let lines = rows.iter().map(|row| line(row, &reader)).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(tell(message, &lines, children, duplicates, commands)))
}

fn line(row: &Row, reader: &Reader<'_>) -> Result<Line, Fault> {
    let route: Option<i64> = row.at(4)?;
    Ok(Line {
        place: Place { subject: reader.text(row.at(0)?)?, position: row.unsigned(1)? },
        at: Timestamp::from_micros(row.at(2)?),
        kind: row.at(3)?,
        delivery: match route {
            Some(route) => Some((reader.text(route)?, narrow(row.at(5)?), narrow(row.at(6)?))),
            None => None,
        },
        step: serde_json::from_str(row.at(7)?).unwrap_or_default(),
    })
}

/// Messages that refer to this one by a key.
fn related(reader: &Reader<'_>, hash: i64, is_so: impl Fn(&MessageView) -> bool) -> Result<Cut<Related>, Fault> {
    let everything = Span::between(None, None);
    let uids = candidates(reader.session, hash, &everything, false, RELATED_MAX + 1)?;
    let mut found = Vec::new();
    for Found { view, .. } in message::by_uids(reader, &uids)? {
        if is_so(&view) {
            let uid = view.uid;
            let accepted = view.accepted;
            found.push(Related {
                uid,
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
fn commands(session: &Session, message: &MessageView) -> Result<Cut<CommandView>, Fault> {
    let targets = message.deliveries.iter().map(|delivery| delivery.id.to_string());
    let targets: Vec<String> = targets.chain([message.uid.to_string()]).collect();
    let rows = session.query(
        "SELECT id, at, actor, reason, verb, target, detail FROM command WHERE target = ANY($1) ORDER BY at, id LIMIT $2",
        &[&targets, &count(RELATED_MAX + 1)],
    )?;
    let mut found = rows.iter().map(aside::command).collect::<Result<Vec<_>, _>>()?;
    let cut = found.len() > RELATED_MAX;
    found.truncate(RELATED_MAX);
    Ok((found, cut))
}
