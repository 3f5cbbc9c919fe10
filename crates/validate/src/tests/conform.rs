//! What makes a message wrong, and what then becomes of it.

use barid_model::Severity;

use super::{Plan, adt, message, when};
use crate::{Accepted, CheckRules, OnInvalid, Refusal, Rejected, Verdict};

fn with(on_invalid: OnInvalid, checks: CheckRules) -> Plan {
    let mut plan = Plan::default();
    plan.channels[0].on_invalid = on_invalid;
    plan.channels[0].checks = checks;
    plan
}

fn strict() -> Plan {
    with(OnInvalid::Reject, CheckRules { strict: true, ..CheckRules::default() })
}

fn told(rejected: &Rejected) -> (Refusal, u16, &str) {
    let error = rejected.findings.iter().find(|finding| finding.severity == Severity::Error).unwrap();
    (rejected.refusal, error.code, error.path.as_str())
}

/// Codes and severities on record.
fn recorded(accepted: &Accepted) -> Vec<(u16, Severity)> {
    accepted.envelope.findings.iter().map(|finding| (finding.code, finding.severity)).collect()
}

#[test]
fn p07_what_a_message_has_more_or_less_of_is_no_fault_even_to_a_strict_channel() {
    let more =
        message("ADT^A01^ADT_A01", &["EVN||1", "QQQ|x", "PID|1||A^b^c&d^e^f^g^h^i^j^k~B|||||||||||x", "PID|again"]);
    let less = message("ADT^A01^ADT_A01", &[]);
    for raw in [more, less] {
        assert_eq!(recorded(&strict().accepted(raw)), []);
    }
}

#[test]
fn p08_a_z_message_goes_to_the_channel_that_asks_for_it() {
    let mut plan = Plan::default();
    plan.channels[0].when = when("msg.type == 'ZAM' && msg.event == 'ZZ1' && msg['ZZ1-1'] == 'a'");
    let accepted = plan.accepted(message("ZAM^ZZ1", &["ZZ1|a", "PID|1||A", "ZP2|b"]));
    assert_eq!(&*accepted.envelope.message_type.structure, "ZAM_ZZ1");
    assert_eq!(plan.rejected(message("ZAM^ZZ2", &["ZZ1|a"])).refusal, Refusal::Reject);
}

#[test]
fn p14_an_observation_of_no_or_another_type_is_what_on_invalid_says() {
    let faults = [
        ("OBX|1||GLU||5", 101, "OBX[1]-2"),
        ("OBX|1|QQ|GLU||5", 103, "OBX[1]-2"),
        ("OBX|1|NM|GLU||5~>5", 102, "OBX[1]-5[2]"),
        ("OBX|1|NM|GLU||1,5", 102, "OBX[1]-5[1]"),
    ];
    for (row, code, place) in faults {
        let raw = message("ORU^R01", &["PID|1||A", row]);
        let plan = |on_invalid| with(on_invalid, CheckRules::default());
        assert_eq!(told(&plan(OnInvalid::Reject).rejected(raw.as_str())), (Refusal::Error, code, place), "{row}");
        let set_aside = plan(OnInvalid::Quarantine).accepted(raw.as_str());
        assert_eq!(recorded(&set_aside), [(code, Severity::Error)], "an error on record asks for quarantine");
        assert_eq!(recorded(&plan(OnInvalid::Log).accepted(raw.as_str())), [(code, Severity::Warning)]);
    }
    let good = message("ORU^R01", &["OBX|1|NM|GLU||-5.1~+7", "OBX|2|SN|GLU||>^5", "OBX|3||GLU||", "OBX|4|NM|X||\"\""]);
    assert_eq!(recorded(&Plan::default().accepted(good)), []);
}

#[test]
fn p14_a_type_that_was_agreed_is_assumed_where_obx_2_is_empty() {
    let agreed = |kind: &str| with(OnInvalid::Reject, CheckRules { value_type: Some(kind.into()), strict: false });
    let raw = message("ORU^R01", &["OBX|1||GLU||high"]);
    assert_eq!(recorded(&agreed("ST").accepted(raw.as_str())), []);
    assert_eq!(told(&agreed("NM").rejected(raw)), (Refusal::Error, 102, "OBX[1]-5[1]"));
}

