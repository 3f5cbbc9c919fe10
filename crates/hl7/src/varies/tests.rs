//! What `varies` promises, by behaviour.

use super::*;
use crate::tests::{message, path, rules};

const HEADER: &str = "MSH|^~\\&|A||||||ORU^R01|1|P|2.5\r";

fn check(rows: &str) -> Vec<Finding> {
    check_observations(&message(format!("{HEADER}{rows}")), None)
}

#[test]
fn p14_obx_5_is_typed_by_obx_2() {
    assert!(check("OBX|1|NM|A||5.1~-3~+007.50~\"\"\rOBX|2|TX|A||free\rOBX|3||A||\rOBX|4|SN|A||>^5\r").is_empty());
    let findings = check("OBX|1|NM|A||5~>5\rOBX|2||A||x\rOBX|3|QQ|A||x\rOBX|4|NM|A||1,5\rOBX|5|NM|A||1e3\r");
    let seen: Vec<(String, u16)> = findings.iter().map(|f| (f.path.expect("a place").to_string(), f.code)).collect();
    let expected =
        [("OBX[1]-5[2]", 102), ("OBX[2]-2", 101), ("OBX[3]-2", 103), ("OBX[4]-5[1]", 102), ("OBX[5]-5[1]", 102)];
    assert_eq!(seen, expected.map(|(place, code)| (place.to_owned(), code)));
    assert_eq!(rules(&findings)[0], "observation.number");
}

#[test]
fn p14_every_value_type_is_known_and_the_list_is_sorted() {
    assert!(VALUE_TYPES.is_sorted());
    let named =
        ["NM", "ST", "TX", "FT", "CE", "CWE", "CX", "DT", "TM", "TS", "DTM", "SN", "ED", "RP", "XAD", "XPN", "ID"];
    for kind in named {
        assert!(check(&format!("OBX|1|{kind}|A||\r")).is_empty(), "{kind}");
        assert!(check(&format!("OBX|1|{kind}|A||7\r")).is_empty(), "{kind}");
    }
    assert_eq!(check("OBX|1|nm|A||7\r").len(), 1, "as it is written in the table");
}

#[test]
fn p14_the_number_of_findings_is_bounded() {
    assert_eq!(check(&"OBX|1||A||x\r".repeat(1_000)).len(), 16);
    assert_eq!(check(&format!("OBX|1|NM|A||{}\r", "x~".repeat(1_000))).len(), 16);
}

#[test]
fn p14_a_default_type_can_be_agreed() {
    let message = message(format!("{HEADER}OBX|1||A||x\rOBX|2||A||7\r"));
    assert!(check_observations(&message, Some("ST")).is_empty());
    assert_eq!(check_observations(&message, Some("NM")).len(), 1);
}

#[test]
fn p14_escapes_inside_embedded_documents_survive() {
    let rtf = "{\\E\\rtf1 a\\F\\b}";
    let raw = format!("{HEADER}OBX|1|ED|DOC||^text^rtf^A^{rtf}\r");
    let message = message(&raw);
    assert_eq!(message.text(&path("OBX-5.5")), "{\\rtf1 a|b}");
    assert_eq!(message.raw(), &raw);
}

#[test]
fn p15_other_varying_fields_name_their_type_too() {
    let raw = "MSH|^~\\&|A||||||MFN^M02|1|P|2.5\rMFE|MAD|||U07^x|CWE\rMFA|MAD||||U08|CWE\rRDF|2|a^ST^20~b^NM^5\rRDT|x|5\r\
        QPD|Q22|1|x\rOBX|1|NM\r";
    let message = message(raw);
    let kind = |id: &str, field| {
        let segment = message.segments_of(path(id).segment()).next().expect("there");
        field_type(&message, &segment, field)
    };
    assert_eq!(kind("MFE", 4), FieldType::Named("CWE".into()));
    assert_eq!(kind("MFA", 5), FieldType::Named("CWE".into()));
    assert_eq!(kind("RDT", 2), FieldType::Named("NM".into()));
    assert_eq!(kind("QPD", 3), FieldType::Agreed);
    assert_eq!(kind("QPD", 1), FieldType::Fixed);
    assert_eq!(kind("OBX", 5), FieldType::Named("NM".into()));
}
