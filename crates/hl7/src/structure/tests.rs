//! What `structure` promises, by behaviour.

use super::*;
use crate::tests::message;

fn structure(message_type: &str, version: &str) -> (String, bool) {
    let message = message(format!("MSH|^~\\&|A||||||{message_type}|1|P|{version}\r"));
    let (name, finding) = of(message.header());
    (name, finding.is_some())
}

#[test]
fn p12_the_event_map_decides_and_a_contradiction_is_warned_about() {
    assert_eq!(structure("ADT^A04", "2.5"), ("ADT_A01".into(), false));
    assert_eq!(structure("ADT^A08^ADT_A01", "2.5"), ("ADT_A01".into(), false));
    assert_eq!(structure("ADT^A04^ADT_A04", "2.5"), ("ADT_A01".into(), true));
    assert_eq!(structure("ADT^A28", "2.5"), ("ADT_A05".into(), false));
    assert_eq!(structure("ADT^A40", "2.5"), ("ADT_A39".into(), false));
    assert_eq!(structure("ADT^A03", "2.5"), ("ADT_A03".into(), false));
}

#[test]
fn p12_maps_differ_by_version() {
    assert_eq!(structure("ADT^A28", "2.3.1").0, "ADT_A01");
    assert_eq!(structure("ADT^A28", "2.4").0, "ADT_A05");
    assert_eq!(structure("ADT^A12", "2.4").0, "ADT_A09");
}

#[test]
fn p12_events_outside_the_map_take_msh_9_3_or_their_own_name() {
    assert_eq!(structure("ORU^R01^ORU_R01", "2.5").0, "ORU_R01");
    assert_eq!(structure("ORU^R01", "2.5").0, "ORU_R01");
    assert_eq!(structure("ZAM^ZZ1", "2.5").0, "ZAM_ZZ1");
    assert_eq!(structure("ACK", "2.5").0, "ACK");
}
