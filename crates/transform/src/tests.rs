//! Whole mappings and the stage, on messages: what changes, what must not, and where it ends.

mod bounds;
mod errors;
mod loops;
mod stage;
mod steps;
mod traces;
mod untouched;

use std::collections::BTreeMap;
use std::sync::Arc;

use barid_expr::{Budget, FacilityFacts, Place, Program, Scope, Type};
use barid_hl7::{Draft, Index, Limits, Message, Path, SegmentEnds};
use barid_model::{
    Cause, Digest, Envelope, FacilityRef, Format, Lanes, MessageType, MessageUid, Name, Revision, Timestamp,
};
use bytes::Bytes;

use crate::document::{CodeRow, Reference, Step};
use crate::{CompileEnv, Context, Library, Mapping, STEPS_A_MAPPING, StepError, StepFailure, Table, Trace, Unresolved};

/// An admission of 1.3 kB, as hospitals send it.
pub(super) const ADT: &str = "MSH|^~\\&|HIS|CHN|BARID|MSP|20261122101500||ADT^A01^ADT_A01|MSG00042|P|2.5|||AL|NE|MRT|UNICODE UTF-8\r\
    EVN|A01|20261122101500||01|OPER^Operateur^Admission|20261122101000\r\
    PID|1||A7^^^CHN^MR~9012345678^^^NAT^NI||DIALLO^Aïssata^Mariem^^Mme||19800314|F|||12 Avenue de l'Indépendance^^Nouakchott^NKC^^MRT^H||+22245250001^PRN^PH|+22236300002^WPN^PH|fr|M|MUS|V2026112200042^^^CHN^VN||||Nouakchott|||MRT\r\
    NK1|1|DIALLO^Mamadou|SPO^Conjoint|12 Avenue de l'Indépendance^^Nouakchott|+22246460003||EC^Contact d'urgence\r\
    PV1|1|I|MED^201^A^CHN||||1001^OULD AHMED^Sidi^^^Dr|1002^BA^Fatimata^^^Dr||MED||||7|||1001^OULD AHMED^Sidi^^^Dr|IP|V2026112200042^^^CHN^VN|||||||||||||||||||||||||20261122101000\r\
    AL1|1|DA|PENI^Pénicilline^L|SV|Urticaire|20190501\r\
    DG1|1||J18.9^Pneumopathie, sans précision^I10||20261122|A\r\
    IN1|1|CNAM|CNAM01|Caisse Nationale d'Assurance Maladie|Avenue Kennedy^^Nouakchott|||G001|||20250101|20271231||A|DIALLO^Aïssata|SEL|19800314\r\
    ZPI|1|VIP~STAFF|N\r";

pub(super) const ORU: &str = "MSH|^~\\&|LAB|CHN|HIS|MSP|20261122101500||ORU^R01^ORU_R01|43|P|2.5.1\r\
    PID|1||A7^^^CHN~9^^^NAT||Diallo^Aissata||\"\"|F\r\
    OBR|1|||CHEM\r\
    OBX|1|NM|GLU^Glucose^L||5.4|mmol/L|||||F\r\
    NTE|1|L|a jeun\r\
    OBX|2|NM|NA^Sodium^L||140|mmol/L|||||F\r\
    OBX|3|ST|COM^Comment^L||R\\T\\D|||||P\r\
    OBX|4|NM|K^Potassium^L||||||||X\r";

pub(super) fn message(text: &str) -> Message {
    let limits = Limits { message_bytes: 64 << 20, ..Limits::default() };
    Message::parse(Bytes::copy_from_slice(text.as_bytes()), &limits).unwrap().message
}

pub(super) fn envelope() -> Envelope {
    Envelope {
        uid: MessageUid::from_bytes([7; 16]),
        listener: Name::local("mllp"),
        facility: FacilityRef { name: "default/chn".into(), speaks_for: None, verified: true },
        channel: Some(Name::local("admissions")),
        revision: Revision::default(),
        lanes: Lanes::None,
        received: Timestamp::from_millis(1_795_342_500_000),
        digest: Digest::default(),
        format: Format::Hl7v2,
        control_id: Bytes::from_static(b"42"),
        message_type: MessageType::default(),
        cause: Cause::Received,
        parents: Vec::new(),
        origin: "127.0.0.1:1".to_owned(),
        traceparent: None,
        findings: Vec::new(),
        keys: Vec::new(),
        waits: None,
        reason: None,
        hops: 0,
    }
}

pub(super) fn facility() -> FacilityFacts {
    FacilityFacts { name: "chn".to_owned(), namespace: "default".to_owned(), ..FacilityFacts::default() }
}

/// Tables and mappings of a test.
#[derive(Default)]
pub(super) struct Shelf {
    tables: BTreeMap<String, Arc<Table>>,
    mappings: BTreeMap<String, Arc<[Step]>>,
}

