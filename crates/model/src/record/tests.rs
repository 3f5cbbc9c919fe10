//! Records read back as they were written, strictly, and show no payload.

use super::*;
use crate::envelope::{Cause, FacilityRef, Format};
use crate::lane::Lane;

fn envelope() -> Envelope {
    Envelope {
        uid: MessageUid::new(Timestamp::from_millis(1_700_000_000_000)),
        listener: Name::local("mllp"),
        facility: FacilityRef { name: "default/chn".into(), speaks_for: Some("default/lab".into()), verified: true },
        channel: Some(Name::local("admissions")),
        revision: Revision::of(b"closure"),
        lanes: Lanes::of(vec![Lane::from_raw(7), Lane::from_raw(3), Lane::from_raw(7)]),
        received: Timestamp::from_micros(-5),
        digest: Digest::of(b"x"),
        format: Format::Hl7v2,
        control_id: Bytes::from_static(b"0001\xff"),
        message_type: MessageType { code: "ADT".into(), event: "A01".into(), ..MessageType::default() },
        cause: Cause::Edited,
        parents: vec![MessageUid::new(Timestamp::from_millis(1))],
        origin: "10.0.0.1:5000".into(),
        traceparent: None,
        findings: vec![Finding::warning(100, "PID[2]", "order", "segment is not expected here")],
        keys: vec![crate::SearchKey { name: "patient".into(), value: "ab".into() }],
        waits: Some(Waits { route: None, timeout: std::time::Duration::from_secs(30), query: true }),
        reason: Some("asked for".into()),
        hops: 2,
    }
}

fn delivery() -> OutRecord {
    let envelope = envelope();
    OutRecord {
        id: DeliveryId::of(envelope.uid, "registry", 0, 0),
        uid: envelope.uid,
        source: Source { partition: Partition(3), intake: Intake::Chained, position: 9, output: 1, other: 4 },
        channel: Name::local("admissions"),
        revision: envelope.revision,
        route: "registry".into(),
        part: 0,
        run: 0,
        destination: Name::new("regions", "client-registry"),
        facility: envelope.facility.name,
        lanes: Lanes::Barrier,
        received: envelope.received,
        message_type: envelope.message_type,
        set_aside: Some(vec![]),
        waits: Some(WaitingCaller {
            key: Digest::of(b"k"),
            waits: Waits { route: Some("registry".into()), timeout: std::time::Duration::from_secs(1), query: false },
        }),
        traceparent: Some("00-1-2-01".into()),
        payload: Payload::new(Bytes::from_static(b"MSH|")),
    }
}

#[test]
fn a_record_reads_back_as_it_was_written() {
    let record =
        InRecord { envelope: envelope(), source: None, raw: Payload::new(Bytes::from_static(b"MSH|^~\\&|\xe9")) };
    assert_eq!(InRecord::decode(record.encode()).unwrap(), record);
    let out = delivery();
    assert_eq!(OutRecord::decode(out.encode()).unwrap(), out);
    let park = ParkRecord {
        why: Parked::Held,
        at: Timestamp::from_millis(5),
        out: (Partition(3), 77),
        attempts: 4,
        possible_duplicate: true,
        findings: vec![],
        answer: Some(Answer { code: "AE".into(), bytes: Payload::default() }),
        delivery: out,
    };
    for event in [
        ParkEvent::Parked(Box::new(park)),
        ParkEvent::Ended(12),
        ParkEvent::Held { position: 7, possible_duplicate: true },
    ] {
        assert_eq!(ParkEvent::decode(event.encode()).unwrap(), event);
    }
}

#[test]
fn the_payload_of_a_record_is_not_copied() {
    let record = InRecord { envelope: envelope(), source: None, raw: Payload::new(Bytes::from(vec![b'x'; 4096])) };
    let bytes = record.encode();
    let read = InRecord::decode(bytes.clone()).unwrap();
    assert!(bytes.as_ptr_range().contains(&read.raw.as_ptr()));
}

#[test]
fn a_record_of_a_newer_version_is_refused_by_number() {
    let mut wire = <wire::In as prost::Message>::decode(
        InRecord { envelope: envelope(), source: None, raw: Payload::default() }.encode(),
    )
    .unwrap();
    wire.version = RECORD_VERSION + 1;
    let error = InRecord::decode(prost::Message::encode_to_vec(&wire).into()).unwrap_err();
    assert!(error.to_string().contains("newer than this Barid reads"), "{error}");
}

