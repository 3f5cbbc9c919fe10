//! A small log to fill ledgers from: messages, what became of them, and the order in which it was written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use barid_model::record::{
    Answer, CommandRecord, Intake, OutRecord, OutcomeRecord, ParkEvent, ParkRecord, Parked, RefusedRecord,
    RoutedDelivery, RoutedRecord, Source,
};
use barid_model::{
    Cause, DeliveryId, Digest, Disposition, Envelope, FacilityRef, Finding, Format, Lane, Lanes, MessageType,
    MessageUid, Name, Outcome, Partition, Payload, Revision, SearchKey, Timestamp,
};
use bytes::Bytes;

use crate::{Change, Entry, Ledger};

/// 2026-01-01T00:00:00Z: when every world begins.
pub const BEGIN: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// One record, as it was written.
#[derive(Debug, Clone)]
pub enum Written {
    In(Envelope),
    Routed(RoutedRecord),
    Out(OutRecord),
    Outcome(OutcomeRecord),
    Park(ParkEvent),
    Refused(RefusedRecord),
    Command(CommandRecord),
}

/// A log, and the clock of who writes it.
#[derive(Debug, Clone)]
pub struct World {
    pub records: Vec<(String, u64, Written)>,
    last: BTreeMap<String, u64>,
    messages: BTreeMap<MessageUid, Envelope>,
    pub now: Timestamp,
    made: u128,
}

impl Default for World {
    fn default() -> Self {
        Self { records: Vec::new(), last: BTreeMap::new(), messages: BTreeMap::new(), now: BEGIN, made: 0 }
    }
}

/// A delivery by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    pub uid: MessageUid,
    pub route: &'static str,
    pub part: u32,
    pub run: u32,
}

impl Piece {
    #[must_use]
    pub const fn new(uid: MessageUid, route: &'static str) -> Self {
        Self { uid, route, part: 0, run: 0 }
    }

    #[must_use]
    pub fn id(&self) -> DeliveryId {
        DeliveryId::of(self.uid, self.route, self.part, self.run)
    }

    /// The destinations are named as the routes.
    #[must_use]
    pub fn destination(&self) -> Name {
        Name::local(self.route)
    }
}

impl World {
    /// Time goes by.
    pub fn wait(&mut self, millis: u64) {
        self.now = self.now.plus(Duration::from_millis(millis));
    }

    pub fn write(&mut self, subject: &str, written: Written) -> u64 {
        let last = self.last.entry(subject.to_owned()).or_default();
        *last += 1;
        self.records.push((subject.to_owned(), *last, written));
        *last
    }

    /// A uid of this moment that no other message has.
    pub fn uid(&mut self) -> MessageUid {
        self.made += 1;
        let millis = u128::from(self.now.millis().unsigned_abs());
        MessageUid::from_bytes(((millis << 80) | (7 << 76) | (2 << 62) | self.made).to_be_bytes())
    }

    /// An envelope of the usual kind, received now.
    pub fn envelope(&mut self) -> Envelope {
        let uid = self.uid();
        Envelope {
            uid,
            listener: Name::local("mllp"),
            facility: FacilityRef { name: "default/chn".into(), speaks_for: None, verified: true },
            channel: Some(Name::local("admissions")),
            revision: Revision::of(b"admissions"),
            lanes: Lanes::of(vec![Lane::from_raw(7)]),
            received: self.now,
            digest: Digest::of(uid.as_bytes()),
            format: Format::Hl7v2,
            control_id: Bytes::from(format!("C{}", self.made)),
            message_type: kind("ADT", "A01", "ADT_A01"),
            cause: Cause::Received,
            parents: Vec::new(),
            origin: "10.0.0.1:50000".into(),
            traceparent: None,
            findings: Vec::new(),
            keys: Vec::new(),
            waits: None,
            reason: None,
            hops: 0,
        }
    }

    /// A message of the usual kind is accepted.
    pub fn accept(&mut self) -> MessageUid {
        self.accept_as(|_| {})
    }

    /// A message is accepted; `change` makes it differ from the usual. The facility's length picks the partition.
    pub fn accept_as(&mut self, change: impl FnOnce(&mut Envelope)) -> MessageUid {
        let mut envelope = self.envelope();
        change(&mut envelope);
        let uid = envelope.uid;
        self.messages.insert(uid, envelope.clone());
        let chained = if envelope.cause == Cause::Chained { ".chained" } else { "" };
        let subject = format!("in.{}{chained}", partition(&envelope));
        self.write(&subject, Written::In(envelope));
        self.wait(1);
        uid
    }

