//! Verbs that work on documents without an engine: check, test, try, diff, probe, explain.

use std::path::Path;

use crate::binary::{Ran, barid, barid_on, barid_with};
use crate::engine::Engine;

const BASE: &str = "\
kind: Listener
metadata: {name: mllp}
spec:
  mllp: {port: 2575, address: 127.0.0.1}
---
kind: Facility
metadata: {name: chn}
spec:
  identities: [{msh: {sendingFacility: CHN}}]
---
kind: Destination
metadata: {name: registry}
spec:
  mllp: {endpoints: [\"127.0.0.1:1\"]}
";

const CHANNEL: &str = "\
kind: Channel
metadata: {name: admissions}
spec:
  from: {listeners: [{name: mllp}], when: \"msg.type == 'ADT'\"}
  transform:
    - set: {path: MSH-5, to: \"'MPI'\"}
    - set: {path: PV1-2, to: \"'IMP'\"}
      when: \"msg['PV1-2'] == 'I'\"
  routes:
    - name: registry
      to: {destination: registry}
      when: \"msg.event in ['A01', 'A40']\"
      transform: [{delete: {path: PV1-3}}]
";

const MESSAGE: &str =
    "MSH|^~\\&|HIS|CHN|BARID|MSP|20261122||ADT^A01^ADT_A01|42|P|2.5\rPID|1||A7^^^CHN||Sow^Awa\rPV1|1|I|WARD\r";

fn tests(expected: &str) -> String {
    format!(
        "kind: ChannelTest
metadata: {{name: admissions}}
spec:
  channel: {{name: admissions}}
  cases:
    - name: an inpatient goes as IMP
      send: {{file: a01.hl7, facility: chn}}
      expect: {{ack: AA, routes: [{{name: registry, fields: [{{path: PV1-2, is: {expected}}}]}}]}}
"
    )
}

/// A directory of documents with a message beside them.
fn directory(documents: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "base.yaml", BASE);
    write(directory.path(), "admissions.yaml", CHANNEL);
    write(directory.path(), "a01.hl7", MESSAGE);
    for (name, text) in documents {
        write(directory.path(), name, text);
    }
    directory
}

fn write(directory: &Path, name: &str, text: &str) {
    let path = directory.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn on(directory: &tempfile::TempDir, verb: &str, rest: &[&str]) -> Ran {
    let mut arguments = vec![verb, directory.path().to_str().unwrap()];
    arguments.extend(rest);
    barid(&arguments)
}

fn try_it(directory: &tempfile::TempDir, message: &str, rest: &[&str]) -> Ran {
    let mut arguments = vec!["try", "admissions", "-m", "-", "--dir", directory.path().to_str().unwrap()];
    arguments.extend(rest);
    barid_with(&arguments, message.as_bytes())
}

#[test]
fn good_documents_pass_the_check() {
    let ran = on(&directory(&[]), "check", &[]).well();
    assert!(ran.text().contains("1 listener, 1 facility, 1 channel, 1 destination, 0 channel tests"), "{}", ran.text());
}

#[test]
fn each_error_is_listed_with_file_line_field_and_remedy_and_ends_with_3() {
    let wrong = CHANNEL.replace("msg.event in", "msg.evnt in").replace("PV1-3}", "PV1-0}");
    let directory = directory(&[("admissions.yaml", &wrong)]);
    let ran = on(&directory, "check", &[]).with(3);
    assert!(ran.text().contains("admissions.yaml:12:") && ran.text().contains("msg.event"), "{}", ran.text());
    assert!(ran.text().contains("admissions.yaml:13:") && ran.text().contains("2 errors"), "{}", ran.text());
    let json = on(&directory, "check", &["--json"]).with(3).json();
    assert_eq!(json["good"], false);
    let problems = json["problems"].as_array().unwrap();
    assert!(
        problems.iter().any(|p| p["line"] == 12 && p["field"] == "spec.routes[0].when" && p["remedy"] != ""),
        "{problems:?}"
    );
}

#[test]
fn a_directory_that_is_none_ends_with_3_by_name() {
    for verb in ["check", "test"] {
        assert!(barid(&[verb, "/nowhere/docs"]).with(3).stderr.contains("/nowhere/docs"));
    }
}

#[test]
fn a_passing_test_ends_well_and_is_written_as_junit() {
    let directory = directory(&[("tests.yaml", &tests("IMP"))]);
    let xml = directory.path().join("out.xml");
    let ran = on(&directory, "test", &["-v", "--junit", xml.to_str().unwrap()]).well();
    assert!(
        ran.text().contains("ok   admissions: an inpatient goes as IMP") && ran.text().contains("1 passed, 0 failed"),
        "{}",
        ran.text()
    );
    let xml = std::fs::read_to_string(xml).unwrap();
    assert!(xml.contains("<testsuite name=\"admissions\"") && xml.contains("failures=\"0\""), "{xml}");
}

#[test]
fn a_failing_test_shows_the_field_what_was_expected_and_what_was_and_ends_with_5() {
    let directory = directory(&[("tests.yaml", &tests("AMB"))]);
    let ran = on(&directory, "test", &[]).with(5);
    for expected in
        ["FAIL admissions: an inpatient goes as IMP", "routes[registry] PV1-2", "expected \"AMB\"", "was      \"IMP\""]
    {
        assert!(ran.text().contains(expected), "{expected} in {}", ran.text());
    }
    let json = on(&directory, "test", &["--json"]).with(5).json();
    assert_eq!(json["suites"][0]["cases"][0]["failures"][0]["was"], "\"IMP\"");
}

#[test]
fn a_case_that_asserts_nothing_is_refused() {
    let empty = tests("IMP").replace("{ack: AA, routes: [{name: registry, fields: [{path: PV1-2, is: IMP}]}]}", "{}");
    let ran = on(&directory(&[("tests.yaml", &empty)]), "test", &[]).with(3);
    assert!(ran.stderr.contains("tests.yaml"), "{}", ran.stderr);
}

#[test]
fn tests_of_an_unknown_channel_end_with_9() {
    let directory = directory(&[("tests.yaml", &tests("IMP"))]);
    on(&directory, "test", &["--channel", "admissions"]).well();
    assert!(on(&directory, "test", &["--channel", "other"]).with(9).stderr.contains("other"));
}

#[test]
fn try_shows_each_steps_difference_and_what_would_be_sent() {
    let directory = directory(&[]);
    let ran = try_it(&directory, MESSAGE, &["--show"]).well();
    for expected in [
        "accepted at listener mllp from default/chn: answer AA",
        "transform[0].set\n    MSH-5: BARID -> MPI",
        "transform[1].set\n    PV1-2: I -> IMP",
        "route registry to destination registry: would be sent",
        "routes[0].transform[0].delete",
        "PV1|1|IMP",
    ] {
        assert!(ran.text().contains(expected), "{expected} in {}", ran.text());
    }
    assert!(!ran.text().lines().any(|line| line.starts_with("PV1") && line.contains("WARD")), "{}", ran.text());
}

#[test]
fn try_says_what_is_skipped_filtered_and_refused() {
    let directory = directory(&[]);
    let outpatient = MESSAGE.replace("|I|", "|O|").replace("ADT^A01^ADT_A01", "ADT^A08^ADT_A01");
    let ran = try_it(&directory, &outpatient, &[]).well();
    assert!(
        ran.text().contains("transform[1].set  (skipped") && ran.text().contains("registry: filtered"),
        "{}",
        ran.text()
    );
    let other = MESSAGE.replace("ADT^A01^ADT_A01", "ORU^R01^ORU_R01");
    let ran = try_it(&directory, &other, &["--json"]);
    assert!(ran.json()["aside"].as_str().unwrap().contains("listener mllp"), "{}", ran.text());
    let no_id = MESSAGE.replace("|42|", "||");
    let ran = try_it(&directory, &no_id, &[]).with(1);
    assert!(ran.text().contains("MSH-10"), "{}", ran.text());
    assert!(try_it(&directory, MESSAGE, &["--facility", "nobody"]).with(9).stderr.contains("nobody"));
    let missing = barid(&[
        "try",
        "other",
        "-m",
        directory.path().join("a01.hl7").to_str().unwrap(),
        "--dir",
        directory.path().to_str().unwrap(),
    ]);
    assert!(missing.with(9).stderr.contains("there are: admissions"));
}

#[test]
fn diff_names_what_a_change_touches_and_nothing_else() {
    let (old, new) = (directory(&[]), directory(&[("admissions.yaml", &CHANNEL.replace("'MPI'", "'MPI2'"))]));
    let against = old.path().to_str().unwrap();
    let ran = on(&new, "diff", &["--against", against]).well();
    assert!(ran.text().contains("~ Channel admissions") && ran.text().contains("MPI2"), "{}", ran.text());
    assert!(!ran.text().contains("Destination"), "{}", ran.text());
    on(&new, "diff", &["--against", against, "--exit-code"]).with(1);
    assert!(on(&old, "diff", &["--against", against, "--exit-code"]).well().text().contains("nothing differs"));
    let json = on(&new, "diff", &["--against", against, "--json"]).well().json();
    assert_eq!(json["changes"][0]["what"], "changed");
    let broken = directory(&[("admissions.yaml", &CHANNEL.replace("msg.event", "msg.evnt"))]);
    assert!(on(&broken, "diff", &["--against", against]).with(3).stderr.contains("keep what runs"));
}

#[test]
fn diff_and_explain_without_a_directory_ask_the_running_engine() {
    let engine = Engine::start();
    let change = directory(&[]);
    let ran = barid_on(engine.data(), &["diff", change.path().to_str().unwrap()]).well();
    assert!(ran.text().contains("+ Channel admissions"), "the stand-in runs nothing: {}", ran.text());
    let ran = barid(&["explain", "channel", "admissions", "--dir", change.path().to_str().unwrap()]).well();
    assert!(ran.text().contains("Channel admissions, revision") && ran.text().contains("built in"), "{}", ran.text());
    assert!(ran.text().lines().any(|line| line.contains("duplicates.window")), "{}", ran.text());
    barid(&["explain", "channel", "other", "--dir", change.path().to_str().unwrap()]).with(9);
}

#[test]
fn probe_says_what_it_met_and_ends_with_4_where_nobody_is_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let there = BASE.replace("127.0.0.1:1\"", &format!("127.0.0.1:{port}\""));
    let directory = directory(&[("base.yaml", &there)]);
    let path = directory.path().to_str().unwrap();
    let ran = barid(&["probe", "registry", "--dir", path]).well();
    assert!(ran.text().contains("can be used") && ran.text().contains(&port.to_string()), "{}", ran.text());
    drop(listener);
    let ran = barid(&["probe", "registry", "--dir", path, "--json"]).with(4);
    assert_eq!(ran.json()[0]["usable"], false);
    let note = format!("probed by this command, with its own environment and the secrets in {path}/secrets");
    assert!(ran.stderr.contains(&note), "{}", ran.stderr);
    assert!(barid(&["probe", "other", "--dir", path]).with(9).stderr.contains("there are: registry"));
}

#[test]
fn where_an_engine_runs_it_is_the_engine_that_probes() {
    let engine = Engine::start();
    let ran = barid_on(engine.data(), &["probe", "registry"]).well();
    assert!(engine.last().starts_with("ProbeRequest"), "{}", engine.last());
    assert!(ran.text().contains("registry.example:2575: can be used"), "{}", ran.text());
    assert!(ran.text().contains("10.0.0.9:2575") && ran.stderr.is_empty(), "{} {}", ran.text(), ran.stderr);
    let ran = barid_on(engine.data(), &["probe", "registry", "--json"]).well();
    assert_eq!(ran.json()[0]["tookMs"], 12.5);
}

#[test]
fn a_directory_without_documents_is_an_error_that_names_it_and_the_remedy() {
    let empty = tempfile::tempdir().unwrap();
    write(empty.path(), "only.yaml", "# nothing yet\n");
    let path = empty.path().to_str().unwrap();
    for arguments in [&["check", path][..], &["test", path], &["probe", "registry", "--dir", path]] {
        let ran = barid(arguments).with(3);
        assert!(ran.stderr.contains(&format!("{path} holds no documents")), "{}", ran.stderr);
        assert!(ran.stderr.contains(".yaml"), "{}", ran.stderr);
    }
}

#[test]
fn a_channel_test_whose_file_is_missing_is_an_error_with_its_place() {
    let directory = directory(&[("region/tests.yaml", &tests("IMP"))]);
    let path = directory.path().to_str().unwrap();
    let ran = barid(&["check", path]).with(3);
    let expected = "region/tests.yaml:7:";
    assert!(
        ran.text().contains(expected) && ran.text().contains("there is no file `region/a01.hl7`"),
        "{}",
        ran.text()
    );
    write(directory.path(), "region/a01.hl7", MESSAGE);
    barid(&["check", path]).well();
}

#[test]
fn a_step_that_changes_nothing_is_said_to_have_run() {
    let directory = directory(&[]);
    write(directory.path(), "mpi.hl7", &MESSAGE.replacen("|BARID|", "|MPI|", 1));
    let path = directory.path().to_str().unwrap();
    let message = directory.path().join("mpi.hl7");
    let ran = barid(&["try", "admissions", "--dir", path, "-m", message.to_str().unwrap()]).well();
    assert!(ran.text().contains("(ran, and changed nothing)"), "{}", ran.text());
}
