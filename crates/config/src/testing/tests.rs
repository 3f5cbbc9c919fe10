//! Test cases against channels that are right and wrong.

use std::collections::BTreeMap;

use super::*;
use crate::{Sources, compile};

struct Texts(BTreeMap<&'static str, &'static str>);

impl Files for Texts {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.0.get(path).map(|text| text.as_bytes().to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

const DOCUMENTS: &str = "kind: Exchange\nmetadata: {name: e}\nspec: {processingId: P, constants: {place: HERE}}\n---\nkind: Listener\nmetadata: {name: in}\nspec:\n  mllp: {port: 2575, address: 127.0.0.1}\n  unknownFacility: accept\n---\nkind: Destination\nmetadata: {name: out}\nspec: {file: {directory: x}}\n---\nkind: Channel\nmetadata: {name: c}\nspec:\n  from: {listeners: [{name: in}], when: \"msg.type == 'ADT'\"}\n  filter: \"msg.event != 'A31'\"\n  transform:\n    - set: {path: MSH-6, to: const.place}\n    - set: {path: ZZZ-1, to: \"'x'\"}\n      when: \"msg.event == 'A99'\"\n    - set: {path: EVN-2, to: \"date(received, 'yyyyMMddHHmm')\"}\n  routes:\n    - name: r\n      to: {destination: out}\n    - name: births\n      to: {destination: out}\n      when: \"msg['PID-24'] == 'Y'\"\n";

fn message(event: &str) -> String {
    format!(
        "MSH|^~\\\\&|A|B|C|D|20261122||ADT^{event}^ADT_A01|1|P|2.5||||||UNICODE UTF-8\\nEVN||\\nPID|1||7^^^B^PI||Diallo^Aïssata|||\\\"\\\"\\nPV1|1|I"
    )
}

/// Runs one case against the channel and gives its failures.
fn failures(send: &str, expect: &str) -> Vec<String> {
    let (_, failures) = results(&format!("{{name: x, send: {send}, expect: {expect}}}"), "");
    failures
}

fn results(case: &str, given: &str) -> (Vec<SuiteResult>, Vec<String>) {
    let test = format!(
        "---\nkind: ChannelTest\nmetadata: {{name: t}}\nspec:\n  channel: {{name: c}}\n{given}  cases:\n    - {case}\n"
    );
    let compiled = compile(&Sources::from_texts([("sub/x.yaml", format!("{DOCUMENTS}{test}").as_str())]), None);
    assert!(compiled.is_good(), "{:#?}", compiled.problems);
    let files = Texts(BTreeMap::from([(
        "sub/m.hl7",
        "MSH|^~\\&|A|B|C|HERE|20261122||ADT^A01^ADT_A01|1|P|2.5\rEVN||202601010000\rPV1|1|I\r",
    )]));
    let suites = run(&compiled.snapshot, &files, None);
    let failures = suites[0].cases[0].failures.iter().map(ToString::to_string).collect();
    (suites, failures)
}

fn text(event: &str) -> String {
    format!("{{text: \"{}\"}}", message(event))
}

#[test]
fn a_case_that_holds_has_no_failures() {
    let expect = "{ack: AA, findings: [], lanes: 1, filtered: false, routes: [{name: r, parts: 1, fields: [{path: MSH-6, is: HERE}, {path: PID-5.2, is: Aïssata}, {path: PID-8, \"null\": true}, {path: PID-9, absent: true}, {path: PID-3.1, matches: \"^[0-9]$\"}, {path: EVN-2, is: \"202601010000\"}]}, {name: births, filtered: true}]}";
    assert_eq!(failures(&text("A01"), expect), Vec::<String>::new());
}

#[test]
fn each_difference_is_named_with_what_was_expected_and_what_was_there() {
    let expect = "{ack: AE, findings: [101 PID-3], lanes: 2, filtered: true, routes: [{name: r, parts: 2, fields: [{path: MSH-6, is: THERE}, {path: PID-5.2, matches: \"^x\"}, {path: PID-8, is: F}, {path: PID-9, \"null\": true}, {path: PV1-2, absent: true}]}, {name: births, fields: [{path: MSH-6, is: HERE}]}]}";
    assert_eq!(
        failures(&text("A01"), expect),
        [
            "ack: expected AE, was AA",
            "findings: expected 101 PID-3, was none",
            "lanes: expected 2, was 1",
            "filtered: expected true, was false",
            "routes[r] parts: expected 2, was 1",
            "routes[r] MSH-6: expected \"THERE\", was \"HERE\"",
            "routes[r] PID-5.2: expected a match of /^x/, was \"Aïssata\"",
            "routes[r] PID-8: expected \"F\", was null",
            "routes[r] PID-9: expected null, was absent",
            "routes[r] PV1-2: expected absent, was \"I\"",
            "routes[births]: expected sent, was filtered",
        ]
    );
}

#[test]
fn a_message_that_is_filtered_refused_or_fails_says_so() {
    assert_eq!(failures(&text("A31"), "{ack: AA, filtered: true}"), Vec::<String>::new());
    assert_eq!(
        failures(&text("A31"), "{routes: [{name: r, parts: 1}]}"),
        ["routes[r]: expected sent, was filtered (by the channel's filter)"]
    );
    let training = text("A01").replace("|P|", "|T|");
    let found = failures(&training, "{ack: AA, routes: [{name: r, parts: 1}]}");
    assert!(found[0].starts_with("ack: expected AA, was AR (202 MSH-11.1 "), "{found:?}");
    assert_eq!(found[1], "routes[r]: expected sent, was not accepted");
    let found = failures(&text("A99"), "{ack: AA, routes: [{name: r, parts: 1}]}");
    assert!(
        found.len() == 1 && found[0].starts_with("routes[r]: expected sent, was failed (transform[1].set"),
        "{found:?}"
    );
    assert_eq!(failures(&text("A99"), "{routes: [{name: r, failed: true}]}"), Vec::<String>::new());
}

#[test]
fn a_message_that_another_channel_or_none_takes_is_a_failure() {
    let found = failures(&text("A01").replace("ADT^A01", "ORU^R01"), "{ack: AA}");
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("ack: expected AA, was A"), "{found:?}");
}

#[test]
fn files_are_read_beside_the_document_and_compared_byte_for_byte() {
    assert_eq!(failures("{file: m.hl7}", "{routes: [{name: r, equals: m.hl7}]}"), Vec::<String>::new());
    let found = failures(&text("A01"), "{routes: [{name: r, equals: m.hl7}]}");
    assert!(
        found[0].starts_with("routes[r] equals m.hl7: expected …") && found[0].contains("(segment 1)"),
        "{found:?}"
    );
    let found = failures("{file: gone.hl7}", "{ack: AA}");
    assert!(found[0].starts_with("file sub/gone.hl7: expected a file that can be read"), "{found:?}");
}

#[test]
fn the_test_sets_the_clock_and_constants() {
    let case = format!(
        "{{name: x, send: {}, expect: {{routes: [{{name: r, fields: [{{path: MSH-6, is: THERE}}, {{path: EVN-2, is: \"202611221000\"}}]}}]}}}}",
        text("A01")
    );
    let (_, failures) = results(&case, "  given: {now: \"2026-11-22T10:00:00Z\", constants: {place: THERE}}\n");
    assert_eq!(failures, Vec::<String>::new());
}

#[test]
fn junit_tells_what_failed_and_escapes_what_xml_would_take_for_itself() {
    let case = format!("{{name: \"a <b> & \\\"c\\\"\", send: {}, expect: {{ack: AE}}}}", text("A01"));
    let (suites, _) = results(&case, "");
    let xml = junit(&suites);
    assert!(xml.contains("<testsuite name=\"t\" file=\"sub/x.yaml\" tests=\"1\" failures=\"1\""), "{xml}");
    assert!(xml.contains("<testcase classname=\"c\" name=\"a &lt;b&gt; &amp; &quot;c&quot;\""), "{xml}");
    assert!(xml.contains("<failure message=\"ack: expected AE, was AA\">ack: expected AE, was AA</failure>"), "{xml}");
    assert!(!suites[0].passed());
}