    fn partition_of(&self, uid: MessageUid) -> Partition {
        self.messages.get(&uid).map_or(Partition(0), partition)
    }

    /// What the router says of a message, before it is written.
    #[must_use]
    pub fn routed(&self, uid: MessageUid, disposition: Disposition, routes: &[&'static str]) -> RoutedRecord {
        let partition = self.partition_of(uid);
        let deliveries = routes.iter().map(|route| {
            let piece = Piece::new(uid, route);
            RoutedDelivery {
                id: piece.id(),
                route: (*route).into(),
                part: 0,
                destination: Some(piece.destination()),
                out: None,
                outcome: None,
                chained: None,
                findings: Vec::new(),
            }
        });
        RoutedRecord {
            uid,
            source: Source { partition, intake: Intake::Received, position: 1, output: 0, other: 0 },
            at: self.now,
            disposition,
            duplicate_of: None,
            findings: Vec::new(),
            deliveries: deliveries.collect(),
        }
    }

    pub fn write_routed(&mut self, record: RoutedRecord) {
        let subject = format!("routed.{}", record.source.partition);
        self.write(&subject, Written::Routed(record));
        self.wait(1);
    }

    /// The router makes a delivery for each route.
    pub fn route(&mut self, uid: MessageUid, routes: &[&'static str]) {
        self.write_routed(self.routed(uid, Disposition::Routed, routes));
    }

    /// The router recognises a resend.
    pub fn duplicate(&mut self, uid: MessageUid, of: MessageUid) {
        let record = self.routed(uid, Disposition::Duplicate, &[]);
        self.write_routed(RoutedRecord { duplicate_of: Some(of), ..record });
    }

    /// The router sets a message aside.
    pub fn set_aside(&mut self, uid: MessageUid, code: u16) {
        let record = self.routed(uid, Disposition::Quarantined, &[]);
        self.write_routed(RoutedRecord { findings: vec![finding(code)], ..record });
    }

    #[must_use]
    pub fn outcome(&self, piece: Piece, outcome: Option<Outcome>) -> OutcomeRecord {
        OutcomeRecord {
            id: piece.id(),
            uid: piece.uid,
            route: piece.route.into(),
            part: piece.part,
            run: piece.run,
            destination: piece.destination(),
            out: (self.partition_of(piece.uid), 5),
            park: None,
            outcome,
            at: self.now,
            attempts: 1,
            possible_duplicate: false,
            answer: Some(Answer { code: "AA".into(), bytes: Payload::default() }),
            findings: Vec::new(),
            actor: None,
            reason: None,
            awaited: None,
        }
    }

    pub fn write_outcome(&mut self, record: OutcomeRecord) {
        let subject = format!("outcome.{}", record.destination.subject_part());
        self.write(&subject, Written::Outcome(record));
        self.wait(1);
    }

    /// A delivery ends.
    pub fn end(&mut self, piece: Piece, outcome: Outcome) {
        self.write_outcome(self.outcome(piece, Some(outcome)));
    }

    /// A message comes, is routed and delivered.
    pub fn deliver(&mut self) -> MessageUid {
        let uid = self.accept();
        self.route(uid, &["registry"]);
        self.end(Piece::new(uid, "registry"), Outcome::Delivered);
        uid
    }

    #[must_use]
    pub fn out(&self, piece: Piece) -> OutRecord {
        OutRecord {
            id: piece.id(),
            uid: piece.uid,
            source: Source {
                partition: self.partition_of(piece.uid),
                intake: Intake::Received,
                position: 1,
                output: 0,
                other: 0,
            },
            channel: Name::local("admissions"),
            revision: Revision::of(b"admissions"),
            route: piece.route.into(),
            part: piece.part,
            run: piece.run,
            destination: piece.destination(),
            facility: "default/chn".into(),
            lanes: Lanes::of(vec![Lane::from_raw(7)]),
            received: self.now,
            message_type: MessageType::default(),
            set_aside: None,
            waits: None,
            traceparent: None,
            payload: Payload::new(Bytes::from_static(b"MSH|PAYLOAD-CANARY")),
        }
    }

    /// A delivery is parked; gives its place in PARK.
    pub fn park(&mut self, piece: Piece, why: Parked) -> u64 {
        let record = ParkRecord {
            why,
            at: self.now,
            out: (self.partition_of(piece.uid), 5),
            attempts: 3,
            possible_duplicate: false,
            findings: vec![finding(207)],
            answer: Some(Answer { code: "AE".into(), bytes: Payload::default() }),
            delivery: self.out(piece),
        };
        let subject = format!("park.{}", piece.destination().subject_part());
        let position = self.write(&subject, Written::Park(ParkEvent::Parked(Box::new(record))));
        self.wait(1);
        position
    }

    /// What stands at a place in PARK came back, was refused and is held.
    pub fn hold(&mut self, destination: &Name, position: u64) {
        let event = ParkEvent::Held { position, possible_duplicate: true };
        self.write(&format!("park.{}", destination.subject_part()), Written::Park(event));
    }

    /// What stands at a place in PARK waits no more.
    pub fn unpark(&mut self, destination: &Name, position: u64) {
        self.write(&format!("park.{}", destination.subject_part()), Written::Park(ParkEvent::Ended(position)));
    }

    /// A delivery is quarantined, as its destination's owner does it: PARK, then OUTCOME.
    pub fn quarantine(&mut self, piece: Piece) {
        let park = Some(self.park(piece, Parked::Quarantined));
        let record = self.outcome(piece, Some(Outcome::Quarantined));
        self.write_outcome(OutcomeRecord { park, attempts: 3, findings: vec![finding(207)], ..record });
    }

    pub fn command(&mut self, verb: &str, target: &str) {
        self.command_with(verb, target, "{}");
    }

    pub fn command_with(&mut self, verb: &str, target: &str, detail: &str) {
        let record = CommandRecord {
            at: self.now,
            actor: "amina".into(),
            reason: "asked by the laboratory".into(),
            verb: verb.into(),
            target: target.into(),
            detail: detail.into(),
        };
        self.write("command", Written::Command(record));
        self.wait(1);
    }

    pub fn refuse(&mut self, control_id: &str) {
        let record = RefusedRecord {
            at: self.now,
            listener: Name::local("mllp"),
            origin: "10.9.9.9:1".into(),
            facility: Some("default/chn".into()),
            channel: None,
            control_id: Bytes::copy_from_slice(control_id.as_bytes()),
            message_type: kind("ADT", "A01", "ADT_A01"),
            code: "AE".into(),
            findings: vec![finding(101)],
            raw: Payload::new(Bytes::from_static(b"MSH|PAYLOAD-CANARY")),
        };
        self.write("refused", Written::Refused(record));
        self.wait(1);
    }

    /// The messages that were accepted, in order of their uids.
    #[must_use]
    pub fn uids(&self) -> Vec<MessageUid> {
        self.messages.keys().copied().collect()
    }

    /// Applies everything, in the order it was written.
    pub fn apply(&self, ledger: &dyn Ledger) {
        apply(ledger, &self.records);
    }
}

/// Applies records in one batch, with their positions.
pub fn apply(ledger: &dyn Ledger, records: &[(String, u64, Written)]) {
    let mut positions: BTreeMap<&str, u64> = BTreeMap::new();
    for (subject, position, _) in records {
        let last = positions.entry(subject).or_default();
        *last = (*last).max(*position);
    }
    let positions: Vec<(&str, u64)> = positions.into_iter().collect();
    ledger.apply(&changes(records), &positions).unwrap();
}

/// Records as changes.
#[must_use]
pub fn changes(records: &[(String, u64, Written)]) -> Vec<Change<'_>> {
    records
        .iter()
        .map(|(subject, position, written)| Change {
            subject,
            position: *position,
            entry: match written {
                Written::In(envelope) => Entry::In { envelope, bytes: 1_300 },
                Written::Routed(record) => Entry::Routed(record),
                Written::Out(record) => Entry::Out(record),
                Written::Outcome(record) => Entry::Outcome(record),
                Written::Park(record) => Entry::Park(record),
                Written::Refused(record) => Entry::Refused(record),
                Written::Command(record) => Entry::Command(record),
            },
        })
        .collect()
}

fn partition(envelope: &Envelope) -> Partition {
    Partition(u16::try_from(envelope.facility.name.len() % 16).unwrap())
}

#[must_use]
pub fn kind(code: &str, event: &str, structure: &str) -> MessageType {
    MessageType { code: code.into(), event: event.into(), structure: structure.into(), version: "2.5.1".into() }
}

#[must_use]
pub fn finding(code: u16) -> Finding {
    Finding::error(code, "PID-3", "required", "a required field is empty")
}

#[must_use]
pub fn key(name: &str, value: &str) -> SearchKey {
    SearchKey { name: Arc::from(name), value: value.to_owned() }
}