impl Shelf {
    pub(super) fn usual() -> Self {
        let row = |from: &str, to: &str, display: Option<&str>, system: Option<&str>| CodeRow {
            from: from.to_owned(),
            to: to.to_owned(),
            display: display.map(str::to_owned),
            system: system.map(str::to_owned),
        };
        let classes = [row("I", "IMP", Some("inpatient"), None), row("O", "AMB", None, None)];
        let labs = [row("GLU", "2345-7", Some("Glucose SerPl"), Some("LN")), row("NA", "2951-2", None, Some("LN"))];
        let mut shelf = Self::default();
        shelf.tables.insert("patient-class".to_owned(), Arc::new(Table::compile(&classes).unwrap()));
        shelf.tables.insert("labs".to_owned(), Arc::new(Table::compile(&labs).unwrap()));
        shelf
    }

    pub(super) fn with(mut self, name: &str, json: &str) -> Self {
        self.mappings.insert(name.to_owned(), steps(json).into());
        self
    }
}

impl Library for Shelf {
    fn table(&self, _: &str, reference: &Reference) -> Result<Arc<Table>, Unresolved> {
        let known = || self.tables.keys().map(String::as_str);
        self.tables
            .get(&reference.name)
            .cloned()
            .ok_or_else(|| Unresolved::unknown("CodeTable", &reference.name, known()))
    }

    fn mapping(&self, from: &str, reference: &Reference) -> Result<(Name, Arc<[Step]>), Unresolved> {
        let known = || self.mappings.keys().map(String::as_str);
        let found = self.mappings.get(&reference.name).cloned();
        let steps = found.ok_or_else(|| Unresolved::unknown("Mapping", &reference.name, known()))?;
        Ok((Name::new(from, &reference.name), steps))
    }
}

pub(super) fn steps(json: &str) -> Vec<Step> {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

pub(super) fn scope() -> Scope {
    let constants = BTreeMap::from([("country".to_owned(), "MRT".to_owned())]);
    Scope::new(Place::Step).with_constants(Arc::new(constants))
}

pub(super) fn compile_with(shelf: &Shelf, json: &str) -> Result<Mapping, Vec<StepError>> {
    let scope = scope();
    let env = CompileEnv { scope: &scope, namespace: "default", library: shelf };
    Mapping::compile(&steps(json), "transform", &env)
}

pub(super) fn compile(json: &str) -> Mapping {
    compile_with(&Shelf::usual(), json).unwrap_or_else(|errors| panic!("{json}: {errors:?}"))
}

/// The message after a mapping.
pub(super) fn run(mapping: &Mapping, text: &str) -> Result<String, StepFailure> {
    let message = message(text);
    let (envelope, facility) = (envelope(), facility());
    let mut draft = Draft::with_limits(&message, &Limits { message_bytes: 64 << 20, ..Limits::default() });
    let context = Context { envelope: &envelope, facility: &facility };
    mapping.run(&mut draft, context, &mut Budget::of(STEPS_A_MAPPING))?;
    Ok(String::from_utf8(draft.finish(SegmentEnds::Cr).to_vec()).unwrap())
}

pub(super) fn traced(mapping: &Mapping, text: &str) -> (Result<String, StepFailure>, Trace) {
    let message = message(text);
    let (envelope, facility) = (envelope(), facility());
    let mut draft = Draft::new(&message);
    let context = Context { envelope: &envelope, facility: &facility };
    let mut trace = Trace::default();
    let done = mapping.run_traced(&mut draft, context, &mut Budget::of(STEPS_A_MAPPING), &mut trace);
    (done.map(|()| String::from_utf8(draft.finish(SegmentEnds::Cr).to_vec()).unwrap()), trace)
}

/// The lines that differ between a message and what a mapping makes of it: `old > new`, `- old`, `+ new`.
pub(super) fn changes(json: &str, text: &str) -> Vec<String> {
    let after = run(&compile(json), text).unwrap_or_else(|failure| panic!("{json}: {failure}"));
    difference(text, &after)
}

pub(super) fn difference(before: &str, after: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) =
        (before.split_terminator('\r').collect(), after.split_terminator('\r').collect());
    if old.len() == new.len() {
        return old.iter().zip(&new).filter(|(a, b)| a != b).map(|(a, b)| format!("{a} > {b}")).collect();
    }
    let gone = old.iter().filter(|line| !new.contains(line)).map(|line| format!("- {line}"));
    let come = new.iter().filter(|line| !old.contains(line)).map(|line| format!("+ {line}"));
    gone.chain(come).collect()
}

/// A place of a message after a mapping, as it is encoded; of a plain field all its repetitions.
pub(super) fn field(json: &str, text: &str, path: &str) -> String {
    let after = run(&compile(json), text).unwrap_or_else(|failure| panic!("{json}: {failure}"));
    raw(&after, path)
}

pub(super) fn raw(text: &str, path: &str) -> String {
    let message = message(text);
    let path: Path = path.parse().unwrap();
    let value = match (path.field(), path.component(), path.repetition()) {
        (Some(field), None, Index::First) => {
            let nth = path.occurrence().number().unwrap() as usize - 1;
            message.segments_of(path.segment()).nth(nth).and_then(|segment| segment.field(field))
        }
        _ => message.get(&path),
    };
    String::from_utf8(value.map(|value| value.raw().to_vec()).unwrap_or_default()).unwrap()
}

pub(super) fn failure(json: &str, text: &str) -> StepFailure {
    run(&compile(json), text).expect_err(json)
}

pub(super) fn condition(source: &str) -> Option<Program> {
    Some(Program::compile(source, &Scope::new(Place::Message), Type::Bool).unwrap())
}
