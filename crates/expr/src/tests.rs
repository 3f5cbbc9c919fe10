//! Whole programs: what they give on a message, what is refused and how, and that nothing is without bound.

mod bounds;
mod errors;
mod oracle;
mod values;

use std::collections::BTreeMap;
use std::sync::Arc;

use barid_hl7::{Limits, Message, Path, SegmentId};
use barid_model::{MessageUid, Name, Timestamp};
use bytes::Bytes;

use crate::{
    Budget, EvalError, ExprError, FacilityFacts, Facts, Fields, Item, ItemKind, MessageFacts, Place, Program, Scope,
    Type, Value, Variable,
};

/// A laboratory report: five observations, two patient ids, a name with parts, a deleted birth date.
pub(super) const ORU: &str = "MSH|^~\\&|LAB^x|CHN|HIS|MSP|20261122101500||ORU^R01^ORU_R01|42|P|2.5.1\r\
    PID|1||A7^^^CHN~9^^^NAT||Diallo^Aïssata&x||\"\"|F\r\
    PV1|1|I\r\
    OBX|1|NM|GLU^Glucose||5.4|mmol/L\r\
    OBX|2|NM|NA||140\r\
    OBX|3|ST|TXT||R\\T\\D \\S\\ ok\r\
    OBX|4|NM|K||\r\
    OBX|5|ST|GLU||Prélèvement hémolysé\r";

pub(super) fn message(text: &str) -> Message {
    let limits = Limits { message_bytes: 32 << 20, ..Limits::default() };
    Message::parse(Bytes::copy_from_slice(text.as_bytes()), &limits).unwrap().message
}

/// Facts over the report, as a mapping step inside `forEach: OBX[*]` has them.
pub(super) struct Case {
    message: Message,
    facility: FacilityFacts,
    listener: Name,
    items: Vec<Path>,
}

impl Case {
    pub(super) fn of(text: &str) -> Self {
        let labels = BTreeMap::from([("region".to_owned(), "nouakchott".to_owned())]);
        Self {
            message: message(text),
            facility: FacilityFacts {
                name: "chn".to_owned(),
                namespace: "default".to_owned(),
                display_name: "Centre Hospitalier National".to_owned(),
                labels,
                verified: true,
            },
            listener: Name::local("mllp"),
            items: vec![Path::parse("OBX[3]").unwrap(), Path::parse("PID-3[2]").unwrap()],
        }
    }

    fn message_facts(&self) -> MessageFacts<'_> {
        MessageFacts {
            fields: &self.message,
            facility: &self.facility,
            listener: &self.listener,
            received: Timestamp::from_millis(1_795_342_500_000),
            uid: MessageUid::from_bytes([7; 16]),
        }
    }
}

impl Facts for Case {
    fn fields(&self) -> &dyn Fields {
        &self.message
    }

    fn variable(&self, variable: Variable) -> Value<'_> {
        match variable {
            Variable::Value => Value::text("  Ab-12 "),
            Variable::Index => Value::Int(3),
            Variable::Received => Value::Time(self.message_facts().received),
            Variable::FacilityVerified => Value::Bool(true),
            Variable::FacilityName => Value::text("chn"),
            _ => Value::text("?"),
        }
    }

    fn label(&self, name: &str) -> Option<&str> {
        self.facility.labels.get(name).map(String::as_str)
    }

    fn items(&self) -> &[Path] {
        &self.items
    }
}

pub(super) fn scope() -> Scope {
    let constants = BTreeMap::from([("country".to_owned(), "MRT".to_owned())]);
    let obx = SegmentId::new(*b"OBX").unwrap();
    let pid = SegmentId::new(*b"PID").unwrap();
    Scope::new(Place::Step)
        .with_constants(Arc::new(constants))
        .with_item(Item { name: "obx".to_owned(), kind: ItemKind::Segment(obx) })
        .with_item(Item { name: "id".to_owned(), kind: ItemKind::Repetition(pid, 3) })
}

pub(super) fn compile(source: &str) -> Program {
    Program::compile(source, &scope(), Type::Any).unwrap_or_else(|error| panic!("{source}: {error}"))
}

pub(super) fn refused(source: &str) -> ExprError {
    Program::compile(source, &scope(), Type::Any).map(|_| ()).expect_err(source)
}

pub(super) fn eval(source: &str) -> Result<Value<'static>, EvalError> {
    let case = Case::of(ORU);
    compile(source).eval(&case).map(Value::into_owned)
}

/// The value, shown.
pub(super) fn shown(source: &str) -> String {
    show(&eval(source).unwrap_or_else(|error| panic!("{source}: {error}")))
}

pub(super) fn show(value: &Value<'_>) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Double(value) => format!("{value:?}"),
        Value::Text(text) => format!("'{text}'"),
        Value::Time(time) => format!("time {}", time.millis()),
        Value::Duration(micros) => format!("duration {micros}"),
        Value::List(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key}: {}", show(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}
