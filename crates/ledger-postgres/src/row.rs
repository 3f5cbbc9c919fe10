//! Rows as they lie in the tables, both ways.

use barid_ledger::State;
use barid_ledger::store::{At, Delivery, Ending, Key, NameId, Waiting, outcome_of, parked, parked_code};
use barid_model::{MessageUid, Timestamp};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

use crate::fault::Fault;
use crate::session::Value;

/// Reading a column.
pub(crate) trait Columns {
    /// The value in a column.
    fn at<'a, T: FromSql<'a>>(&'a self, column: usize) -> Result<T, Fault>;

    /// The uid in a column.
    fn uid(&self, column: usize) -> Result<MessageUid, Fault> {
        uid(self.at(column)?)
    }

    /// The uid in a column, where there is one.
    fn some_uid(&self, column: usize) -> Result<Option<MessageUid>, Fault> {
        self.at::<Option<&[u8]>>(column)?.map(uid).transpose()
    }

    /// A number that is stored signed.
    fn unsigned(&self, column: usize) -> Result<u64, Fault> {
        Ok(unsigned(self.at::<Option<i64>>(column)?.unwrap_or(0)))
    }
}

impl Columns for Row {
    fn at<'a, T: FromSql<'a>>(&'a self, column: usize) -> Result<T, Fault> {
        Ok(self.try_get(column)?)
    }
}

fn uid(bytes: &[u8]) -> Result<MessageUid, Fault> {
    bytes.try_into().map(MessageUid::from_bytes).map_err(|_| Fault::Row("a uid has no 16 bytes"))
}

/// A number that is stored signed.
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A number as it is stored in a column of another width.
pub(crate) fn narrow<T: TryFrom<i64> + Default>(number: i64) -> T {
    T::try_from(number).unwrap_or_default()
}

/// The columns of a table as a list, each after `prefix`.
pub(crate) fn list(columns: &[(&str, Type)], prefix: &str) -> String {
    let names: Vec<String> = columns.iter().map(|(name, _)| format!("{prefix}{name}")).collect();
    names.join(", ")
}

/// The columns of `message`, in the order of [`Message::values`].
pub(crate) static MESSAGE: [(&str, Type); 28] = [
    ("uid", Type::BYTEA),
    ("channel", Type::INT8),
    ("facility", Type::INT8),
    ("kind", Type::INT8),
    ("listener", Type::INT8),
    ("cause", Type::INT8),
    ("revision", Type::INT8),
    ("speaks_for", Type::INT8),
    ("subject", Type::INT8),
    ("position", Type::INT8),
    ("received", Type::INT8),
    ("bytes", Type::INT8),
    ("verified", Type::BOOL),
    ("hops", Type::INT8),
    ("waits", Type::BOOL),
    ("control_id", Type::BYTEA),
    ("digest", Type::BYTEA),
    ("origin", Type::TEXT),
    ("keys", Type::TEXT),
    ("findings", Type::TEXT),
    ("parents", Type::BYTEA),
    ("reason", Type::TEXT),
    ("traceparent", Type::TEXT),
    ("lanes", Type::BYTEA),
    ("disposition", Type::INT8),
    ("routed_at", Type::INT8),
    ("duplicate_of", Type::BYTEA),
    ("routed_findings", Type::TEXT),
];

/// A row of `message`.
#[derive(Default)]
pub(crate) struct Message {
    pub(crate) uid: Vec<u8>,
    pub(crate) channel: Option<NameId>,
    pub(crate) facility: Option<NameId>,
    pub(crate) kind: Option<NameId>,
    pub(crate) listener: Option<NameId>,
    pub(crate) cause: Option<NameId>,
    pub(crate) revision: Option<NameId>,
    pub(crate) speaks_for: Option<NameId>,
    pub(crate) subject: Option<NameId>,
    pub(crate) position: Option<i64>,
    pub(crate) received: Option<i64>,
    pub(crate) bytes: Option<i64>,
    pub(crate) verified: Option<bool>,
    pub(crate) hops: Option<i64>,
    pub(crate) waits: Option<bool>,
    pub(crate) control_id: Option<Vec<u8>>,
    pub(crate) digest: Option<Vec<u8>>,
    pub(crate) origin: Option<String>,
    pub(crate) keys: Option<String>,
    pub(crate) findings: Option<String>,
    pub(crate) parents: Option<Vec<u8>>,
    pub(crate) reason: Option<String>,
    pub(crate) traceparent: Option<String>,
    pub(crate) lanes: Option<Vec<u8>>,
    pub(crate) disposition: Option<i64>,
    pub(crate) routed_at: Option<i64>,
    pub(crate) duplicate_of: Option<Vec<u8>>,
    pub(crate) routed_findings: Option<String>,
}

impl Message {
    /// Out of a row of [`MESSAGE`].
    pub(crate) fn read(row: &Row) -> Result<Self, Fault> {
        Ok(Self {
            uid: row.at(0)?,
            channel: row.at(1)?,
            facility: row.at(2)?,
            kind: row.at(3)?,
            listener: row.at(4)?,
            cause: row.at(5)?,
            revision: row.at(6)?,
            speaks_for: row.at(7)?,
            subject: row.at(8)?,
            position: row.at(9)?,
            received: row.at(10)?,
            bytes: row.at(11)?,
            verified: row.at(12)?,
            hops: row.at(13)?,
            waits: row.at(14)?,
            control_id: row.at(15)?,
            digest: row.at(16)?,
            origin: row.at(17)?,
            keys: row.at(18)?,
            findings: row.at(19)?,
            parents: row.at(20)?,
            reason: row.at(21)?,
            traceparent: row.at(22)?,
            lanes: row.at(23)?,
            disposition: row.at(24)?,
            routed_at: row.at(25)?,
            duplicate_of: row.at(26)?,
            routed_findings: row.at(27)?,
        })
    }

