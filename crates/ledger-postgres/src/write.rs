//! Rows out of what a batch said. What is there of its messages is taken out, folded and put back with what is new, in
//! one stream a table: an update writes a new row all the same.

use std::collections::HashMap;

use barid_ledger::GivenUp;
use barid_ledger::store::{
    Delivery, In, Key, Note, Origin, Rows, Said, found_by, keys_text, lanes_bytes, parents_bytes, routed_keys, whole,
};
use barid_ledger::store::{disposition_code, findings_text};
use barid_model::record::{CommandRecord, RefusedRecord, RoutedRecord};
use barid_model::{MessageUid, Name};
use tokio_postgres::types::Type;

use crate::fault::Fault;
use crate::names::Names;
use crate::row::{self, Columns as _, DELIVERY, MESSAGE, Message, clean};
use crate::session::{Session, Value};

/// Refused messages that are kept, the newest: some 50 MB, and more than anybody reads.
const REFUSED_MAX: i64 = 100_000;

/// What the tables say while a batch is gathered.
pub(crate) struct Stored<'a> {
    pub(crate) session: &'a Session,
    pub(crate) names: &'a mut Names,
    /// What was stored of the batch's deliveries; each goes into the batch when it is asked for.
    pub(crate) loaded: HashMap<Key, Delivery>,
    pub(crate) places: HashMap<Origin, Key>,
}

impl Rows for Stored<'_> {
    type Fault = Fault;

    fn text(&mut self, text: &str) -> Result<i64, Fault> {
        self.names.text(self.session, text)
    }

    fn name(&mut self, name: &Name) -> Result<i64, Fault> {
        self.names.name(self.session, name)
    }

    fn load(&mut self, key: Key) -> Result<Option<Delivery>, Fault> {
        Ok(self.loaded.remove(&key))
    }

    fn at_place(&mut self, place: Origin) -> Result<Option<Key>, Fault> {
        Ok(self.places.get(&place).copied())
    }
}

/// The deliveries that wait at these places in PARK.
pub(crate) fn at_places(session: &Session, places: &[Origin]) -> Result<HashMap<Origin, Key>, Fault> {
    let mut found = HashMap::new();
    if places.is_empty() {
        return Ok(found);
    }
    let subjects: Vec<i64> = places.iter().map(|place| place.subject).collect();
    let positions: Vec<i64> = places.iter().map(|place| place.position).collect();
    let rows = session.query(
        "SELECT d.uid, d.route, d.part, d.run, d.park_subject, d.park_position
         FROM unnest($1::bigint[], $2::bigint[]) AS p (subject, position)
         JOIN delivery d ON d.park_subject = p.subject AND d.park_position = p.position",
        &[&subjects, &positions],
    )?;
    for row in rows {
        found.insert(Origin { subject: row.at(4)?, position: row.at(5)? }, row::key(&row)?);
    }
    Ok(found)
}

/// Takes the deliveries of these messages out of the table.
pub(crate) fn take_deliveries(session: &Session, uids: &[&[u8]]) -> Result<HashMap<Key, Delivery>, Fault> {
    let mut loaded = HashMap::new();
    if uids.is_empty() {
        return Ok(loaded);
    }
    let sql = format!("DELETE FROM delivery WHERE uid = ANY($1) RETURNING {}", row::list(&DELIVERY, ""));
    for row in session.query(&sql, &[&uids])? {
        loaded.insert(row::key(&row)?, row::delivery(&row)?);
    }
    Ok(loaded)
}

/// Puts deliveries into the table.
pub(crate) fn put_deliveries(session: &Session, deliveries: Vec<(Key, Delivery)>) -> Result<(), Fault> {
    let rows: Vec<row::Stored> =
        deliveries.into_iter().map(|(key, delivery)| row::Stored::new(key, delivery)).collect();
    let bytes: Vec<_> = rows.iter().map(row::Stored::bytes).collect();
    let values: Vec<Vec<Value<'_>>> = rows.iter().zip(&bytes).map(|(row, bytes)| row.values(bytes)).collect();
    session.copy("delivery", &DELIVERY, &values)
}

