//! What a message costs in the parse stage, digest included: it bounds what one core can accept.

use std::hint::black_box;
use std::sync::Arc;

use barid_expr::{Place, Program, Scope, Type};
use barid_hl7::{Limits, Path, ack};
use barid_model::stage::Stage;
use barid_model::{Digest, LaneHasher, MessageUid, Name, Payload, Revision, Timestamp};
use barid_validate::{
    AckRules, ChannelRules, ChannelState, FacilityRules, Identity, IndexRule, ListenerRules, MshMatch, OnInvalid,
    OnStranger, OrderRule, Parse, ParseInput, ParseTable, PatientRule, Peer, Proof,
};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// An admission of about 1.3 kB.
fn adt() -> String {
    let mut text = String::from(
        "MSH|^~\\&|HIS|F150|BARID|MSP|20261122100000+0000||ADT^A01^ADT_A01|MSG00001|P|2.5.1|||AL|NE|MRT|UNICODE UTF-8\r\
         EVN|A01|20261122100000|||OP7^Sow^Aminata|20261122095500\r\
         PID|1||A700123^^^F150&1.2.3.4&ISO^MR~1990123456789^^^NAT^NI||Ould Abdallah^Mohamed^Salem^^^^L||19900101|M|||\
         Rue 42-118^^Nouakchott^^^MRT^H||^PRN^PH^^222^45251234|||M||ACC778899|||||Nouakchott\r\
         NK1|1|Mint Ahmed^Fatimetou|SPO|Rue 42-118^^Nouakchott|^PRN^PH^^222^36001122\r\
         PV1|1|I|MED^204^2^CHN^^^^^Medecine interne|E|||1001^Diallo^Ibrahima^^^Dr|1002^Ba^Oumar^^^Dr|MED||||7|||1001^Diallo^Ibrahima|\
         IP|V20261122001^^^F150|||||||||||||||||||||||||20261122095500\r\
         PV2|||^Douleur thoracique\r\
         OBX|1|NM|8867-4^Heart rate^LN||92|/min|60-100|N|||F|||20261122095000\r\
         OBX|2|NM|8480-6^Systolic^LN||135|mm[Hg]|90-140|N|||F|||20261122095000\r\
         AL1|1|DA|PEN^Penicilline|MO|Urticaire\r\
         DG1|1||R07.4^Douleur thoracique, sans precision^I10||20261122|A\r",
    );
    while text.len() < 1_300 {
        text.push_str("NTE|1||Patient informe, accord recueilli\r");
    }
    text
}

fn table(order: OrderRule) -> Arc<ParseTable> {
    let listener = ListenerRules {
        name: Name::local("mllp"),
        identify: Proof::Declared,
        unknown_facility: OnStranger::Reject,
        on_unmatched: OnStranger::Reject,
        ack: ack::Mode::Standard,
        limits: Limits::default(),
    };
    let facility = |n: usize| FacilityRules {
        name: Name::local(&format!("facility-{n}")),
        display_name: format!("Facility {n}").into(),
        labels: Default::default(),
        identities: vec![Identity {
            msh: Some(MshMatch { sending_application: None, sending_facility: Some(format!("F{n}")) }),
            ..Identity::default()
        }],
        speaks_for: vec![],
        fallback_charset: None,
    };
    let when = |source: &str| Program::compile(source, &Scope::new(Place::Message), Type::Bool).map(Arc::new).ok();
    let channel = |name: &str, source: &str| ChannelRules {
        name: Name::local(name),
        revision: Revision::of(name.as_bytes()),
        priority: 0,
        listeners: vec![Name::local("mllp")],
        facilities: None,
        when: when(source),
        state: ChannelState::Open,
        checks: Default::default(),
        on_invalid: OnInvalid::Reject,
        processing_id: Some("P".into()),
        order: order.clone(),
        index: Path::parse("PV1-19.1")
            .map(|path| IndexRule { name: "visit".into(), path, sensitive: true })
            .into_iter()
            .collect(),
        ack: AckRules::default(),
        accept_without_control_id: false,
    };
    let channels = vec![channel("a-results", "msg.type == 'ORU'"), channel("b-admissions", "msg.type == 'ADT'")];
    Arc::new(ParseTable::new(vec![listener], (0..300).map(facility).collect(), channels))
}

fn input(raw: &str, table: &Arc<ParseTable>) -> ParseInput {
    ParseInput {
        uid: MessageUid::from_bytes([1; 16]),
        raw: Payload::new(Bytes::copy_from_slice(raw.as_bytes())),
        received: Timestamp::from_millis(1_795_341_600_000),
        listener: Name::local("mllp"),
        peer: Arc::new(Peer { origin: "192.0.2.7:40000".into(), ..Peer::default() }),
        traceparent: None,
        table: Arc::clone(table),
    }
}

fn parse(c: &mut Criterion) {
    let raw = adt();
    let stage = Parse::new(LaneHasher::new([7; 16]));
    let mut group = c.benchmark_group("parse stage, ADT of 1.3 kB, 300 facilities, 2 channels");
    group.throughput(Throughput::Bytes(raw.len() as u64));
    for (name, order) in
        [("by facility", OrderRule::Facility), ("by patient", OrderRule::Patient(PatientRule::default()))]
    {
        let input = input(&raw, &table(order));
        group.bench_function(name, |b| b.iter(|| black_box(stage.apply(black_box(&input)))));
    }
    group.bench_function("of that SHA-256", |b| b.iter(|| black_box(Digest::of(black_box(raw.as_bytes())))));
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
