//! Lanes and search keys.

use barid_expr::Type;
use barid_hl7::Path;
use barid_model::{LaneHasher, LaneKind, Lanes};

use super::{Plan, adt, message, program};
use crate::{IndexRule, OrderRule, PatientRule};

fn hasher() -> LaneHasher {
    LaneHasher::new([7; 16])
}

fn by(order: OrderRule) -> Plan {
    let mut plan = Plan::default();
    plan.channels[0].order = order;
    plan
}

fn by_patient() -> Plan {
    by(OrderRule::Patient(PatientRule::default()))
}

fn lanes(plan: &Plan, raw: &str) -> Lanes {
    plan.accepted(raw).envelope.lanes
}

fn patient(id: &str, authority: &str) -> barid_model::Lane {
    hasher().lane("default/chn", LaneKind::Patient, format!("{id}\u{1d}{authority}").as_bytes())
}

#[test]
fn o01_by_facility_there_is_one_lane_for_all_of_a_facility() {
    let plan = by(OrderRule::Facility);
    let lane = hasher().lane("default/chn", LaneKind::Facility, b"");
    assert_eq!(lanes(&plan, &adt()), Lanes::Of(vec![lane]));
    assert_eq!(lanes(&plan, &message("ORU^R01", &["PID|1||other"])), Lanes::Of(vec![lane]));
    assert_ne!(lanes(&plan, &adt().replace("|CHN|", "|CLINIC|")), Lanes::Of(vec![lane]));
    assert_eq!(lanes(&by(OrderRule::None), &adt()), Lanes::None);
}

#[test]
fn o02_by_patient_the_first_identifier_with_an_authority_makes_the_lane() {
    let plan = by_patient();
    assert_eq!(lanes(&plan, &adt()), Lanes::Of(vec![patient("A7", "CHN")]));
    let of = |pid: &str| lanes(&plan, &message("ADT^A01", &[pid]));
    assert_eq!(of("PID|1||X~A7^^^CHN&1.2&ISO"), Lanes::Of(vec![patient("A7", "CHN")]));
    assert_eq!(of("PID|1||A7^^^&1.2&ISO"), Lanes::Of(vec![patient("A7", "1.2")]));
    assert_eq!(of("PID|1||~X"), Lanes::Of(vec![patient("X", "")]), "p05: an empty first repetition is none");
    assert_eq!(
        of("PID|1||\"\"^^^CHN~B^^^CHN"),
        Lanes::Of(vec![patient("B", "CHN")]),
        "a delete indicator is no patient"
    );
}

#[test]
fn o02_a_message_that_names_no_patient_goes_in_the_facilitys_own_lane() {
    let facility = Lanes::Of(vec![hasher().lane("default/chn", LaneKind::Facility, b"")]);
    assert_eq!(lanes(&by_patient(), &message("ADT^A01", &["PID|1||"])), facility);
    assert_eq!(lanes(&by_patient(), &message("MFN^M02", &["MFI|x"])), facility);
}

#[test]
fn o02_path_and_authority_can_be_set() {
    let rule = |path: &str, authority: Option<&str>| {
        by(OrderRule::Patient(PatientRule { path: Path::parse(path).unwrap(), authority: authority.map(Into::into) }))
    };
    assert_eq!(lanes(&rule("PID-3", Some("NAT")), &adt()), Lanes::Of(vec![patient("9", "NAT")]));
    assert_eq!(lanes(&rule("PID-3", Some("NONE")), &adt()), Lanes::Of(vec![patient("A7", "CHN")]));
    let visit =
        message("ADT^A50", &["PID|1||A7^^^CHN", "MRG|A7||||V1^^^CHN", &format!("PV1|1|I{}V2^^^CHN", "|".repeat(17))]);
    let mut both = vec![patient("V1", "CHN"), patient("V2", "CHN")];
    both.sort();
    assert_eq!(lanes(&rule("PV1-19", None), &visit), Lanes::Of(both), "MRG-5 is the prior visit");
    let account = message("ADT^A01", &[&format!("PID|1{}ACC^^^CHN", "|".repeat(17))]);
    assert_eq!(
        lanes(&rule("PID-18.1", None), &account),
        Lanes::Of(vec![patient("ACC", "")]),
        "a component alone has no authority"
    );
}