    /// In the order of [`MESSAGE`].
    pub(crate) fn values(&self) -> Vec<Value<'_>> {
        vec![
            &self.uid,
            &self.channel,
            &self.facility,
            &self.kind,
            &self.listener,
            &self.cause,
            &self.revision,
            &self.speaks_for,
            &self.subject,
            &self.position,
            &self.received,
            &self.bytes,
            &self.verified,
            &self.hops,
            &self.waits,
            &self.control_id,
            &self.digest,
            &self.origin,
            &self.keys,
            &self.findings,
            &self.parents,
            &self.reason,
            &self.traceparent,
            &self.lanes,
            &self.disposition,
            &self.routed_at,
            &self.duplicate_of,
            &self.routed_findings,
        ]
    }
}

/// The columns of `delivery`, in the order of [`Stored::values`].
pub(crate) static DELIVERY: [(&str, Type); 26] = [
    ("uid", Type::BYTEA),
    ("route", Type::INT8),
    ("part", Type::INT8),
    ("run", Type::INT8),
    ("state", Type::INT8),
    ("destination", Type::INT8),
    ("known", Type::INT8),
    ("set_aside", Type::BOOL),
    ("out_partition", Type::INT8),
    ("out_position", Type::INT8),
    ("park_subject", Type::INT8),
    ("park_position", Type::INT8),
    ("park_why", Type::INT8),
    ("parked_at", Type::INT8),
    ("outcome", Type::INT8),
    ("outcome_subject", Type::INT8),
    ("outcome_position", Type::INT8),
    ("outcome_at", Type::INT8),
    ("attempts", Type::INT8),
    ("possible_duplicate", Type::BOOL),
    ("answer", Type::INT8),
    ("findings", Type::TEXT),
    ("routed_findings", Type::TEXT),
    ("actor", Type::TEXT),
    ("reason", Type::TEXT),
    ("chained", Type::BYTEA),
];

/// The key of a delivery's row.
pub(crate) fn key(row: &Row) -> Result<Key, Fault> {
    Ok(Key { uid: row.uid(0)?, route: row.at(1)?, part: narrow(row.at(2)?), run: narrow(row.at(3)?) })
}

