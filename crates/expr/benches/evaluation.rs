//! What an expression costs on a message: the usual conditions of channels and steps, against the interpreter of crate
//! `cel` with the few fields they need laid out for it (aim: under 2 µs, far under).

#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::collections::HashMap;
use std::hint::black_box;

use barid_expr::{FacilityFacts, MessageFacts, Place, Program, Scope, Type};
use barid_hl7::{Limits, Message};
use barid_model::{MessageUid, Name, Timestamp};
use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};

const MESSAGE: &[u8] = b"MSH|^~\\&|HIS|CHN|BARID|MSP|20261122101500||ADT^A01^ADT_A01|42|P|2.5\rEVN|A01|20261122\r\
    PID|1||A7^^^CHN~9^^^NAT||DIALLO^Aissata||19800314|F\rPV1|1|I|MED^201^A^CHN\r";

fn evaluation(c: &mut Criterion) {
    let message = Message::parse(Bytes::from_static(MESSAGE), &Limits::default()).unwrap().message;
    let (facility, listener) = (FacilityFacts::default(), Name::local("mllp"));
    let facts = MessageFacts {
        fields: &message,
        facility: &facility,
        listener: &listener,
        received: Timestamp::from_millis(1_795_342_500_000),
        uid: MessageUid::from_bytes([7; 16]),
    };
    let mut group = c.benchmark_group("evaluate");
    for (name, source) in [
        ("event_in_list", "msg.event in ['A01', 'A04', 'A08', 'A40']"),
        ("field_not_empty", "msg['PV1-2'] != ''"),
        ("three_conditions", "msg.type == 'ADT' && msg['PV1-2'] == 'I' && !msg['PV1-3.1'].startsWith('ICU')"),
        ("over_repetitions", "msg.all('PID-3[*].4').exists(x, x == 'NAT')"),
        ("concatenation", "msg['PID-3.1'] + '-' + msg['PV1-3.4'].lower()"),
    ] {
        let program = Program::compile(source, &Scope::new(Place::Message), Type::Any).unwrap();
        group.bench_function(name, |b| b.iter(|| black_box(program.eval(black_box(&facts)).unwrap())));
    }
    group.finish();

    let mut group = c.benchmark_group("interpreter_of_crate_cel");
    let program = cel::Program::compile("msg.event in ['A01', 'A04', 'A08', 'A40']").unwrap();
    group.bench_function("event_in_list", |b| {
        b.iter(|| {
            let mut context = cel::Context::default();
            context.add_variable("msg", HashMap::from([("event".to_owned(), "A01".to_owned())])).unwrap();
            black_box(program.execute(&context).unwrap())
        });
    });
    group.finish();

    let scope = Scope::new(Place::Message);
    c.bench_function("compile", |b| {
        b.iter(|| {
            Program::compile(black_box("msg.event in ['A01', 'A04', 'A08', 'A40']"), &scope, Type::Bool).unwrap()
        });
    });
    c.bench_function("compile_with_crate_cel", |b| {
        b.iter(|| cel::Program::compile(black_box("msg.event in ['A01', 'A04', 'A08', 'A40']")).unwrap());
    });
}

criterion_group!(benches, evaluation);
criterion_main!(benches);
