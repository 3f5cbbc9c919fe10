//! Names as numbers: a few bytes a row instead of a few words, and comparisons of integers in every search.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use barid_model::{MessageType, Name, Revision};
use rusqlite::{Connection, OptionalExtension as _, Transaction};

use super::fault::Fault;
use crate::fold::NameId;

/// Names remembered between batches. They are few, unless senders may declare their own (`unknownFacility: accept`):
/// then all are forgotten at this number and looked up again.
const REMEMBERED_MAX: usize = 20_000;

/// The numbers of names, for the writer.
#[derive(Default)]
pub(super) struct Names {
    texts: HashMap<Box<str>, NameId>,
    names: HashMap<Name, NameId>,
    revisions: HashMap<Revision, NameId>,
    kinds: HashMap<MessageType, NameId>,
}

impl Names {
    /// The number of a text, given to it now where it has none.
    pub(super) fn text(&mut self, tx: &Transaction<'_>, text: &str) -> Result<NameId, Fault> {
        if let Some(id) = self.texts.get(text) {
            return Ok(*id);
        }
        let id = number(tx, text)?;
        bound(&mut self.texts).insert(text.into(), id);
        Ok(id)
    }

    /// The number of a document's name.
    pub(super) fn name(&mut self, tx: &Transaction<'_>, name: &Name) -> Result<NameId, Fault> {
        if let Some(id) = self.names.get(name) {
            return Ok(*id);
        }
        let id = number(tx, &name.to_string())?;
        bound(&mut self.names).insert(name.clone(), id);
        Ok(id)
    }

    /// The number of a revision.
    pub(super) fn revision(&mut self, tx: &Transaction<'_>, revision: Revision) -> Result<NameId, Fault> {
        if let Some(id) = self.revisions.get(&revision) {
            return Ok(*id);
        }
        let id = number(tx, &revision.to_string())?;
        bound(&mut self.revisions).insert(revision, id);
        Ok(id)
    }

    /// The number of a message type.
    pub(super) fn kind(&mut self, tx: &Transaction<'_>, kind: &MessageType) -> Result<NameId, Fault> {
        if let Some(id) = self.kinds.get(kind) {
            return Ok(*id);
        }
        let values = [&*kind.code, &*kind.event, &*kind.structure, &*kind.version];
        tx.prepare_cached("INSERT OR IGNORE INTO kind(code, event, structure, version) VALUES(?1, ?2, ?3, ?4)")?
            .execute(values)?;
        let id = tx
            .prepare_cached("SELECT id FROM kind WHERE code = ?1 AND event = ?2 AND structure = ?3 AND version = ?4")?
            .query_row(values, |row| row.get(0))?;
        bound(&mut self.kinds).insert(kind.clone(), id);
        Ok(id)
    }
}

fn bound<K, V>(map: &mut HashMap<K, V>) -> &mut HashMap<K, V> {
    if map.len() >= REMEMBERED_MAX {
        map.clear();
    }
    map
}

fn number(tx: &Transaction<'_>, text: &str) -> Result<NameId, Fault> {
    if let Some(id) = find(tx, text)? {
        return Ok(id);
    }
    tx.prepare_cached("INSERT INTO name(text) VALUES(?1)")?.execute([text])?;
    Ok(tx.last_insert_rowid())
}

/// The number of a text, where it has one.
pub(super) fn find(conn: &Connection, text: &str) -> Result<Option<NameId>, Fault> {
    let mut statement = conn.prepare_cached("SELECT id FROM name WHERE text = ?1")?;
    Ok(statement.query_row([text], |row| row.get(0)).optional()?)
}

/// The texts of numbers, for one question.
pub(super) struct Texts<'c> {
    conn: &'c Connection,
    texts: RefCell<HashMap<NameId, Arc<str>>>,
    kinds: RefCell<HashMap<NameId, Arc<MessageType>>>,
}

impl<'c> Texts<'c> {
    pub(super) fn new(conn: &'c Connection) -> Self {
        Self { conn, texts: RefCell::default(), kinds: RefCell::default() }
    }

    /// The text of a number; `?` for one that was never given.
    pub(super) fn text(&self, id: NameId) -> rusqlite::Result<Arc<str>> {
        if let Some(text) = self.texts.borrow().get(&id) {
            return Ok(Arc::clone(text));
        }
        let mut statement = self.conn.prepare_cached("SELECT text FROM name WHERE id = ?1")?;
        let text: Option<String> = statement.query_row([id], |row| row.get(0)).optional()?;
        let text: Arc<str> = text.as_deref().unwrap_or("?").into();
        bound(&mut self.texts.borrow_mut()).insert(id, Arc::clone(&text));
        Ok(text)
    }

    /// As [`Texts::text`], for a document's name.
    pub(super) fn name(&self, id: NameId) -> rusqlite::Result<Name> {
        self.text(id).map(|text| Name::read(&text))
    }

    /// The message type of a number.
    pub(super) fn kind(&self, id: NameId) -> rusqlite::Result<Arc<MessageType>> {
        if let Some(kind) = self.kinds.borrow().get(&id) {
            return Ok(Arc::clone(kind));
        }
        let mut statement =
            self.conn.prepare_cached("SELECT code, event, structure, version FROM kind WHERE id = ?1")?;
        let text = |row: &rusqlite::Row<'_>, column: usize| row.get::<_, String>(column).map(Arc::<str>::from);
        let kind = statement
            .query_row([id], |row| {
                Ok(MessageType {
                    code: text(row, 0)?,
                    event: text(row, 1)?,
                    structure: text(row, 2)?,
                    version: text(row, 3)?,
                })
            })
            .optional()?
            .unwrap_or_default();
        let kind = Arc::new(kind);
        bound(&mut self.kinds.borrow_mut()).insert(id, Arc::clone(&kind));
        Ok(kind)
    }
}
