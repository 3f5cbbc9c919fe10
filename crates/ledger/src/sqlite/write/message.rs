//! The rows of messages: one half from IN, one half from ROUTED, in whatever order they come.

use barid_model::MessageUid;
use barid_model::record::RoutedRecord;
use rusqlite::{OptionalExtension as _, Statement, Transaction, params};

use crate::codes::{disposition_code, findings_text, keys_text, lanes_bytes, parents_bytes};
use crate::gather::{In, Note, Origin, Said, found_by, routed_keys, whole};
use crate::sqlite::fault::Fault;
use crate::sqlite::names::Names;

const INSERT: &str = "INSERT INTO message(uid, channel, facility, kind, listener, cause, revision, speaks_for, subject,
    position, received, bytes, verified, hops, waits, control_id, digest, origin, keys, findings, parents, reason,
    traceparent, lanes) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,
    ?21, ?22, ?23, ?24) ON CONFLICT DO UPDATE SET channel = ?2, facility = ?3, kind = ?4, listener = ?5, cause = ?6, revision = ?7,
    speaks_for = ?8, subject = ?9, position = ?10, received = ?11, bytes = ?12, verified = ?13, hops = ?14, waits = ?15,
    control_id = ?16, digest = ?17, origin = ?18, keys = ?19, findings = ?20, parents = ?21, reason = ?22,
    traceparent = ?23, lanes = ?24 WHERE subject IS NULL";

const INSERT_WHOLE: &str = "INSERT INTO message(uid, channel, facility, kind, listener, cause, revision, speaks_for,
    subject, position, received, bytes, verified, hops, waits, control_id, digest, origin, keys, findings, parents,
    reason, traceparent, lanes, disposition, routed_at, duplicate_of, routed_findings) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,
    ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28)
    ON CONFLICT DO NOTHING";

const UPDATE_ROUTED: &str = "UPDATE message SET disposition = ?2, routed_at = ?3, duplicate_of = ?4,
    routed_findings = ?5 WHERE uid = ?1 AND (disposition IS NULL OR (disposition = 3 AND ?2 = 1))";

const INSERT_ROUTED: &str = "INSERT INTO message(uid, disposition, routed_at, duplicate_of, routed_findings)
    VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";

const PLACE: &str = "SELECT subject, position FROM message WHERE uid = ?1";

/// Writes the rows, and collects what the messages are to be found by.
pub(in crate::sqlite) fn write(
    tx: &Transaction<'_>,
    names: &mut Names,
    messages: &[(MessageUid, Said<'_>)],
    keys: &mut Vec<(i64, MessageUid)>,
    notes: &mut Vec<Note>,
) -> Result<(), Fault> {
    let mut writer = Writer {
        whole: tx.prepare_cached(INSERT_WHOLE)?,
        accepted: tx.prepare_cached(INSERT)?,
        routed: tx.prepare_cached(UPDATE_ROUTED)?,
        first_routed: tx.prepare_cached(INSERT_ROUTED)?,
        place: tx.prepare_cached(PLACE)?,
    };
    for (uid, said) in messages {
        if let (Some(accepted), Some(routed)) = (&said.accepted, said.routed)
            && writer.put(tx, names, accepted, Some(routed))?
        {
            found_by(accepted.envelope, keys);
            routed_keys(routed, keys);
            continue;
        }
        if let Some(accepted) = &said.accepted {
            if writer.put(tx, names, accepted, None)? {
                found_by(accepted.envelope, keys);
            } else if let Some(note) = writer.again(accepted)? {
                notes.push(note);
            }
        }
        if let Some(routed) = said.routed
            && writer.put_routed(*uid, routed)?
        {
            routed_keys(routed, keys);
        }
    }
    Ok(())
}

struct Writer<'c> {
    whole: rusqlite::CachedStatement<'c>,
    accepted: rusqlite::CachedStatement<'c>,
    routed: rusqlite::CachedStatement<'c>,
    first_routed: rusqlite::CachedStatement<'c>,
    place: rusqlite::CachedStatement<'c>,
}

impl Writer<'_> {
    /// Writes the half of IN, or both halves where there is no row yet. Tells whether it wrote.
    fn put(
        &mut self,
        tx: &Transaction<'_>,
        names: &mut Names,
        accepted: &In<'_>,
        routed: Option<&RoutedRecord>,
    ) -> Result<bool, Fault> {
        let statement: &mut Statement<'_> = if routed.is_some() { &mut self.whole } else { &mut self.accepted };
        let e = accepted.envelope;
        let channel = e.channel.as_ref().map(|name| names.name(tx, name)).transpose()?;
        let speaks_for = e.facility.speaks_for.as_deref().map(|text| names.text(tx, text)).transpose()?;
        let bound = params![
            e.uid.as_bytes().as_slice(),
            channel,
            names.text(tx, &e.facility.name)?,
            names.kind(tx, &e.message_type)?,
            names.name(tx, &e.listener)?,
            names.text(tx, e.cause.word())?,
            names.revision(tx, e.revision)?,
            speaks_for,
            accepted.subject,
            accepted.position,
            e.received.micros(),
            whole(accepted.bytes)?,
            e.facility.verified,
            e.hops,
            e.waits.is_some(),
            &*e.control_id,
            e.digest.as_bytes().as_slice(),
            &e.origin,
            keys_text(e),
            findings_text(&e.findings),
            parents_bytes(e),
            &e.reason,
            &e.traceparent,
            lanes_bytes(&e.lanes),
        ];
        for (index, value) in (1..).zip(bound) {
            statement.raw_bind_parameter(index, value)?;
        }
        if let Some(routed) = routed {
            for (index, value) in (bound.len() + 1..).zip(routed_values(routed).each()) {
                statement.raw_bind_parameter(index, value)?;
            }
        }
        Ok(statement.raw_execute()? == 1)
    }

    fn put_routed(&mut self, uid: MessageUid, routed: &RoutedRecord) -> Result<bool, Fault> {
        let values = routed_values(routed);
        for statement in [&mut self.routed, &mut self.first_routed] {
            statement.raw_bind_parameter(1, uid.as_bytes().as_slice())?;
            for (index, value) in (2..).zip(values.each()) {
                statement.raw_bind_parameter(index, value)?;
            }
            if statement.raw_execute()? == 1 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The row was there: the same record again, or another IN record with its uid.
    fn again(&mut self, accepted: &In<'_>) -> Result<Option<Note>, Fault> {
        let uid = accepted.envelope.uid;
        let known: Option<(i64, i64)> =
            self.place.query_row([uid.as_bytes().as_slice()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let origin = Origin { subject: accepted.subject, position: accepted.position };
        let same = known == Some((accepted.subject, accepted.position));
        Ok((!same).then(|| Note::accepted_again(accepted.envelope, origin)))
    }
}

struct RoutedValues<'a> {
    disposition: i64,
    at: i64,
    duplicate_of: Option<&'a [u8]>,
    findings: Option<String>,
}

impl RoutedValues<'_> {
    fn each(&self) -> [&dyn rusqlite::ToSql; 4] {
        [&self.disposition, &self.at, &self.duplicate_of, &self.findings]
    }
}

fn routed_values(routed: &RoutedRecord) -> RoutedValues<'_> {
    RoutedValues {
        disposition: disposition_code(routed.disposition),
        at: routed.at.micros(),
        duplicate_of: routed.duplicate_of.as_ref().map(|uid| uid.as_bytes().as_slice()),
        findings: findings_text(&routed.findings),
    }
}