#[test]
fn p14_a_message_full_of_faults_is_told_some_of_them() {
    let rows: Vec<String> = (0..5_000).map(|n| format!("OBX|{n}||GLU||5")).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    assert_eq!(Plan::default().rejected(message("ORU^R01", &rows)).findings.len(), 16);
    let row = format!("OBX|1|NM|GLU||{}", vec!["x"; 5_000].join("~"));
    assert_eq!(Plan::default().rejected(message("ORU^R01", &[&row])).findings.len(), 16);
}

#[test]
fn p17_an_unknown_version_is_203_to_a_strict_channel_and_a_warning_to_others() {
    for version in ["2.5.5", "2.9", "banana", ""] {
        let raw = adt().replace("|P|2.5", &format!("|P|{version}"));
        assert_eq!(told(&strict().rejected(raw.as_str())), (Refusal::Reject, 203, "MSH-12.1"), "{version}");
        let accepted = Plan::default().accepted(raw);
        assert_eq!(recorded(&accepted), [(203, Severity::Warning)]);
        assert_eq!(&*accepted.envelope.message_type.version, version, "as the message says it");
    }
    assert_eq!(recorded(&strict().accepted(adt().replace("|P|2.5", "|P|2.5^FRA^2.11"))), []);
}

#[test]
fn c03_undeclared_bytes_are_read_in_the_facilitys_own_set_and_never_refused() {
    let raw = [adt().as_bytes(), b"NTE|1||\xE3\xCD\xE3\xCF\r"].concat();
    let key = |plan: &mut Plan| {
        plan.channels[0].index = vec![crate::IndexRule {
            name: "note".into(),
            path: barid_hl7::Path::parse("NTE-3").unwrap(),
            sensitive: false,
        }];
        let envelope = plan.accepted(raw.clone()).envelope;
        assert_eq!(envelope.findings[0].rule, "charset.undeclared");
        envelope.keys.into_iter().find(|key| &*key.name == "note").unwrap().value
    };
    assert_eq!(key(&mut Plan::default()), "ãÍãÏ", "windows-1252 where nobody says anything");
    let mut plan = strict();
    plan.facilities[0].fallback_charset = Some(barid_hl7::Charset::Windows1256);
    assert_eq!(key(&mut plan), "محمد");
}

#[test]
fn c04_bytes_outside_the_declared_set_are_102_to_a_strict_channel_and_flagged_by_others() {
    let head = adt().replace("|P|2.5\r", "|P|2.5||||||UNICODE UTF-8\r");
    let raw = [head.as_bytes(), b"NTE|1||\xEF\r"].concat();
    assert_eq!(told(&strict().rejected(raw.clone())), (Refusal::Error, 102, "MSH-18"));
    assert_eq!(recorded(&Plan::default().accepted(raw)), [(102, Severity::Warning)]);
}

#[test]
fn c05_an_unknown_or_unusable_set_is_103_to_a_strict_channel_and_flagged_by_others() {
    for name in ["ISO IR 999", "GB 18030-2000", "UNICODE UTF-16"] {
        let raw = adt().replace("|P|2.5\r", &format!("|P|2.5||||||{name}\r"));
        assert_eq!(told(&strict().rejected(raw.as_str())), (Refusal::Error, 103, "MSH-18"), "{name}");
        assert_eq!(recorded(&Plan::default().accepted(raw)), [(103, Severity::Warning)], "{name}");
    }
}

#[test]
fn a01_a_message_that_fills_one_of_msh_15_and_16_is_warned_about() {
    for conditions in ["AL|", "|AL"] {
        let accepted = Plan::default().accepted(adt().replace("|P|2.5\r", &format!("|P|2.5|||{conditions}\r")));
        assert_eq!(accepted.envelope.findings.len(), 1, "{conditions}");
        assert_eq!(accepted.envelope.findings[0].severity, Severity::Warning);
    }
    assert_eq!(recorded(&Plan::default().accepted(adt().replace("|P|2.5\r", "|P|2.5|||AL|NE\r"))), []);
}

#[test]
fn a_guess_is_what_on_invalid_says_too() {
    let checks = CheckRules { strict: true, ..CheckRules::default() };
    let raw = adt().replace("|P|2.5", "|P|2.9");
    let set_aside = with(OnInvalid::Quarantine, checks.clone()).accepted(raw.as_str());
    assert_eq!(recorded(&set_aside), [(203, Severity::Error)]);
    assert!(matches!(with(OnInvalid::Log, checks).parse(raw), Verdict::Accept(_)));
}
