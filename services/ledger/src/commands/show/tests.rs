use barid_model::Timestamp;

use super::*;

fn told(kind: Kind, delivery: Option<&str>, findings: &[&str]) -> Told {
    let findings = findings.iter().map(|text| Finding::error(207, "", "test", *text)).collect();
    Told { at: Timestamp::default(), kind, text: String::new(), delivery: delivery.map(str::to_owned), findings }
}

#[test]
fn a_finding_is_told_once_a_delivery_however_many_events_carry_it() {
    let events = vec![
        told(Kind::Accepted, None, &["no place"]),
        told(Kind::Outcome, Some("a"), &["refused", "no place"]),
        told(Kind::Parked, Some("a"), &["refused"]),
        told(Kind::Parked, Some("b"), &["refused"]),
        told(Kind::Parked, Some("a"), &["refused", "another"]),
    ];
    let counts: Vec<usize> = once(events).iter().map(|event| event.findings.len()).collect();
    assert_eq!(counts, [1, 2, 0, 1, 1], "of each delivery its own, and what is new is told");
}