#[test]
fn debug_of_a_record_does_not_show_the_payload() {
    let record =
        InRecord { envelope: envelope(), source: None, raw: Payload::new(Bytes::from_static(b"CANARY-PATIENT")) };
    assert!(!format!("{record:?}").contains("CANARY"));
}

#[test]
fn the_last_source_of_a_subject_covers_what_was_written_before_it_from_both_intakes() {
    let at = |intake, position, output, other| Source { partition: Partition(0), intake, position, output, other };
    let last = at(Intake::Received, 6, 1, 2);
    assert!(last.covers(&at(Intake::Received, 6, 1, 0)));
    assert!(last.covers(&at(Intake::Received, 5, 9, 0)));
    assert!(last.covers(&at(Intake::Chained, 2, 3, 9)));
    assert!(!last.covers(&at(Intake::Received, 6, 2, 0)));
    assert!(!last.covers(&at(Intake::Received, 7, 0, 0)));
    assert!(!last.covers(&at(Intake::Chained, 3, 0, 0)));
}

fn routed() -> RoutedRecord {
    let out = delivery();
    let piece = |part, destination: Option<Name>, outcome, place, chained| RoutedDelivery {
        id: DeliveryId::of(out.uid, "registry", part, 0),
        route: "registry".into(),
        part,
        destination,
        out: place,
        outcome,
        chained,
        findings: vec![Finding::error(207, "", "route.channel", "it is not running")],
    };
    RoutedRecord {
        uid: out.uid,
        source: out.source,
        at: Timestamp::from_micros(1_234_567),
        disposition: Disposition::Routed,
        duplicate_of: None,
        findings: vec![],
        deliveries: vec![
            piece(0, Some(Name::new("regions", "client-registry")), None, Some(0), None),
            piece(1, Some(Name::local("archive")), Some(Outcome::Filtered), None, None),
            piece(2, None, Some(Outcome::Delivered), None, Some(MessageUid::derived(out.uid, "next", 2))),
        ],
    }
}

fn outcome_record(outcome: Option<Outcome>) -> OutcomeRecord {
    let out = delivery();
    OutcomeRecord {
        id: out.id,
        uid: out.uid,
        route: out.route,
        part: 7,
        run: 2,
        destination: out.destination,
        out: (Partition(63), u64::MAX),
        park: Some(0),
        outcome,
        at: Timestamp::from_micros(-1),
        attempts: 17,
        possible_duplicate: true,
        answer: Some(Answer { code: "AE".into(), bytes: Payload::new(Bytes::from_static(b"MSA|AE|\xff")) }),
        findings: vec![Finding::warning(102, "PID-3[2].1", "type", "not a number")],
        actor: Some("amina".into()),
        reason: Some(String::new()),
        awaited: Some(Digest::of(b"key")),
    }
}

#[test]
fn what_became_of_a_message_reads_back_for_every_disposition() {
    let routed = routed();
    let duplicate_of = Some(MessageUid::from_bytes([9; 16]));
    for disposition in [Disposition::Routed, Disposition::Duplicate, Disposition::Quarantined] {
        for duplicate_of in [None, duplicate_of] {
            let record = RoutedRecord { disposition, duplicate_of, ..routed.clone() };
            assert_eq!(RoutedRecord::decode(record.encode()).unwrap(), record);
        }
    }
}

#[test]
fn how_a_delivery_ended_reads_back_for_every_outcome_and_for_none() {
    for outcome in Outcome::ALL.into_iter().map(Some).chain([None]) {
        let record = outcome_record(outcome);
        assert_eq!(OutcomeRecord::decode(record.encode()).unwrap(), record);
        let bare = OutcomeRecord {
            park: None,
            answer: None,
            findings: vec![],
            actor: None,
            reason: None,
            awaited: None,
            ..record
        };
        assert_eq!(OutcomeRecord::decode(bare.encode()).unwrap(), bare);
    }
}

#[test]
fn every_reason_for_parking_reads_back() {
    let reasons = [Parked::Held, Parked::Rerun, Parked::Paused, Parked::Stalled, Parked::Follows, Parked::Quarantined];
    for why in reasons {
        let record = ParkRecord {
            why,
            at: Timestamp::from_millis(5),
            out: (Partition(3), 77),
            attempts: 4,
            possible_duplicate: why == Parked::Held,
            findings: vec![],
            answer: None,
            delivery: delivery(),
        };
        let event = ParkEvent::Parked(Box::new(record));
        assert_eq!(ParkEvent::decode(event.encode()).unwrap(), event);
    }
}

