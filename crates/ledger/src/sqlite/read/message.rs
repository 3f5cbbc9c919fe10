//! A message's row as a view.

use std::sync::Arc;

use barid_model::{Digest, Disposition, MessageUid, Revision, Timestamp};
use rusqlite::{Connection, Row};

use super::waiting::decision;
use super::{Reader, deliveries, unsigned};
use crate::State;
use crate::codes::{disposition, findings, keys, lanes, parents};
use crate::fold::NameId;
use crate::sqlite::fault::Fault;
use crate::view::{Accepted, MessageView, Place};

/// The columns [`Found::read`] expects, of table `m`.
pub(in crate::sqlite) const COLUMNS: &str = "m.uid, m.channel, m.facility, m.kind, m.disposition, m.listener, m.cause,
    m.revision, m.speaks_for, m.subject, m.position, m.received, m.routed_at, m.bytes, m.verified, m.hops, m.waits,
    m.control_id, m.digest, m.origin, m.keys, m.findings, m.routed_findings, m.duplicate_of, m.parents, m.reason,
    m.traceparent, m.lanes";

/// A message without its deliveries.
pub(in crate::sqlite) struct Found {
    pub(in crate::sqlite) view: MessageView,
    channel: Option<NameId>,
}

impl Found {
    pub(in crate::sqlite) fn read(row: &Row<'_>, reader: &Reader<'_>) -> rusqlite::Result<Self> {
        let channel = row.get(1)?;
        let subject: Option<NameId> = row.get(9)?;
        let view = MessageView {
            uid: MessageUid::from_bytes(row.get(0)?),
            state: State::NotYetRouted,
            accepted: subject.map(|subject| accepted(row, reader, channel, subject)).transpose()?,
            disposition: row.get::<_, Option<i64>>(4)?.and_then(disposition),
            routed_at: row.get::<_, Option<i64>>(12)?.map(Timestamp::from_micros),
            duplicate_of: row.get::<_, Option<[u8; 16]>>(23)?.map(MessageUid::from_bytes),
            routing_findings: findings(row.get_ref(22)?.as_str_or_null()?),
            settled: false,
            payload_expired: false,
            deliveries: Vec::new(),
        };
        Ok(Self { view, channel })
    }

    /// With its deliveries, and what follows from them.
    pub(in crate::sqlite) fn complete(self, reader: &Reader<'_>) -> Result<MessageView, Fault> {
        let Self { mut view, channel } = self;
        view.deliveries = deliveries::of(reader, view.uid)?;
        let decision = match view.disposition {
            Some(Disposition::Quarantined) => decision(reader.conn, view.uid)?,
            _ => None,
        };
        view.settled = decision.is_some();
        view.state = decision.unwrap_or_else(|| view.overall());
        view.payload_expired = (view.settled || !view.state.is_open())
            && view.accepted.as_ref().is_some_and(|accepted| reader.is_expired(channel, accepted.received));
        Ok(view)
    }
}

fn accepted(
    row: &Row<'_>,
    reader: &Reader<'_>,
    channel: Option<NameId>,
    subject: NameId,
) -> rusqlite::Result<Accepted> {
    let texts = &reader.texts;
    let kind = texts.kind(row.get(3)?)?;
    let revision = texts.text(row.get(7)?)?;
    Ok(Accepted {
        received: Timestamp::from_micros(row.get(11)?),
        listener: texts.name(row.get(5)?)?,
        facility: texts.text(row.get(2)?)?.to_string(),
        speaks_for: row.get::<_, Option<NameId>>(8)?.map(|id| texts.text(id)).transpose()?.map(|text| text.to_string()),
        verified: row.get(14)?,
        channel: channel.map(|id| texts.name(id)).transpose()?,
        revision: Revision::read(&revision).unwrap_or_default(),
        cause: texts.text(row.get(6)?)?.to_string(),
        message_type: kind.short(),
        structure: kind.structure.to_string(),
        version: kind.version.to_string(),
        control_id: String::from_utf8_lossy(row.get_ref(17)?.as_blob()?).into_owned(),
        origin: row.get(19)?,
        bytes: unsigned(row.get(13)?),
        digest: Digest::from_bytes(row.get(18)?),
        parents: parents(row.get_ref(24)?.as_blob_or_null()?.unwrap_or_default()),
        lanes: lanes(row.get_ref(27)?.as_blob_or_null()?),
        hops: row.get(15)?,
        reason: row.get(25)?,
        traceparent: row.get(26)?,
        waits: row.get(16)?,
        findings: findings(row.get_ref(21)?.as_str_or_null()?),
        keys: keys(row.get_ref(20)?.as_str_or_null()?),
        place: Place { subject: texts.text(subject)?.to_string(), position: unsigned(row.get(10)?) },
    })
}

/// The message with this uid and its deliveries.
pub(in crate::sqlite) fn whole(conn: &Connection, uid: MessageUid) -> Result<Option<MessageView>, Fault> {
    let reader = Reader::new(conn)?;
    match by_uid(&reader, uid)? {
        Some(found) => found.complete(&reader).map(Some),
        None => {
            let view = unknown(uid).complete(&reader)?;
            Ok((!view.deliveries.is_empty()).then_some(view))
        }
    }
}

/// The message with this uid, without its deliveries.
pub(in crate::sqlite) fn by_uid(reader: &Reader<'_>, uid: MessageUid) -> Result<Option<Found>, Fault> {
    let mut statement = reader.conn.prepare_cached(&format!("SELECT {COLUMNS} FROM message m WHERE m.uid = ?1"))?;
    let mut rows = statement.query([uid.as_bytes().as_slice()])?;
    Ok(rows.next()?.map(|row| Found::read(row, reader)).transpose()?)
}

/// A message of which only deliveries are known so far.
pub(in crate::sqlite) fn unknown(uid: MessageUid) -> Found {
    let view = MessageView {
        uid,
        state: State::NotYetRouted,
        accepted: None,
        disposition: None,
        routed_at: None,
        duplicate_of: None,
        routing_findings: Vec::new(),
        settled: false,
        payload_expired: false,
        deliveries: Vec::new(),
    };
    Found { view, channel: None }
}

/// A name's text for people, where there is a name.
pub(in crate::sqlite) fn text(reader: &Reader<'_>, id: Option<NameId>) -> rusqlite::Result<Option<Arc<str>>> {
    id.map(|id| reader.texts.text(id)).transpose()
}