#[test]
fn o03_every_event_that_names_two_patients_is_in_the_lanes_of_both() {
    let mut both = vec![patient("A", "CHN"), patient("B", "CHN")];
    both.sort();
    let both = Lanes::Of(both);
    let merges = [
        "A18", "A30", "A34", "A35", "A36", "A39", "A40", "A41", "A42", "A43", "A45", "A46", "A47", "A48", "A49", "A50",
        "A51",
    ];
    for event in merges {
        let raw = message(&format!("ADT^{event}"), &["EVN||1", "PID|1||A^^^CHN", "MRG|B^^^CHN"]);
        assert_eq!(lanes(&by_patient(), &raw), both, "{event}");
    }
    for event in ["A17", "A24", "A37"] {
        let raw =
            message(&format!("ADT^{event}"), &["EVN||1", "PID|1||A^^^CHN", "PV1|1|I", "PID|2||B^^^CHN", "PV1|1|I"]);
        assert_eq!(lanes(&by_patient(), &raw), both, "{event}");
    }
}

#[test]
fn o03_a_message_with_more_patients_than_lanes_is_a_barrier() {
    let pids: Vec<String> = (0..17).map(|n| format!("PID|{n}||P{n}^^^CHN")).collect();
    let pids: Vec<&str> = pids.iter().map(String::as_str).collect();
    assert_eq!(lanes(&by_patient(), &message("ADT^A40", &pids)), Lanes::Barrier);
    assert!(matches!(lanes(&by_patient(), &message("ADT^A40", &pids[..16])), Lanes::Of(lanes) if lanes.len() == 16));
}

#[test]
fn an_order_expression_gives_one_lane_a_value() {
    let plan = by(OrderRule::Expression(program("msg['PV1-3.1']", Type::Text)));
    let of = |ward: &str| lanes(&plan, &message("ADT^A02", &["PID|1||x", &format!("PV1|1|I|{ward}^12")]));
    assert_eq!(of("ICU"), of("ICU"));
    assert_ne!(of("ICU"), of("ER"));
    assert_eq!(of("ICU"), Lanes::Of(vec![hasher().lane("default/chn", LaneKind::Expression, b"ICU")]));
}

fn key(name: &str, value: &str) -> String {
    let hash = hasher().search_key(name, value.as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_patient_identifier_is_a_search_key_and_never_in_clear() {
    let raw = message("ADT^A40", &["PID|1||A7^^^CHN~9^^^NAT~A7^^^OLD", "MRG|B\\T\\C^^^CHN"]);
    let keys = Plan::default().accepted(raw).envelope.keys;
    assert!(keys.iter().all(|key| &*key.name == "patient"));
    let values: Vec<&str> = keys.iter().map(|key| key.value.as_str()).collect();
    assert_eq!(values, [key("patient", "A7"), key("patient", "9"), key("patient", "B&C")]);
}

#[test]
fn own_search_keys_are_kept_in_clear_or_hashed_and_bounded() {
    let mut plan = Plan::default();
    let rule = |name: &str, path: &str, sensitive| IndexRule {
        name: name.into(),
        path: Path::parse(path).unwrap(),
        sensitive,
    };
    plan.channels[0].index = vec![
        rule("class", "PV1-2", false),
        rule("visit", "PV1-19.1", true),
        rule("code", "OBX[*]-3.1", false),
        rule("missing", "PV1-50", false),
    ];
    let mut segments = vec!["PID|1||x".to_owned(), format!("PV1|1|I{}V7^^^CHN", "|".repeat(17))];
    segments.extend((0..20).map(|n| format!("OBX|{n}|ST|C{n}^x||v")));
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let keys = plan.accepted(message("ORU^R01", &segments)).envelope.keys;
    let of = |name: &str| -> Vec<&str> {
        keys.iter().filter(|key| &*key.name == name).map(|key| key.value.as_str()).collect()
    };
    assert_eq!(of("class"), ["I"]);
    assert_eq!(of("visit"), [key("visit", "V7")]);
    assert_eq!(of("code"), ["C0", "C1", "C2", "C3", "C4", "C5", "C6", "C7"]);
    assert!(of("missing").is_empty());
}
