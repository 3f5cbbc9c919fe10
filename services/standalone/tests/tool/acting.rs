//! Verbs that change something: each says who and why.

use crate::binary::{barid_on, barid_with, command};
use crate::engine::{Engine, UID};

#[test]
fn nothing_is_changed_without_a_reason() {
    let engine = Engine::start();
    for arguments in [
        &["pause", "channel", "admissions"][..],
        &["replay", UID],
        &["discard", UID],
        &["rerun", UID],
        &["release", "client-registry"],
        &["pause", "channel", "admissions", "--reason", "  "],
    ] {
        let ran = barid_on(engine.data(), arguments).with(2);
        assert!(ran.stderr.contains("--reason"), "{arguments:?}: {}", ran.stderr);
    }
    assert!(engine.told.lock().is_empty());
}

#[test]
fn who_and_why_travel_with_the_command() {
    let engine = Engine::start();
    barid_on(engine.data(), &["pause", "destination", "client-registry", "--reason", "registry moves"]).well();
    assert_eq!(
        engine.last(),
        "PauseRequest { by: By { actor: \"tester\", reason: \"registry moves\" }, target: Destination(default/client-registry), mode: Paused }"
    );
    barid_on(engine.data(), &["pause", "channel", "regions/adt", "--closed", "-r", "x", "--actor", "fatima"]).well();
    assert!(engine.last().contains("fatima") && engine.last().contains("Closed"), "{}", engine.last());
    barid_on(engine.data(), &["resume", "channel", "regions/adt", "-r", "done"]).well();
    assert!(engine.last().starts_with("ResumeRequest"), "{}", engine.last());
    let ran = barid_on(engine.data(), &["pause", "destination", "x", "--closed", "-r", "x"]).with(2);
    assert!(ran.stderr.contains("--closed is for channels"), "{}", ran.stderr);
}

#[test]
fn replay_takes_uids_or_a_search_but_never_everything_by_accident() {
    let engine = Engine::start();
    let ran = barid_on(engine.data(), &["replay", UID, "-r", "lost at the registry"]).well();
    assert!(ran.text().contains("1 of 1 message replayed"), "{}", ran.text());
    assert!(engine.last().contains(&format!("Uids([{UID}])")), "{}", engine.last());
    barid_on(
        engine.data(),
        &["replay", "--channel", "admissions", "--since", "2h", "--then", "--limit", "10", "-r", "x"],
    )
    .well();
    assert!(engine.last().contains("revision: Then, limit: 10"), "{}", engine.last());
    assert!(barid_on(engine.data(), &["replay", "-r", "x"]).with(2).stderr.contains("say which messages"));
    assert!(barid_on(engine.data(), &["replay", UID, "--channel", "x", "-r", "x"]).with(2).stderr.contains("not both"));
}

#[test]
fn rerun_and_discard_name_what_they_act_on_and_what_they_could_not() {
    let engine = Engine::start();
    barid_on(engine.data(), &["rerun", UID, "--route", "registry", "-r", "x"]).well();
    assert!(
        engine.last().contains("Message { uid: ") && engine.last().contains("Some(\"registry\")"),
        "{}",
        engine.last()
    );
    barid_on(engine.data(), &["rerun", "--destination", "client-registry", "--dry-run", "-r", "x"]).well();
    assert!(
        engine.last().contains("why: Some(\"quarantined\")") && engine.last().contains("dry_run: true"),
        "{}",
        engine.last()
    );
    let id = "ab".repeat(16);
    let ran = barid_on(engine.data(), &["discard", "--delivery", &id, "-r", "x"]).with(1);
    assert!(ran.text().contains("1 of 2 discarded") && ran.text().contains("it is not quarantined"), "{}", ran.text());
    assert!(engine.last().contains(&id), "{}", engine.last());
    barid_on(engine.data(), &["discard", "-r", "x"]).with(2);
    barid_on(engine.data(), &["discard", "--delivery", "zz", "-r", "x"]).with(2);
}

