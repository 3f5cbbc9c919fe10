//! What the apply stage costs: six steps on an admission of 1.3 kB (aim: 15 µs), its parts, and how long the bounds take
//! to be reached on input that is made to reach them.

#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::hint::black_box;
use std::sync::Arc;

use barid_expr::{Budget, FacilityFacts, Place, Program, Scope, Type};
use barid_hl7::{Limits, Message, SegmentEnds};
use barid_model::stage::Stage;
use barid_model::{
    Cause, Digest, Envelope, FacilityRef, Format, Lanes, MessageType, MessageUid, Name, Payload, Revision, Timestamp,
};
use barid_transform::document::{CodeRow, Reference, Step};
use barid_transform::{
    Apply, ApplyInput, ChannelProgram, CompileEnv, Library, Mapping, Outgoing, RouteProgram, RouteTarget,
    STEPS_A_MAPPING, Table, Unresolved,
};
use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

const ADT: &str = include_str!("adt.hl7");

const SIX: &str = r#"[
    {"set":{"path":"MSH-5","to":"'MOH'"}},
    {"set":{"path":"MSH-6","to":"const.country + '-' + facility.name"},"when":"msg.event in ['A01', 'A04', 'A08']"},
    {"lookup":{"path":"PV1-2","table":{"name":"patient-class"}},"when":"msg['PV1-2'] != ''"},
    {"copy":{"from":"PID-3.1","to":"PID-2"}},
    {"format":{"path":"PID-5.1","case":"upper"}},
    {"delete":{"path":"ZPI[*]"}}
]"#;

struct Shelf(Arc<Table>);

impl Library for Shelf {
    fn table(&self, _: &str, _: &Reference) -> Result<Arc<Table>, Unresolved> {
        Ok(self.0.clone())
    }

    fn mapping(&self, _: &str, reference: &Reference) -> Result<(Name, Arc<[Step]>), Unresolved> {
        Err(Unresolved::unknown("Mapping", &reference.name, []))
    }
}

fn compile(json: &str) -> Mapping {
    let row = |from: &str, to: &str| CodeRow { from: from.to_owned(), to: to.to_owned(), display: None, system: None };
    let table = Table::compile(&[row("I", "IMP"), row("O", "AMB"), row("E", "EMER")]).unwrap();
    let steps: Vec<Step> = serde_json::from_str(json).unwrap();
    let constants = [("country".to_owned(), "MRT".to_owned())].into();
    let scope = Scope::new(Place::Step).with_constants(Arc::new(constants));
    let env = CompileEnv { scope: &scope, namespace: "default", library: &Shelf(Arc::new(table)) };
    Mapping::compile(&steps, "transform", &env).unwrap()
}