/// Writes the messages of a batch, in the order of uids, and collects what they are to be found by.
pub(crate) fn messages(
    stored: &mut Stored<'_>,
    said: &[(MessageUid, Said<'_>)],
    keys: &mut Vec<(i64, MessageUid)>,
    notes: &mut Vec<Note>,
) -> Result<(), Fault> {
    if said.is_empty() {
        return Ok(());
    }
    let uids: Vec<&[u8]> = said.iter().map(|(uid, _)| uid.as_bytes().as_slice()).collect();
    let sql = format!("DELETE FROM message WHERE uid = ANY($1) RETURNING {}", row::list(&MESSAGE, ""));
    let mut known: HashMap<Vec<u8>, Message> = HashMap::new();
    for row in stored.session.query(&sql, &[&uids])? {
        let message = Message::read(&row)?;
        known.insert(message.uid.clone(), message);
    }
    let mut rows = Vec::with_capacity(said.len());
    for (uid, said) in said {
        let bytes = uid.as_bytes().as_slice();
        let mut message = known.remove(bytes).unwrap_or_else(|| Message { uid: bytes.to_vec(), ..Message::default() });
        if let Some(accepted) = &said.accepted {
            let place = (message.subject, message.position);
            if place.0.is_none() {
                accept(stored, &mut message, accepted)?;
                found_by(accepted.envelope, keys);
            } else if place != (Some(accepted.subject), Some(accepted.position)) {
                let origin = Origin { subject: accepted.subject, position: accepted.position };
                notes.push(Note::accepted_again(accepted.envelope, origin));
            }
        }
        if let Some(routed) = said.routed
            && route(&mut message, routed)
        {
            routed_keys(routed, keys);
        }
        rows.push(message);
    }
    let values: Vec<Vec<Value<'_>>> = rows.iter().map(Message::values).collect();
    stored.session.copy("message", &MESSAGE, &values)
}

/// The half of IN.
fn accept(stored: &mut Stored<'_>, message: &mut Message, accepted: &In<'_>) -> Result<(), Fault> {
    let e = accepted.envelope;
    let (session, names) = (stored.session, &mut *stored.names);
    message.channel = e.channel.as_ref().map(|name| names.name(session, name)).transpose()?;
    message.facility = Some(names.text(session, &e.facility.name)?);
    message.kind = Some(names.kind(session, &e.message_type)?);
    message.listener = Some(names.name(session, &e.listener)?);
    message.cause = Some(names.text(session, e.cause.word())?);
    message.revision = Some(names.revision(session, e.revision)?);
    message.speaks_for = e.facility.speaks_for.as_deref().map(|text| names.text(session, text)).transpose()?;
    message.subject = Some(accepted.subject);
    message.position = Some(accepted.position);
    message.received = Some(e.received.micros());
    message.bytes = Some(whole(accepted.bytes)?);
    message.verified = Some(e.facility.verified);
    message.hops = Some(i64::from(e.hops));
    message.waits = Some(e.waits.is_some());
    message.control_id = Some(e.control_id.to_vec());
    message.digest = Some(e.digest.as_bytes().to_vec());
    message.origin = Some(clean(&e.origin));
    message.keys = keys_text(e);
    message.findings = findings_text(&e.findings);
    message.parents = parents_bytes(e);
    message.reason = e.reason.as_ref().map(clean);
    message.traceparent = e.traceparent.as_ref().map(clean);
    message.lanes = lanes_bytes(&e.lanes);
    Ok(())
}

/// The half of ROUTED: the first counts, but a message that was set aside may be routed after all. Whether it was taken.
fn route(message: &mut Message, routed: &RoutedRecord) -> bool {
    let code = disposition_code(routed.disposition);
    if !matches!((message.disposition, code), (None, _) | (Some(3), 1)) {
        return false;
    }
    message.disposition = Some(code);
    message.routed_at = Some(routed.at.micros());
    message.duplicate_of = routed.duplicate_of.map(|uid| uid.as_bytes().to_vec());
    message.routed_findings = findings_text(&routed.findings);
    true
}

/// Writes the lines of stories that the rows do not tell.
pub(crate) fn steps(session: &Session, notes: &[Note]) -> Result<(), Fault> {
    if notes.is_empty() {
        return Ok(());
    }
    let uids: Vec<&[u8]> = notes.iter().map(|note| note.uid.as_bytes().as_slice()).collect();
    let subjects: Vec<i64> = notes.iter().map(|note| note.origin.subject).collect();
    let positions: Vec<i64> = notes.iter().map(|note| note.origin.position).collect();
    let times: Vec<i64> = notes.iter().map(|note| note.at.micros()).collect();
    let kinds: Vec<i64> = notes.iter().map(|note| note.kind).collect();
    let routes: Vec<Option<i64>> = notes.iter().map(|note| note.delivery.map(|(route, ..)| route)).collect();
    let parts: Vec<Option<i64>> = notes.iter().map(|note| note.delivery.map(|(_, part, _)| part.into())).collect();
    let runs: Vec<Option<i64>> = notes.iter().map(|note| note.delivery.map(|(.., run)| run.into())).collect();
    let details = notes.iter().map(|note| serde_json::to_string(&note.step)).collect::<Result<Vec<_>, _>>();
    let details = details.map_err(|error| Fault::invalid(format!("a step has no text: {error}")))?;
    session.execute(
        "INSERT INTO step (uid, subject, position, at, kind, route, part, run, detail)
         SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
             $7::bigint[], $8::bigint[], $9::text[]) ON CONFLICT DO NOTHING",
        &[&uids, &subjects, &positions, &times, &kinds, &routes, &parts, &runs, &details],
    )?;
    Ok(())
}

/// Writes what messages are found by.
pub(crate) fn keys(session: &Session, keys: &[(i64, MessageUid)]) -> Result<(), Fault> {
    let uids: Vec<&[u8]> = keys.iter().map(|(_, uid)| uid.as_bytes().as_slice()).collect();
    let rows: Vec<Vec<Value<'_>>> =
        keys.iter().zip(&uids).map(|((hash, _), uid)| vec![hash as Value<'_>, uid as Value<'_>]).collect();
    session.copy("message_key", &[("hash", Type::INT8), ("uid", Type::BYTEA)], &rows)
}

/// Writes refused messages, up to the bound.
pub(crate) fn refused(stored: &mut Stored<'_>, records: &[(Origin, &RefusedRecord)]) -> Result<(), Fault> {
    let session = stored.session;
    for (origin, record) in records {
        let facility = record.facility.as_deref().map(|text| stored.names.text(session, text)).transpose()?;
        let channel = record.channel.as_ref().map(|name| stored.names.name(session, name)).transpose()?;
        session.execute(
            "INSERT INTO refused (subject, position, at, listener, facility, channel, kind, code, control_id, origin,
             findings) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
            &[
                &origin.subject,
                &origin.position,
                &record.at.micros(),
                &stored.names.name(session, &record.listener)?,
                &facility,
                &channel,
                &stored.names.kind(session, &record.message_type)?,
                &clean(&record.code),
                &&*record.control_id,
                &clean(&record.origin),
                &findings_text(&record.findings),
            ],
        )?;
    }
    if !records.is_empty() {
        session.execute("DELETE FROM refused WHERE id <= (SELECT max(id) FROM refused) - $1", &[&REFUSED_MAX])?;
    }
    Ok(())
}

