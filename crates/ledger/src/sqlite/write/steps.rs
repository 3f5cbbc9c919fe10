//! The lines of a message's story that its rows do not tell.

use rusqlite::{Transaction, params};

use crate::gather::Note;
use crate::sqlite::fault::Fault;

pub(in crate::sqlite) fn write(tx: &Transaction<'_>, notes: &[Note]) -> Result<(), Fault> {
    if notes.is_empty() {
        return Ok(());
    }
    let mut insert = tx.prepare_cached(
        "INSERT INTO step(uid, subject, position, at, kind, route, part, run, detail)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
    )?;
    for note in notes {
        let (route, part, run) =
            note.delivery.map_or((None, None, None), |(route, part, run)| (Some(route), Some(part), Some(run)));
        let detail = serde_json::to_string(&note.step)
            .map_err(|error| Fault::invalid(format!("a step has no text: {error}")))?;
        let (uid, origin) = (note.uid.as_bytes().as_slice(), note.origin);
        let at = note.at.micros();
        insert.execute(params![uid, origin.subject, origin.position, at, note.kind, route, part, run, detail])?;
    }
    Ok(())
}
