//! Any text as an expression: it compiles or says why, and evaluates within its bound or says why.
#![no_main]

use barid_expr::{FacilityFacts, Item, ItemKind, MessageFacts, Place, Program, Scope, Type};
use barid_hl7::{Limits, Message, SegmentId};
use barid_model::{MessageUid, Name, Timestamp};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

const MESSAGE: &[u8] = b"MSH|^~\\&|A|B|||2026||ORU^R01|1|P|2.5\rPID|1||A7^^^X~9||D^A&b||\"\"\rOBX|1|NM|G||5.4\rOBX|2|ST|T||R\\T\\D\r";

fuzz_target!(|source: &str| {
    let obx = SegmentId::new(*b"OBX").map(|id| Item { name: "item".to_owned(), kind: ItemKind::Segment(id) });
    let scope = Scope::new(Place::Step);
    let scope = obx.map_or(scope.clone(), |item| scope.with_item(item));
    let program = match Program::compile(source, &scope, Type::Any) {
        Ok(program) => program,
        Err(error) => {
            assert!(error.offset <= source.len() && !error.remedy.is_empty(), "{error}");
            return;
        }
    };
    let Ok(parsed) = Message::parse(Bytes::from_static(MESSAGE), &Limits::default()) else { return };
    let (facility, listener) = (FacilityFacts::default(), Name::local("l"));
    let facts = MessageFacts {
        fields: &parsed.message,
        facility: &facility,
        listener: &listener,
        received: Timestamp::from_millis(0),
        uid: MessageUid::from_bytes([7; 16]),
    };
    let first = program.eval(&facts);
    assert_eq!(first.is_ok(), program.eval(&facts).is_ok(), "the same twice");
});
