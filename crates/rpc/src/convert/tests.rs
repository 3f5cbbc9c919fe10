//! Strictness: whatever a contract needs and does not get is named; nothing is guessed.

use barid_hl7::Charset;
use barid_model::stage::StageError;
use barid_model::{
    Cause, Digest, Envelope, FacilityRef, Finding, Format, Lane, Lanes, MessageType, MessageUid, Name, Revision,
    SearchKey, Severity, Timestamp, Waits,
};
use bytes::Bytes;

use super::envelope::{envelope, envelope_wire};
use super::*;
use crate::proto::{model::v1 as model, parse::v1 as parse, transform::v1 as transform};

fn full() -> Envelope {
    Envelope {
        uid: MessageUid::from_bytes([1; 16]),
        listener: Name::new("north", "mllp"),
        facility: FacilityRef { name: "north/chn".into(), speaks_for: Some("north/clinic".into()), verified: true },
        channel: Some(Name::new("north", "admissions")),
        revision: Revision::from_bytes([2; 16]),
        lanes: Lanes::of(vec![Lane::from_raw(7), Lane::from_raw(u64::MAX)]),
        received: Timestamp::from_micros(-5),
        digest: Digest::of(b"raw"),
        format: Format::Hl7v2,
        control_id: Bytes::from_static(b"\xff\x00id"),
        message_type: MessageType {
            code: "ADT".into(),
            event: "A01".into(),
            structure: "ADT_A01".into(),
            version: "2.5".into(),
        },
        cause: Cause::Replayed,
        parents: vec![MessageUid::from_bytes([3; 16])],
        origin: "192.0.2.1:5".to_owned(),
        traceparent: Some("00-1-2-01".to_owned()),
        findings: vec![Finding { severity: Severity::Information, ..Finding::error(102, "PID-3", "rule", "text") }],
        keys: vec![SearchKey { name: "patient".into(), value: "ab".to_owned() }],
        waits: Some(Waits { route: Some("r".into()), timeout: std::time::Duration::from_secs(30), query: true }),
        reason: Some("asked for".to_owned()),
        hops: 255,
    }
}

#[test]
fn an_envelope_arrives_as_it_was_sent() {
    let sparse = Envelope {
        channel: None,
        lanes: Lanes::Barrier,
        traceparent: None,
        waits: None,
        reason: None,
        parents: Vec::new(),
        ..full()
    };
    for sent in [full(), sparse, Envelope { lanes: Lanes::None, ..full() }] {
        assert_eq!(envelope(envelope_wire(&sent)), Ok(sent));
    }
}

/// Changes to a good envelope, and the field that each makes wrong.
#[test]
fn an_envelope_that_lacks_something_or_has_too_much_is_refused_by_the_name_of_the_field() {
    type Change = fn(&mut model::Envelope);
    let cases: [(&str, Change); 16] = [
        ("envelope.uid", |e| e.uid = Bytes::new()),
        ("envelope.uid", |e| e.uid = Bytes::from_static(&[0; 17])),
        ("envelope.listener", |e| e.listener = "mllp".to_owned()),
        ("envelope.facility", |e| e.facility = None),
        ("envelope.facility.name", |e| e.facility.as_mut().unwrap().name.clear()),
        ("envelope.channel", |e| e.channel = Some(String::new())),
        ("envelope.revision", |e| e.revision = Bytes::new()),
        ("envelope.lanes", |e| e.lanes = None),
        ("envelope.lanes", |e| e.lanes.as_mut().unwrap().barrier = true),
        ("envelope.lanes", |e| e.lanes.as_mut().unwrap().lanes = (0..17).collect()),
        ("envelope.digest", |e| e.digest = Bytes::from_static(&[0; 31])),
        ("envelope.format", |e| e.format = 99),
        ("envelope.cause", |e| e.cause = 0),
        ("finding.severity", |e| e.findings[0].severity = 0),
        ("finding.code", |e| e.findings[0].code = 70_000),
        ("envelope.hops", |e| e.hops = 256),
    ];
    for (field, change) in cases {
        let mut wire = envelope_wire(&full());
        change(&mut wire);
        assert_eq!(envelope(wire), Err(Invalid { field }), "{field}");
    }
}