#[test]
fn a_refusal_reads_back_with_and_without_what_could_be_known_of_it() {
    let record = RefusedRecord {
        at: Timestamp::from_millis(9),
        listener: Name::local("mllp"),
        origin: "10.0.0.1:9".into(),
        facility: Some("default/chn".into()),
        channel: Some(Name::new("regions", "admissions")),
        control_id: Bytes::from_static(b"A\xe9"),
        message_type: envelope().message_type,
        code: "AR".into(),
        findings: vec![Finding::error(200, "MSH-9.1", "channel", "no channel takes this type")],
        raw: Payload::new(Bytes::from_static(b"MSH|^~")),
    };
    assert_eq!(RefusedRecord::decode(record.encode()).unwrap(), record);
    let unknown = RefusedRecord {
        facility: None,
        channel: None,
        control_id: Bytes::new(),
        message_type: MessageType::default(),
        raw: Payload::default(),
        ..record
    };
    assert_eq!(RefusedRecord::decode(unknown.encode()).unwrap(), unknown);
}

#[test]
fn a_command_reads_back_with_who_and_why() {
    let record = CommandRecord {
        at: Timestamp::from_millis(9),
        actor: "amina".into(),
        reason: "le laboratoire l'a demandé".into(),
        verb: "replay".into(),
        target: "channel default/admissions".into(),
        detail: "{\"since\":\"2026-01-01\"}".into(),
    };
    assert_eq!(CommandRecord::decode(record.encode()).unwrap(), record);
}

#[test]
fn an_awaited_answer_reads_back_whole_and_needs_an_outcome() {
    for outcome in Outcome::ALL {
        let answer = Answer { code: "AA".into(), bytes: Payload::new(Bytes::from(vec![b'x'; ANSWER_BYTES_MAX + 1])) };
        let record = AnswerRecord { outcome, at: Timestamp::from_millis(3), answer, findings: vec![] };
        assert_eq!(AnswerRecord::decode(record.encode()).unwrap(), record);
    }
    let mut wire = wire::Awaited { version: RECORD_VERSION, ..wire::Awaited::default() };
    let error = AnswerRecord::decode(prost::Message::encode_to_vec(&wire).into()).unwrap_err();
    assert_eq!(error.to_string(), "record lacks a valid outcome");
    wire.outcome = 99;
    assert!(AnswerRecord::decode(prost::Message::encode_to_vec(&wire).into()).is_err());
}

#[test]
fn a_record_that_lacks_what_its_kind_needs_names_the_field() {
    let text = |bytes: Vec<u8>| RoutedRecord::decode(bytes.into()).unwrap_err().to_string();
    let mut wire = <wire::Routed as prost::Message>::decode(routed().encode()).unwrap();
    wire.uid = Bytes::from_static(b"short");
    assert_eq!(text(prost::Message::encode_to_vec(&wire)), "record lacks a valid uid");
    let mut wire = <wire::Routed as prost::Message>::decode(routed().encode()).unwrap();
    wire.disposition = 0;
    assert_eq!(text(prost::Message::encode_to_vec(&wire)), "record lacks a valid disposition");
    let mut wire = <wire::Routed as prost::Message>::decode(routed().encode()).unwrap();
    wire.source = None;
    assert_eq!(text(prost::Message::encode_to_vec(&wire)), "record lacks a valid source");
    // Bytes of nothing have no version: another kind of record, or none, is never taken for an empty one.
    assert!(matches!(OutcomeRecord::decode(Bytes::new()), Err(RecordError::Version(0))));
}

#[test]
fn g7_debug_of_an_answer_or_a_refusal_shows_no_bytes_of_a_message() {
    let canary = Payload::new(Bytes::from_static(b"CANARY-PATIENT"));
    let answer = Answer { code: "AE".into(), bytes: canary };
    let record = OutcomeRecord { answer: Some(answer), ..outcome_record(Some(Outcome::Rejected)) };
    assert!(!format!("{record:?}").contains("CANARY"));
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_are_an_error_and_never_a_panic(bytes in proptest::collection::vec(0_u8.., 0..200)) {
        let bytes = Bytes::from(bytes);
        drop(InRecord::decode(bytes.clone()));
        drop(OutRecord::decode(bytes.clone()));
        drop(OutcomeRecord::decode(bytes.clone()));
        drop(ParkEvent::decode(bytes.clone()));
        drop(RoutedRecord::decode(bytes.clone()));
        drop(RefusedRecord::decode(bytes.clone()));
        drop(AnswerRecord::decode(bytes.clone()));
        drop(CommandRecord::decode(bytes));
    }
}
