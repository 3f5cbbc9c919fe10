//! Refused messages, which are kept up to a bound, and commands, which are kept like messages.

use barid_model::record::{CommandRecord, RefusedRecord};
use rusqlite::{Transaction, params};

use crate::codes::findings_text;
use crate::gather::Origin;
use crate::sqlite::fault::Fault;
use crate::sqlite::names::Names;

/// Refused messages that are kept, the newest: some 50 MB, and more than anybody reads. (Few in tests.)
pub(in crate::sqlite) const REFUSED_MAX: i64 = if cfg!(test) { 500 } else { 100_000 };

pub(in crate::sqlite) fn refused(
    tx: &Transaction<'_>,
    names: &mut Names,
    records: &[(Origin, &RefusedRecord)],
) -> Result<(), Fault> {
    for (origin, record) in records {
        let facility = record.facility.as_deref().map(|text| names.text(tx, text)).transpose()?;
        let channel = record.channel.as_ref().map(|name| names.name(tx, name)).transpose()?;
        tx.prepare_cached(
            "INSERT INTO refused(subject, position, at, listener, facility, channel, kind, code, control_id, origin,
             findings) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            origin.subject,
            origin.position,
            record.at.micros(),
            names.name(tx, &record.listener)?,
            facility,
            channel,
            names.kind(tx, &record.message_type)?,
            record.code,
            &*record.control_id,
            record.origin,
            findings_text(&record.findings),
        ])?;
    }
    if !records.is_empty() {
        tx.prepare_cached("DELETE FROM refused WHERE id <= (SELECT max(id) FROM refused) - ?1")?
            .execute([REFUSED_MAX])?;
    }
    Ok(())
}

pub(in crate::sqlite) fn commands(tx: &Transaction<'_>, records: &[(Origin, &CommandRecord)]) -> Result<(), Fault> {
    for (origin, record) in records {
        tx.prepare_cached(
            "INSERT INTO command(subject, position, at, actor, reason, verb, target, detail)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            origin.subject,
            origin.position,
            record.at.micros(),
            record.actor,
            record.reason,
            record.verb,
            record.target,
            record.detail,
        ])?;
    }
    Ok(())
}
