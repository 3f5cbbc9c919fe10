//! Any steps on any message: what comes out is a message, within its bound, the same twice and traced alike.
//!
//! The input is the steps as JSON, a zero byte, and the message.
#![no_main]

use std::sync::Arc;

use barid_expr::{Budget, FacilityFacts, Place, Scope};
use barid_hl7::{Draft, Limits, Message, SegmentEnds};
use barid_model::{
    Cause, Digest, Envelope, FacilityRef, Format, Lanes, MessageType, MessageUid, Name, Revision, Timestamp,
};
use barid_transform::document::{CodeRow, Reference, Step};
use barid_transform::{CompileEnv, Context, Library, Mapping, Table, Trace, Unresolved};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

/// Steps a run may take here: a run of the full bound takes too long to be one of millions.
const STEPS: u64 = 20_000;

struct Shelf;

impl Library for Shelf {
    fn table(&self, _: &str, _: &Reference) -> Result<Arc<Table>, Unresolved> {
        let row = CodeRow { from: "I".to_owned(), to: "a|b^c".to_owned(), display: Some("\r".to_owned()), system: None };
        Table::compile(&[row]).map(Arc::new).map_err(|_| Unresolved::unknown("CodeTable", "t", []))
    }

    fn mapping(&self, _: &str, reference: &Reference) -> Result<(Name, Arc<[Step]>), Unresolved> {
        Err(Unresolved::unknown("Mapping", &reference.name, []))
    }
}

fn envelope() -> Envelope {
    Envelope {
        uid: MessageUid::from_bytes([7; 16]),
        listener: Name::local("l"),
        facility: FacilityRef { name: "f".into(), speaks_for: None, verified: false },
        channel: None,
        revision: Revision::default(),
        lanes: Lanes::None,
        received: Timestamp::from_millis(0),
        digest: Digest::default(),
        format: Format::Hl7v2,
        control_id: Bytes::new(),
        message_type: MessageType::default(),
        cause: Cause::Received,
        parents: Vec::new(),
        origin: String::new(),
        traceparent: None,
        findings: Vec::new(),
        keys: Vec::new(),
        waits: None,
        reason: None,
        hops: 0,
    }
}

fuzz_target!(|data: &[u8]| {
    let Some(at) = data.iter().position(|&byte| byte == 0) else { return };
    let (json, raw) = data.split_at(at);
    let Ok(steps) = serde_json::from_slice::<Vec<Step>>(json) else { return };
    let scope = Scope::new(Place::Step);
    let env = CompileEnv { scope: &scope, namespace: "default", library: &Shelf };
    let mapping = match Mapping::compile(&steps, "steps", &env) {
        Ok(mapping) => mapping,
        Err(errors) => return assert!(errors.iter().all(|error| !error.remedy.is_empty())),
    };
    let Ok(parsed) = Message::parse(Bytes::copy_from_slice(&raw[1..]), &Limits::default()) else { return };
    let (envelope, facility) = (envelope(), FacilityFacts::default());
    let context = Context { envelope: &envelope, facility: &facility };
    let mut draft = Draft::new(&parsed.message);
    let done = mapping.run(&mut draft, context, &mut Budget::of(STEPS));

    let mut again = Draft::new(&parsed.message);
    let mut trace = Trace::default();
    let traced = mapping.run_traced(&mut again, context, &mut Budget::of(STEPS), &mut trace);
    let (Ok(()), Ok(())) = (done, traced) else { return };
    let out = draft.finish(SegmentEnds::Cr);
    assert_eq!(out, again.finish(SegmentEnds::Cr), "traced or not");
    let read = Message::parse(out.clone(), &Limits::default());
    assert!(read.is_ok_and(|read| read.message.segment_count() == draft.segment_count()), "still a message");
});