/// Writes commands, with the message each is about and the one it made.
pub(crate) fn commands(session: &Session, records: &[(Origin, &CommandRecord)]) -> Result<(), Fault> {
    for (origin, record) in records {
        let about = MessageUid::read(&record.target).filter(|uid| uid.to_string() == record.target);
        let about = about.map(|uid| uid.as_bytes().to_vec());
        session.execute(
            "INSERT INTO command (subject, position, at, actor, reason, verb, target, detail, about, made)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
            &[
                &origin.subject,
                &origin.position,
                &record.at.micros(),
                &clean(&record.actor),
                &clean(&record.reason),
                &clean(&record.verb),
                &clean(&record.target),
                &clean(&record.detail),
                &about,
                &made(&record.detail),
            ],
        )?;
    }
    Ok(())
}

/// The message that a command says it made: empty where what it says is no uid.
fn made(detail: &str) -> Option<Vec<u8>> {
    let detail: serde_json::Value = serde_json::from_str(detail).ok()?;
    match detail.get("as")? {
        serde_json::Value::Null => None,
        other => Some(other.as_str().and_then(MessageUid::read).map_or_else(Vec::new, |uid| uid.as_bytes().to_vec())),
    }
}

/// The message whose delivery an order gives up.
pub(crate) fn given_up(record: &CommandRecord) -> Option<MessageUid> {
    let order = (record.verb == "discard").then(|| serde_json::from_str::<GivenUp>(&record.detail).ok()).flatten();
    order.map(|order| order.uid)
}
