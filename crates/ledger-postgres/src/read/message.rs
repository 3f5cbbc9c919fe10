//! A message's row as a view.

use std::collections::HashMap;

use barid_ledger::State;
use barid_ledger::store::{NameId, disposition, findings, keys, lanes, parents};
use barid_ledger::view::{Accepted, MessageView, Place};
use barid_model::{Digest, Disposition, MessageUid, Revision, Timestamp};
use tokio_postgres::Row;

use super::waiting::decisions;
use super::{Reader, deliveries};
use crate::fault::Fault;
use crate::names;
use crate::row::{self, MESSAGE, Message, narrow, unsigned};
use crate::session::Session;

/// The columns [`Found::read`] expects, of table `m`.
pub(crate) fn columns() -> String {
    row::list(&MESSAGE, "m.")
}

/// A message without its deliveries.
pub(crate) struct Found {
    pub(crate) view: MessageView,
    channel: Option<NameId>,
}

impl Found {
    pub(crate) fn read(row: &Row, reader: &Reader<'_>) -> Result<Self, Fault> {
        let row = Message::read(row)?;
        let uid = <[u8; 16]>::try_from(row.uid.as_slice()).map_err(|_| Fault::Row("a uid has no 16 bytes"))?;
        let duplicate_of = row.duplicate_of.as_deref().and_then(|bytes| bytes.try_into().ok());
        let view = MessageView {
            uid: MessageUid::from_bytes(uid),
            state: State::NotYetRouted,
            accepted: row.subject.map(|subject| accepted(&row, reader, subject)).transpose()?,
            disposition: row.disposition.and_then(disposition),
            routed_at: row.routed_at.map(Timestamp::from_micros),
            duplicate_of: duplicate_of.map(MessageUid::from_bytes),
            routing_findings: findings(row.routed_findings.as_deref()),
            settled: false,
            payload_expired: false,
            deliveries: Vec::new(),
        };
        Ok(Self { view, channel: row.channel })
    }

    /// A message of which only deliveries are known so far.
    pub(crate) const fn unknown(uid: MessageUid) -> Self {
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
        Self { view, channel: None }
    }
}

/// Messages with their deliveries, and what follows from them: a few queries for all of a page.
pub(crate) fn complete(found: Vec<Found>, reader: &Reader<'_>) -> Result<Vec<MessageView>, Fault> {
    let uids: Vec<MessageUid> = found.iter().map(|found| found.view.uid).collect();
    let mut deliveries: HashMap<MessageUid, Vec<_>> = HashMap::new();
    for delivery in deliveries::of(reader, &uids)? {
        deliveries.entry(delivery.uid).or_default().push(delivery);
    }
    let aside = found.iter().filter(|found| found.view.disposition == Some(Disposition::Quarantined));
    let decisions = decisions(reader.session, &aside.map(|found| found.view.uid).collect::<Vec<_>>())?;
    let complete = |Found { mut view, channel }| {
        view.deliveries = deliveries.remove(&view.uid).unwrap_or_default();
        let decision = decisions.get(&view.uid).copied();
        view.settled = decision.is_some();
        view.state = decision.unwrap_or_else(|| view.overall());
        view.payload_expired = (view.settled || !view.state.is_open())
            && view.accepted.as_ref().is_some_and(|accepted| reader.is_expired(channel, accepted.received));
        view
    };
    Ok(found.into_iter().map(complete).collect())
}

fn accepted(row: &Message, reader: &Reader<'_>, subject: NameId) -> Result<Accepted, Fault> {
    let of = |id: Option<NameId>| id.ok_or(Fault::Row("a message was accepted and lacks a name"));
    let kind = names::kind(reader.session, of(row.kind)?)?;
    let digest = row.digest.as_deref().and_then(|bytes| bytes.try_into().ok());
    Ok(Accepted {
        received: Timestamp::from_micros(row.received.unwrap_or(0)),
        listener: names::name(reader.session, of(row.listener)?)?,
        facility: reader.text(of(row.facility)?)?,
        speaks_for: row.speaks_for.map(|id| reader.text(id)).transpose()?,
        verified: row.verified.unwrap_or(false),
        channel: reader.name(row.channel)?,
        revision: Revision::read(&reader.text(of(row.revision)?)?).unwrap_or_default(),
        cause: reader.text(of(row.cause)?)?,
        message_type: kind.short(),
        structure: kind.structure.to_string(),
        version: kind.version.to_string(),
        control_id: String::from_utf8_lossy(row.control_id.as_deref().unwrap_or_default()).into_owned(),
        origin: row.origin.clone().unwrap_or_default(),
        bytes: unsigned(row.bytes.unwrap_or(0)),
        digest: Digest::from_bytes(digest.ok_or(Fault::Row("a digest has no 32 bytes"))?),
        parents: parents(row.parents.as_deref().unwrap_or_default()),
        lanes: lanes(row.lanes.as_deref()),
        hops: narrow(row.hops.unwrap_or(0)),
        reason: row.reason.clone(),
        traceparent: row.traceparent.clone(),
        waits: row.waits.unwrap_or(false),
        findings: findings(row.findings.as_deref()),
        keys: keys(row.keys.as_deref()),
        place: Place { subject: reader.text(subject)?, position: unsigned(row.position.unwrap_or(0)) },
    })
}

/// The message with this uid and its deliveries.
pub(crate) fn whole(session: &Session, uid: MessageUid) -> Result<Option<MessageView>, Fault> {
    let reader = Reader::new(session)?;
    let found = by_uids(&reader, &[uid])?.pop();
    let known = found.is_some();
    let view = complete(vec![found.unwrap_or_else(|| Found::unknown(uid))], &reader)?.pop();
    Ok(view.filter(|view| known || !view.deliveries.is_empty()))
}

/// The messages with these uids, without their deliveries, in the order of uids.
pub(crate) fn by_uids(reader: &Reader<'_>, uids: &[MessageUid]) -> Result<Vec<Found>, Fault> {
    let bytes: Vec<&[u8]> = uids.iter().map(|uid| uid.as_bytes().as_slice()).collect();
    let sql = format!("SELECT {} FROM message m WHERE m.uid = ANY($1) ORDER BY m.uid", columns());
    let rows = reader.session.query(&sql, &[&bytes])?;
    rows.iter().map(|row| Found::read(row, reader)).collect()
}