/// A delivery out of a row of [`DELIVERY`].
pub(crate) fn delivery(row: &Row) -> Result<Delivery, Fault> {
    let since = Timestamp::from_micros(row.at::<Option<i64>>(13)?.unwrap_or(0));
    let why = row.at::<Option<i64>>(12)?.and_then(parked).map(|why| (why, since));
    let park_subject = row.at(10)?;
    let waiting =
        row.at::<Option<i64>>(11)?.map(|position| Waiting { place: At { subject: park_subject, position }, why });
    let place = At { subject: row.at(15)?, position: row.at::<Option<i64>>(16)?.unwrap_or(0) };
    let at = Timestamp::from_micros(row.at::<Option<i64>>(17)?.unwrap_or(0));
    let (answer, findings, actor, reason) = (row.at(20)?, row.at(21)?, row.at(23)?, row.at(24)?);
    let outcome = row.at::<Option<i64>>(14)?.and_then(outcome_of);
    Ok(Delivery {
        destination: row.at(5)?,
        known: narrow(row.at(6)?),
        set_aside: row.at(7)?,
        out: row.at::<Option<i64>>(8)?.zip(row.at::<Option<i64>>(9)?),
        waiting,
        ending: outcome.map(|outcome| Ending { outcome, place, at, answer, findings, actor, reason }),
        attempts: narrow(row.at(18)?),
        possible_duplicate: row.at(19)?,
        routed_findings: row.at(22)?,
        chained: row.some_uid(25)?,
    })
}

/// A delivery as its row has it.
pub(crate) struct Stored {
    key: [i64; 3],
    uid: [u8; 16],
    state: i64,
    known: i64,
    attempts: i64,
    out: (Option<i64>, Option<i64>),
    /// Subject, position, why, since when.
    park: [Option<i64>; 4],
    /// How, the record's subject and position, when, the answer.
    end: [Option<i64>; 5],
    texts: [Option<String>; 3],
    chained: Option<[u8; 16]>,
    delivery: Delivery,
}

impl Stored {
    /// The row of a delivery.
    pub(crate) fn new(key: Key, delivery: Delivery) -> Self {
        let (waiting, ending) = (delivery.waiting.as_ref(), delivery.ending.as_ref());
        let why = waiting.and_then(|waiting| waiting.why);
        let text = |text: Option<&String>| text.map(clean);
        Self {
            key: [key.route, i64::from(key.part), i64::from(key.run)],
            uid: *key.uid.as_bytes(),
            state: delivery.state().code(),
            known: i64::from(delivery.known),
            attempts: i64::from(delivery.attempts),
            out: delivery.out.unzip(),
            park: [
                waiting.and_then(|waiting| waiting.place.subject),
                waiting.map(|waiting| waiting.place.position),
                why.map(|(why, _)| parked_code(why)),
                why.map(|(_, at)| at.micros()),
            ],
            end: [
                ending.map(|ending| State::from(ending.outcome).code()),
                ending.and_then(|ending| ending.place.subject),
                ending.map(|ending| ending.place.position),
                ending.map(|ending| ending.at.micros()),
                ending.and_then(|ending| ending.answer),
            ],
            texts: [
                ending.and_then(|ending| ending.findings.clone()),
                text(ending.and_then(|ending| ending.actor.as_ref())),
                text(ending.and_then(|ending| ending.reason.as_ref())),
            ],
            chained: delivery.chained.map(|uid| *uid.as_bytes()),
            delivery,
        }
    }

    /// In the order of [`DELIVERY`]; the bytes of the uids are lent by [`Stored::bytes`].
    pub(crate) fn values<'a>(&'a self, bytes: &'a (&'a [u8], Option<&'a [u8]>)) -> Vec<Value<'a>> {
        let [route, part, run] = &self.key;
        let [findings, actor, reason] = &self.texts;
        let [park_subject, park_position, why, since] = &self.park;
        let [outcome, subject, position, at, answer] = &self.end;
        vec![
            &bytes.0,
            route,
            part,
            run,
            &self.state,
            &self.delivery.destination,
            &self.known,
            &self.delivery.set_aside,
            &self.out.0,
            &self.out.1,
            park_subject,
            park_position,
            why,
            since,
            outcome,
            subject,
            position,
            at,
            &self.attempts,
            &self.delivery.possible_duplicate,
            answer,
            findings,
            &self.delivery.routed_findings,
            actor,
            reason,
            &bytes.1,
        ]
    }

    /// The uids as PostgreSQL takes them.
    pub(crate) fn bytes(&self) -> (&[u8], Option<&[u8]>) {
        (&self.uid, self.chained.as_ref().map(<[u8; 16]>::as_slice))
    }
}

/// A text that PostgreSQL takes: it knows no zero byte.
pub(crate) fn clean(text: impl AsRef<str>) -> String {
    text.as_ref().replace('\0', "\u{fffd}")
}