#[test]
fn a_discard_that_finds_nothing_says_how_what_is_in_flight_is_given_up() {
    let engine = Engine::start();
    let asked = ["discard", "--facility", "chn", "--dry-run", "-r", "x"];
    let ran = barid_on(engine.data(), &asked).well();
    assert!(ran.text().contains("0 would be discarded") && ran.text().contains("--in-flight"), "{}", ran.text());
    let ran = barid_on(engine.data(), &[&asked[..], &["--in-flight"]].concat()).well();
    assert!(!ran.text().contains("--in-flight"), "{}", ran.text());
    assert!(!barid_on(engine.data(), &[&asked[..], &["--json"]].concat()).well().text().contains("--in-flight"));
}

#[test]
fn what_is_not_to_be_given_up_can_be_set_aside() {
    let engine = Engine::start();
    let asked = ["discard", "--facility", "chn", "--in-flight", "--set-aside", "--dry-run", "-r", "x"];
    let ran = barid_on(engine.data(), &asked).well();
    assert!(ran.text().contains("would be set aside"), "{}", ran.text());
    assert!(engine.last().contains("keep: true") && engine.last().contains("inFlight"), "{}", engine.last());
}

#[test]
fn release_takes_a_lane_as_the_list_shows_it() {
    let engine = Engine::start();
    barid_on(
        engine.data(),
        &["release", "client-registry", "--lane", "0000000000000abc", "--head", "discard", "-r", "x"],
    )
    .well();
    assert!(engine.last().contains("0000000000000abc") && engine.last().contains("head: Discard"), "{}", engine.last());
    assert!(
        barid_on(engine.data(), &["release", "x", "--lane", "patient 4711", "-r", "x"])
            .with(2)
            .stderr
            .contains("no lane")
    );
}

#[test]
fn resend_sends_the_file_with_segments_as_the_standard_ends_them() {
    let engine = Engine::start();
    let path = engine.data().join("edited.hl7");
    std::fs::write(&path, "MSH|^~\\&|A\nPID|1\n\n").unwrap();
    let ran = barid_on(engine.data(), &["resend", UID, "--file", path.to_str().unwrap(), "-r", "typo"]).well();
    assert!(ran.text().contains("sent as "), "{}", ran.text());
    assert!(engine.last().ends_with(r#"b"MSH|^~\\&|A\rPID|1\r""#), "{}", engine.last());
    let data = engine.data().to_str().unwrap();
    barid_with(&["resend", UID, "--file", "-", "-r", "typo", "--data", data], b"MSH|^~\\&|B\rPID|\n1\r").well();
    assert!(
        engine.last().ends_with(r#"b"MSH|^~\\&|B\rPID|\n1\r""#),
        "bytes with CR of their own are left alone: {}",
        engine.last()
    );
    std::fs::write(&path, "").unwrap();
    assert!(
        barid_on(engine.data(), &["resend", UID, "--file", path.to_str().unwrap(), "-r", "x"])
            .with(1)
            .stderr
            .contains("is empty")
    );
}

#[test]
fn reload_lists_what_is_wrong_by_place_and_ends_with_3() {
    let engine = Engine::start();
    let ran = barid_on(engine.data(), &["reload"]).with(3);
    assert!(
        ran.text().contains("channels/adt.yaml:12: error: spec.routes[0].when: unknown name: msg.event is meant"),
        "{}",
        ran.text()
    );
}

#[test]
fn without_an_engine_a_change_is_refused_with_4() {
    let data = tempfile::tempdir().unwrap();
    let ran = barid_on(data.path(), &["pause", "channel", "x", "-r", "x"]).with(4);
    assert!(ran.stderr.contains("no engine runs"), "{}", ran.stderr);
}

#[test]
fn the_data_directory_may_come_from_the_environment() {
    let engine = Engine::start();
    let output = command().env("BARID_DATA", engine.data()).args(["audit", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}
