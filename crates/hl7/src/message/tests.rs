//! What `message` promises, by behaviour.

use crate::tests::{ADT, message, path};
use crate::*;

#[test]
fn p04_trailing_empty_fields_are_insignificant() {
    let long = message("MSH|^~\\&|A||||||ADT^A08|1|P|2.5\rPID|||\r");
    let short = message("MSH|^~\\&|A||||||ADT^A08|1|P|2.5\rPID|\r");
    for text in ["PID-1", "PID-3", "PID-3.4", "PID-9"] {
        assert_eq!(long.text(&path(text)), short.text(&path(text)));
        assert!(long.get(&path(text)).is_none_or(|value| value.is_empty()));
    }
}

#[test]
fn p05_parts_nest_in_order_and_nothing_is_cut_off() {
    let message = message("MSH|^~\\&|A||||||ADT^A08|1|P|2.5\rPID|fish & chips|a^b&c~~d||~X\r");
    assert_eq!(message.text(&path("PID-1")), "fish & chips");
    assert_eq!(message.text(&path("PID-1.1.2")), " chips");
    assert_eq!(message.text(&path("PID-2")), "a^b&c");
    assert_eq!(message.text(&path("PID-2.2")), "b&c");
    assert_eq!(message.text(&path("PID-2.2.2")), "c");
    assert_eq!(message.text(&path("PID-2[3]")), "d");
    assert_eq!(message.text(&path("PID-2[3].1.1")), "d");
    assert_eq!(message.text(&path("PID-4[1]")), "");
    assert_eq!(message.text(&path("PID-4[2]")), "X");
    assert!(message.get(&path("PID-2[4]")).is_none());
    assert!(message.get(&path("PID-2.3")).is_none());
}

#[test]
fn p05_the_text_of_a_composite_is_its_encoded_text() {
    let message = message("MSH|^~\\&|A||||||ADT^A08|1|P|2.5\rPID|a\\S\\b^c|a\\S\\b\r");
    assert_eq!(message.text(&path("PID-1")), "a\\S\\b^c");
    assert_eq!(message.text(&path("PID-1.1")), "a^b");
    assert_eq!(message.text(&path("PID-2")), "a^b");
}

#[test]
fn p06_empty_null_and_valued_are_told_apart() {
    let message = message("MSH|^~\\&|A||||||ADT^A08|1|P|2.5\rPID||\"\"|x|^\"\"^|^~&\r");
    let presence = |text: &str| message.get(&path(text)).map(|value| value.presence());
    assert_eq!(presence("PID-1"), Some(Presence::Empty));
    assert_eq!(presence("PID-2"), Some(Presence::Null));
    assert_eq!(presence("PID-3"), Some(Presence::Valued));
    assert_eq!(presence("PID-4"), Some(Presence::Valued));
    assert_eq!(presence("PID-4.1"), Some(Presence::Empty));
    assert_eq!(presence("PID-4.2"), Some(Presence::Null));
    assert_eq!(presence("PID-5"), Some(Presence::Empty));
    assert_eq!(presence("PID-6"), None);
    assert_eq!(message.text(&path("PID-2")), "\"\"");
    let short = crate::tests::message("MSH|^~|A\r");
    assert_eq!(short.get(&path("MSH-2")).expect("there").presence(), Presence::Valued);
}

#[test]
fn p07_more_than_the_standard_knows_is_read_without_failing() {
    let parsed = crate::tests::parsed("MSH|^~\\&|A||||||ADT^A08|1|P|2.5\rPID|1^2^3^4^5^6&7~8\rQQQ|x\rPID|again\r");
    assert!(parsed.findings.is_empty(), "{:?}", parsed.findings);
    let message = parsed.message;
    assert_eq!(message.text(&path("PID[2]-1")), "again");
    assert_eq!(message.text(&path("QQQ-1")), "x");
    for absent in ["PV1-2", "PID-40", "PID-1.9", "PID-1.6.9", "PID-1[9]", "PID[3]-1"] {
        assert!(message.get(&path(absent)).is_none(), "{absent}");
        assert_eq!(message.text(&path(absent)), "", "{absent}");
    }
}

#[test]
fn all_gives_each_value_with_its_concrete_path() {
    let message = message(ADT);
    let all = |text: &str| -> Vec<(String, String)> {
        let values = message.all(&path(text));
        values.map(|(path, value)| (path.to_string(), value.text().into_owned())).collect()
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(all("OBX[*]-3"), [pair("OBX[1]-3", "GLU"), pair("OBX[2]-3", "NOTE")]);
    assert_eq!(all("PID-3[*].1"), [pair("PID-3[1].1", "A7"), pair("PID-3[2].1", "9")]);
    assert_eq!(all("PID-3[*].4.2"), [pair("PID-3[2].4.2", "1.2")]);
    assert_eq!(all("PID-3"), [pair("PID-3", "A7^^^CHN^MR")]);
    assert_eq!(all("OBX[2]-1"), [pair("OBX[2]-1", "2")]);
    assert_eq!(all("OBX[*]").len(), 2);
    assert_eq!(all("NTE[*]-3[*]"), []);
    assert_eq!(all("PID-4[*]"), []);
}

#[test]
fn count_counts_segments_repetitions_or_values() {
    let message = message(ADT);
    for (text, expected) in [
        ("OBX", 2),
        ("OBX[*]", 2),
        ("NTE", 0),
        ("PID-3", 2),
        ("PID-4", 0),
        ("PID-8", 1),
        ("PID-3[*].4.2", 1),
        ("PID-3[*].5", 2),
        ("OBX[*]-5", 2),
        ("OBX[3]-5", 0),
    ] {
        assert_eq!(message.count(&path(text)), expected, "{text}");
    }
}

#[test]
fn a_tree_can_be_walked_down_to_subcomponents() {
    let message = message(ADT);
    let pid = message.segments_of(path("PID").segment()).next().expect("there");
    let (_, identifiers) = pid.fields().nth(2).expect("PID-3");
    let second = identifiers.parts().nth(1).expect("second repetition");
    let authority = second.parts().nth(3).expect("fourth component");
    let parts: Vec<String> = authority.parts().map(|value| value.text().into_owned()).collect();
    assert_eq!(parts, ["NAT", "1.2", "ISO"]);
    assert_eq!(authority.parts().next().expect("first").level(), Level::Subcomponent);
    assert_eq!(authority.parts().next().expect("first").parts().count(), 0);
}

#[test]
fn header_fields_are_at_hand() {
    let message = message(ADT);
    let header = message.header();
    assert_eq!(header.sending_application(), "HIS");
    assert_eq!(header.sending_facility(), "CHN");
    assert_eq!(header.receiving_application(), "REG");
    assert_eq!(header.receiving_facility(), "MSP");
    assert_eq!(
        (header.message_code(), header.event(), header.structure()),
        ("ADT".into(), "A01".into(), "ADT_A01".into())
    );
    assert_eq!((header.control_id(), header.processing_id()), (&b"MSG0001"[..], "P".into()));
    assert_eq!((header.accept_acknowledgement(), header.application_acknowledgement()), ("AL".into(), "NE".into()));
    assert_eq!(header.declared_charset(), "UNICODE UTF-8");
    assert_eq!(header.profiles().count(), 0);
    assert!(header.field(26).is_none());
}

#[test]
fn profiles_are_the_first_components_of_msh_21() {
    let message = message("MSH|^~\\&|||||||ORU^R01|1|P|2.5|||||||||LAB-1^MSP~LAB-2\r");
    assert_eq!(message.header().profiles().collect::<Vec<_>>(), ["LAB-1", "LAB-2"]);
}
