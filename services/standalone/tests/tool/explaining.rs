//! `barid explain`: messages as trees, documents by their settings.

use crate::binary::{barid, barid_on, barid_with};
use crate::engine::{Engine, RAW};

#[test]
fn a_message_is_a_tree_with_the_standards_names() {
    let ran = barid_with(&["explain", "-"], RAW).well();
    let line = |start: &str| {
        ran.text()
            .lines()
            .find(|line| line.trim_start().starts_with(start))
            .unwrap_or_else(|| panic!("{start} in {}", ran.text()))
    };
    assert!(line("PID  ").contains("Patient identification"));
    assert!(line("MSH-9.2 ").contains("Trigger event") && line("MSH-9.2 ").ends_with("A01"));
    assert!(line("PID-3.4 ").contains("Assigning authority") && line("PID-3.4 ").ends_with("CHN"));
    assert!(line("PID-5[2].2 ").contains("Given name") && line("PID-5[2].2 ").ends_with("زينب"));
}

#[test]
fn the_type_of_a_result_says_how_its_parts_are_called() {
    let message =
        b"MSH|^~\\&|L|L|||20261122||ORU^R01|1|P|2.5\rOBX|1|CE|785-6^MCH^LN||A^Anaemia^L||||||F\rOBX|2|NM|718-7||9.1\r";
    let ran = barid_with(&["explain", "-", "--json"], message).well().json();
    let first = &ran["segments"][1];
    assert_eq!((first["segment"].as_str(), first["name"].as_str()), (Some("OBX[1]"), Some("Observation result")));
    let text = first["values"].as_array().unwrap().iter().find(|value| value["path"] == "OBX[1]-5.2").unwrap();
    assert_eq!((text["name"].as_str(), text["value"].as_str()), (Some("Text"), Some("Anaemia")));
    assert_eq!(ran["segments"][2]["segment"], "OBX[2]");
}

#[test]
fn a_deletion_a_document_and_a_local_segment_are_shown_for_what_they_are() {
    let document = "QUJD".repeat(1_000);
    let message = format!(
        "MSH|^~\\&|L|L|||20261122||MDM^T02|1|P|2.5\rPID|1|||||\"\"\rOBX|1|ED|D||^^PDF^Base64^{document}\rZPI|1|x\r"
    );
    let ran = barid_with(&["explain", "-"], message.as_bytes()).well();
    assert!(ran.text().contains("\"\" (delete)"));
    assert!(ran.text().contains("(4000 bytes)") && !ran.text().contains(&document));
    assert!(ran.text().contains("ZPI-2"));
}

#[test]
fn what_is_no_message_is_said_so_without_its_contents() {
    let ran = barid_with(&["explain", "-"], b"PID|1||4711^^^CHN||Sow^Awa\r").with(1);
    assert!(ran.stderr.contains("no message that can be read") && !ran.stderr.contains("4711"), "{}", ran.stderr);
    assert!(barid(&["explain", "/nowhere/m.hl7"]).with(1).stderr.contains("/nowhere/m.hl7"));
}

#[test]
fn what_is_in_effect_for_a_channel_is_listed_with_its_source() {
    let engine = Engine::start();
    let ran = barid_on(engine.data(), &["explain", "channel", "regions/admissions"]).well();
    assert!(ran.text().contains("duplicates.window  24h    built in"), "{}", ran.text());
    assert!(engine.last().contains("kind: \"Channel\", name: regions/admissions"), "{}", engine.last());
    assert!(barid_on(engine.data(), &["explain", "chanel", "x"]).with(2).stderr.contains("say channel and its name"));
}
