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
    for event in [ParkEvent::Parked(Box::new(park)), ParkEvent::Ended(12), ParkEvent::Held { position: 7, possible_duplicate: true }] {
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

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_are_an_error_and_never_a_panic(bytes in proptest::collection::vec(0_u8.., 0..200)) {
        let bytes = Bytes::from(bytes);
        drop(InRecord::decode(bytes.clone()));
        drop(OutRecord::decode(bytes.clone()));
        drop(OutcomeRecord::decode(bytes.clone()));
        drop(ParkEvent::decode(bytes));
    }
}