fn envelope() -> Envelope {
    Envelope {
        uid: MessageUid::from_bytes([7; 16]),
        listener: Name::local("mllp"),
        facility: FacilityRef { name: "default/chn".into(), speaks_for: None, verified: true },
        channel: None,
        revision: Revision::default(),
        lanes: Lanes::None,
        received: Timestamp::from_millis(1_795_342_500_000),
        digest: Digest::default(),
        format: Format::Hl7v2,
        control_id: Bytes::from_static(b"42"),
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

fn input(text: &str, transform: Mapping, when: Option<&str>) -> ApplyInput {
    let when = when.map(|source| Program::compile(source, &Scope::new(Place::Message), Type::Bool).unwrap());
    let route = RouteProgram {
        name: "registry".into(),
        target: RouteTarget::Destination(Name::local("registry")),
        when,
        transform: Mapping::default(),
        outgoing: Outgoing::default(),
    };
    let program = ChannelProgram { filter: None, transform, routes: vec![route] };
    let facility = FacilityFacts { name: "chn".to_owned(), ..FacilityFacts::default() };
    let raw = Payload::new(Bytes::copy_from_slice(text.as_bytes()));
    ApplyInput::new(Arc::new(envelope()), raw, Arc::new(program), Arc::new(facility))
}

fn stage(c: &mut Criterion) {
    let text = ADT.replace('\n', "\r");
    let when = Some("msg.event in ['A01', 'A04', 'A08', 'A40']");
    let mut group = c.benchmark_group("apply");
    let six = input(&text, compile(SIX), when);
    group.bench_function("six_steps_adt_1300_bytes", |b| b.iter(|| Apply.apply(black_box(&six)).unwrap()));
    let none = input(&text, Mapping::default(), when);
    group.bench_function("no_steps_same_bytes", |b| b.iter(|| Apply.apply(black_box(&none)).unwrap()));
    group.finish();

    let message = six.read().unwrap();
    let mut group = c.benchmark_group("parts");
    let limits = Limits::default();
    group.bench_function("parse", |b| b.iter(|| Message::parse(black_box(six.raw.bytes()), &limits).unwrap()));
    group.bench_function("steps", |b| {
        b.iter_batched(
            || six.draft(&message),
            |mut draft| {
                six.program.transform.run(&mut draft, six.context(), &mut Budget::of(STEPS_A_MAPPING)).unwrap();
                draft
            },
            BatchSize::SmallInput,
        );
    });
    let mut edited = six.draft(&message);
    six.program.transform.run(&mut edited, six.context(), &mut Budget::of(STEPS_A_MAPPING)).unwrap();
    group.bench_function("finish", |b| b.iter(|| edited.finish(SegmentEnds::Cr)));
    for (i, step) in serde_json::from_str::<Vec<serde_json::Value>>(SIX).unwrap().iter().enumerate() {
        let one = compile(&format!("[{step}]"));
        let name = format!("step_{i}_{}", step.as_object().unwrap().keys().next().unwrap());
        group.bench_function(name, |b| {
            b.iter_batched(
                || six.draft(&message),
                |mut draft| {
                    one.run(&mut draft, six.context(), &mut Budget::of(STEPS_A_MAPPING)).unwrap();
                    draft
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn bounds(c: &mut Criterion) {
    let head = "MSH|^~\\&|LAB|CHN|HIS|MSP|20261122101500||ORU^R01^ORU_R01|43|P|2.5.1\rPID|1||A7\r";
    let observations = |n: usize| format!("{head}{}", "OBX|9|NM|GLU^Glucose^L||5.4|mmol/L|||||F\r".repeat(n));
    let document = format!("{head}OBX|1|ED|DOC||{}\r", "QUJD".repeat(5 << 19));
    let cases = [
        (
            "loop_5000_observations_set",
            observations(5_000),
            r#"[{"set":{"path":"item-11","to":"item['11'] == 'F' ? 'C' : 'P'"},"forEach":"OBX[*]"}]"#.to_owned(),
        ),
        (
            "loop_5000_observations_add_segment",
            observations(5_000),
            r#"[{"addSegment":{"id":"NTE","after":"item"},"forEach":"OBX[*]"}]"#.to_owned(),
        ),
        (
            "bound_reached_by_expressions",
            observations(5_000),
            r#"[{"set":{"path":"PID-2","to":"'x'"},"forEach":"OBX[*]","when":"msg.all('OBX[*]-5').exists(x, x == item['3'] + 'y')"}]"#.to_owned(),
        ),
        (
            "bound_reached_by_edits",
            observations(5_000),
            format!("[{}]", vec![r#"{"set":{"path":"item-8","to":"value + 'x'"},"forEach":"OBX[*]"}"#; 100].join(",")),
        ),
        (
            "bound_reached_by_moves",
            observations(50_000),
            r#"[{"addSegment":{"id":"NTE","after":"item"},"forEach":"OBX[*]"}]"#.to_owned(),
        ),
        (
            "bound_reached_by_copies_of_10_megabytes",
            document,
            format!("[{}]", vec![r#"{"set":{"path":"OBX-8","to":"value + 'x'"}}"#; 200].join(",")),
        ),
    ];
    let mut group = c.benchmark_group("bounds");
    group.sample_size(10);
    for (name, text, json) in cases {
        let input = input(&text, compile(&json), None);
        group.bench_function(name, |b| b.iter(|| Apply.apply(black_box(&input)).unwrap()));
    }
    group.finish();
}

criterion_group!(benches, stage, bounds);
criterion_main!(benches);