#[test]
fn an_item_of_the_parse_stage_that_lacks_something_fails_alone() {
    let good = || parse::ParseItem {
        uid: Bytes::from_static(&[1; 16]),
        raw: Bytes::from_static(b"MSH|"),
        received_micros: 1,
        listener: "default/mllp".to_owned(),
        peer: 0,
        traceparent: None,
        snapshot: Bytes::from_static(&[2; 16]),
        context: Bytes::new(),
    };
    let peers = || vec![parse::Peer { address: None, certificate: None, tokens: Vec::new(), origin: "x".to_owned() }];
    type Change = fn(&mut parse::ParseItem);
    let cases: [(&str, Change); 5] = [
        ("item.uid", |i| i.uid = Bytes::new()),
        ("item.listener", |i| i.listener = "/".to_owned()),
        ("item.peer", |i| i.peer = 1),
        ("item.snapshot", |i| i.snapshot = Bytes::new()),
        ("item.context", |i| i.context = Bytes::from_static(b"from the future")),
    ];
    for (field, change) in cases {
        let mut item = good();
        change(&mut item);
        let mut read = parse_parts(parse::ParseRequest { peers: peers(), items: vec![good(), item] }).into_iter();
        assert!(read.next().unwrap().is_ok());
        assert_eq!(read.next().unwrap().err(), Some(Invalid { field }));
    }
    let broken = parse::Peer { address: Some(Bytes::from_static(&[1; 5])), ..peers().remove(0) };
    let read = parse_parts(parse::ParseRequest { peers: vec![broken], items: vec![good()] }).remove(0);
    assert_eq!(read.err(), Some(Invalid { field: "peer.address" }));
}

#[test]
fn an_item_of_the_apply_stage_needs_an_envelope_with_a_channel() {
    let field = |envelope| {
        let item = transform::ApplyItem { envelope, raw: Bytes::new(), context: Bytes::new() };
        apply_parts(transform::ApplyRequest { items: vec![item] }).remove(0).err().map(|invalid| invalid.field)
    };
    assert_eq!(field(None), Some("item.envelope"));
    assert_eq!(field(Some(envelope_wire(&Envelope { channel: None, ..full() }))), Some("item.envelope.channel"));
    assert_eq!(field(Some(envelope_wire(&full()))), None);
}

#[test]
fn a_result_with_what_is_not_known_here_is_refused() {
    let route = |target, output| transform::Route { name: "r".to_owned(), target, output };
    let to = || Some(transform::route::Target::Destination("default/d".to_owned()));
    let piece = |bytes| {
        let pieces = vec![transform::Piece { bytes }];
        Some(transform::route::Output::Sent(transform::Sent { pieces }))
    };
    let cases = [
        ("route.target", route(None, piece(None))),
        ("route.destination", route(Some(transform::route::Target::Destination("d".to_owned())), piece(None))),
        ("route.output", route(to(), None)),
        ("route.sent.pieces", route(to(), piece(None))),
        ("route.sent.pieces", route(to(), piece(Some(transform::piece::Bytes::AsReceived(false))))),
        ("route.sent.payload", route(to(), piece(Some(transform::piece::Bytes::Payload(3))))),
    ];
    for (field, route) in cases {
        let routed = transform::Routed { routes: vec![route], payloads: vec![Bytes::new()] };
        let result = transform::apply_result::Result::Routed(routed);
        assert_eq!(applied(result, &barid_model::Payload::default()), Err(Invalid { field }), "{field}");
    }
}

#[test]
fn every_failure_arrives_as_it_is() {
    let all = [
        Failed::Stage(StageError::Crashed),
        Failed::Stage(StageError::UnknownRevision(Revision::from_bytes([4; 16]))),
        Failed::Stage(StageError::Unavailable("why".to_owned())),
        Failed::Invalid("what".to_owned()),
        Failed::Alone,
    ];
    for sent in all {
        assert_eq!(failed(failure_wire(&sent)), Ok(sent));
    }
    let unknown = model::Failure { kind: 17, text: String::new(), revision: Bytes::new() };
    assert_eq!(failed(unknown), Err(Invalid { field: "failure.kind" }));
}

#[test]
fn every_character_set_has_a_name_that_stands_for_it() {
    for charset in Charset::ALL {
        assert_eq!(Charset::from_name(charset.hl7_name()), Ok(charset));
    }
}
