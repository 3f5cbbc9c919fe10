//! Names as numbers: a few bytes a row instead of a few words, and comparisons of numbers in every search.
//!
//! A number never changes its text and is never given again, so both directions may be remembered for ever.

use std::collections::HashMap;
use std::sync::Arc;

use barid_ledger::store::NameId;
use barid_model::{MessageType, Name, Revision};

use crate::fault::Fault;
use crate::row::{Columns as _, clean};
use crate::session::Session;

/// Names remembered. They are few, unless senders may declare their own (`unknownFacility: accept`): then all are
/// forgotten at this number and looked up again.
const REMEMBERED_MAX: usize = 20_000;

/// The numbers of names, for the writer.
#[derive(Default)]
pub(crate) struct Names {
    texts: HashMap<Box<str>, NameId>,
    names: HashMap<Name, NameId>,
    revisions: HashMap<Revision, NameId>,
    kinds: HashMap<MessageType, NameId>,
}

impl Names {
    /// The number of a text, given to it now where it has none.
    pub(crate) fn text(&mut self, session: &Session, text: &str) -> Result<NameId, Fault> {
        if let Some(id) = self.texts.get(text) {
            return Ok(*id);
        }
        let id = number(session, text)?;
        bound(&mut self.texts).insert(text.into(), id);
        Ok(id)
    }

    /// The number of a document's name.
    pub(crate) fn name(&mut self, session: &Session, name: &Name) -> Result<NameId, Fault> {
        if let Some(id) = self.names.get(name) {
            return Ok(*id);
        }
        let id = number(session, &name.to_string())?;
        bound(&mut self.names).insert(name.clone(), id);
        Ok(id)
    }

    /// The number of a revision.
    pub(crate) fn revision(&mut self, session: &Session, revision: Revision) -> Result<NameId, Fault> {
        if let Some(id) = self.revisions.get(&revision) {
            return Ok(*id);
        }
        let id = number(session, &revision.to_string())?;
        bound(&mut self.revisions).insert(revision, id);
        Ok(id)
    }

    /// The number of a message type.
    pub(crate) fn kind(&mut self, session: &Session, kind: &MessageType) -> Result<NameId, Fault> {
        if let Some(id) = self.kinds.get(kind) {
            return Ok(*id);
        }
        let [code, event, structure, version] = [&kind.code, &kind.event, &kind.structure, &kind.version].map(clean);
        session.execute(
            "INSERT INTO kind (code, event, structure, version) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            &[&code, &event, &structure, &version],
        )?;
        let found = session.first(
            "SELECT id FROM kind WHERE code = $1 AND event = $2 AND structure = $3 AND version = $4",
            &[&code, &event, &structure, &version],
        )?;
        let id = found.ok_or(Fault::Row("a message type is gone"))?.at(0)?;
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

fn number(session: &Session, text: &str) -> Result<NameId, Fault> {
    if let Some(id) = find(session, text)? {
        return Ok(id);
    }
    let row = session.first("INSERT INTO name (text) VALUES ($1) RETURNING id", &[&clean(text)])?;
    row.ok_or(Fault::Row("a name got no number"))?.at(0)
}

/// The number of a text, where it has one.
pub(crate) fn find(session: &Session, text: &str) -> Result<Option<NameId>, Fault> {
    session.first("SELECT id FROM name WHERE text = $1", &[&clean(text)])?.map(|row| row.at(0)).transpose()
}

/// The text of a number; `?` for one that was never given.
pub(crate) fn text(session: &Session, id: NameId) -> Result<Arc<str>, Fault> {
    if let Some(text) = session.texts.borrow().get(&id) {
        return Ok(Arc::clone(text));
    }
    let Some(row) = session.first("SELECT text FROM name WHERE id = $1", &[&id])? else { return Ok("?".into()) };
    let text: Arc<str> = row.at::<&str>(0)?.into();
    bound(&mut session.texts.borrow_mut()).insert(id, Arc::clone(&text));
    Ok(text)
}

/// As [`text`], for a document's name.
pub(crate) fn name(session: &Session, id: NameId) -> Result<Name, Fault> {
    text(session, id).map(|text| Name::read(&text))
}

/// The message type of a number.
pub(crate) fn kind(session: &Session, id: NameId) -> Result<Arc<MessageType>, Fault> {
    if let Some(kind) = session.kinds.borrow().get(&id) {
        return Ok(Arc::clone(kind));
    }
    let row = session.first("SELECT code, event, structure, version FROM kind WHERE id = $1", &[&id])?;
    let Some(row) = row else { return Ok(Arc::default()) };
    let text = |column: usize| row.at::<&str>(column).map(Arc::<str>::from);
    let kind = Arc::new(MessageType { code: text(0)?, event: text(1)?, structure: text(2)?, version: text(3)? });
    bound(&mut session.kinds.borrow_mut()).insert(id, Arc::clone(&kind));
    Ok(kind)
}
