//! A bad edit keeps the last good version, of that document alone.

use std::sync::Arc;

use super::*;

#[test]
fn a_bad_channel_keeps_its_last_good_revision_and_stops_nobody_else() {
    let first = good(&set(ROUTES));
    let bad = format!(
        "{}---\nkind: Channel\nmetadata: {{name: d}}\nspec:\n  from: {{listeners: [{{name: in}}], when: \"msg.type == 'ORU'\"}}\n  priority: 1\n  {ROUTES}",
        set(&format!("filter: \"nonsense(\"\n{ROUTES}"))
    );
    let second = after(&first, &bad);
    assert!(!second.is_good());
    assert!(Arc::ptr_eq(&first.snapshot.channels[&name("c")], &second.snapshot.channels[&name("c")]));
    assert!(second.snapshot.channels.contains_key(&name("d")), "the new one beside it is in effect");
    assert!(second.snapshot.invalid.is_empty());
    let third = after(&second, &bad);
    assert!(third.snapshot.channels.contains_key(&name("c")), "and keeps it through further changes");
}

#[test]
fn a_channel_without_any_good_version_is_invalid_and_not_matched_elsewhere() {
    let compiled = compiled(&set(&format!("filter: \"nonsense(\"\n{ROUTES}")));
    assert!(compiled.snapshot.channels.is_empty());
    assert_eq!(compiled.snapshot.invalid.keys().collect::<Vec<_>>(), [&name("c")]);
    assert!(
        format!("{:?}", compiled.snapshot.parse).contains("1 channels"),
        "its rules refuse its messages as retryable"
    );
}

#[test]
fn a_field_that_cannot_be_read_keeps_the_last_good_version_too() {
    let first = good(&set(ROUTES));
    for bad in ["priorty: 5\n", "priority: five\n", "duplicates: {window: 24}\n"] {
        let second = after(&first, &set(&format!("{bad}{ROUTES}")));
        assert_eq!(second.problems.iter().filter(|p| p.is_error()).count(), 1, "{:?}", texts(&second));
        assert!(Arc::ptr_eq(&first.snapshot.channels[&name("c")], &second.snapshot.channels[&name("c")]));
    }
}

#[test]
fn a_file_that_is_not_yaml_any_more_removes_nothing() {
    let first = good(&set(ROUTES));
    let torn = after(&first, &set(ROUTES).replace("kind: Channel", "kind: [Channel"));
    assert!(!torn.is_good());
    assert_eq!(torn.snapshot.channels.len(), 1);
    assert_eq!(torn.snapshot.destinations.len(), 1);
    let gone = after(&torn, LISTENER);
    assert!(gone.snapshot.channels.is_empty(), "what is taken out of a good file is gone");
}

#[test]
fn a_bad_listener_destination_or_facility_stays_as_it_was() {
    let facility = "---\nkind: Facility\nmetadata: {name: f}\nspec: {identities: [{msh: {sendingFacility: X}}]}\n";
    let first = good(&format!("{}{facility}", set(ROUTES)));
    let text = format!("{}{facility}", set(ROUTES));
    let bad =
        text.replace("port: 2575", "port: x").replace("127.0.0.1:2601", "nowhere").replace("sendingFacility", "sender");
    let second = after(&first, &bad);
    assert_eq!(second.problems.iter().filter(|p| p.is_error()).count(), 3, "{:#?}", texts(&second));
    assert_eq!(first.snapshot.listeners, second.snapshot.listeners);
    assert_eq!(first.snapshot.destinations, second.snapshot.destinations);
    assert_eq!(first.snapshot.facilities, second.snapshot.facilities);
    assert!(Arc::ptr_eq(&first.snapshot.channels[&name("c")], &second.snapshot.channels[&name("c")]));
}

#[test]
fn a_bad_mapping_leaves_its_last_good_steps_with_the_channels_that_apply_it() {
    let mapping = "---\nkind: Mapping\nmetadata: {name: m}\nspec: {steps: [{set: {path: MSH-5, to: \"'A'\"}}]}\n";
    let channel = set(&format!("transform: [{{apply: {{mapping: {{name: m}}}}}}]\n{ROUTES}"));
    let first = good(&format!("{channel}{mapping}"));
    let bad = mapping.replace("'A'", "nonsense");
    let edited = channel.replace("spec:\n  from", "spec:\n  priority: 9\n  from");
    let second = after(&first, &format!("{edited}{bad}"));
    assert_eq!(second.problems.iter().filter(|p| p.is_error()).count(), 1, "{:#?}", texts(&second));
    let kept = &second.snapshot.channels[&name("c")];
    assert_eq!(kept.settings.priority, 9, "the channel's own edit takes effect");
    assert!(String::from_utf8_lossy(&kept.closure).contains("'A'"), "with the steps that were good");
}

#[test]
fn a_destination_that_was_removed_stays_while_a_last_good_channel_leads_to_it() {
    let first = good(&set(ROUTES));
    let second = after(&first, &set(ROUTES).replace(&format!("{DESTINATION}---\n"), ""));
    assert!(texts(&second).join("\n").contains("there is no Destination out"));
    assert!(
        second.snapshot.channels.contains_key(&name("c")) && second.snapshot.destinations.contains_key(&name("out"))
    );
    let third = after(&second, LISTENER);
    assert!(third.snapshot.destinations.is_empty(), "and goes with it");
}

#[test]
fn the_last_good_version_outlives_a_restart() {
    let first = good(&set(ROUTES));
    let stored = first.snapshot.save();
    let restored = crate::Snapshot::restore(&stored).unwrap();
    let bad = Sources::from_texts([("x.yaml", set(&format!("filter: \"nonsense(\"\n{ROUTES}")).as_str())]);
    let started = compile(&bad, Some(&restored));
    assert_eq!(started.snapshot.channels[&name("c")].revision, first.snapshot.channels[&name("c")].revision);
    assert!(crate::Snapshot::restore(b"{").is_err());
}

#[test]
fn what_did_not_change_is_the_very_same_object() {
    let first = good(&set(ROUTES));
    let second = after(&first, &set(&format!("priority: 1\n{ROUTES}")));
    assert!(Arc::ptr_eq(&first.snapshot.listeners[&name("in")], &second.snapshot.listeners[&name("in")]));
    assert!(Arc::ptr_eq(&first.snapshot.destinations[&name("out")], &second.snapshot.destinations[&name("out")]));
    assert!(!Arc::ptr_eq(&first.snapshot.channels[&name("c")], &second.snapshot.channels[&name("c")]));
    assert_eq!(second.snapshot.number, first.snapshot.number + 1);
    let changes = crate::diff(&first.snapshot, &second.snapshot);
    assert_eq!(changes.len(), 1, "{changes:#?}");
    assert_eq!((changes[0].kind, &changes[0].name, changes[0].what), ("Channel", &name("c"), crate::What::Changed));
    assert_eq!(
        changes[0].fields,
        [crate::FieldChange { field: "spec.priority".to_owned(), before: None, after: Some("1".to_owned()) }]
    );
}

#[test]
fn a_change_says_what_it_does_to_what_is_running() {
    let first = good(&set(ROUTES));
    let text = set(ROUTES)
        .replace("port: 2575", "port: 2576")
        .replace("spec:\n  mllp: {endpoints", "spec:\n  timeout: 9s\n  mllp: {endpoints");
    let changes = crate::diff(&first.snapshot, &after(&first, &text).snapshot);
    let shown: Vec<String> = changes.iter().map(|c| format!("{} {}: {}", c.kind, c.name.short(), c.effect)).collect();
    assert_eq!(
        shown,
        ["Listener in: opens a new socket; its connections end", "Destination out: keeps its connections"]
    );
    assert_eq!(changes[0].fields[0].field, "spec.mllp.port");
    let removed = crate::diff(&first.snapshot, &after(&first, LISTENER).snapshot);
    assert_eq!(
        removed.iter().map(|c| (c.kind, c.what)).collect::<Vec<_>>(),
        [("Destination", crate::What::Removed), ("Channel", crate::What::Removed)]
    );
    assert_eq!(crate::diff(&first.snapshot, &first.snapshot), []);
}

#[test]
fn messages_of_an_invalid_channel_are_refused_as_retryable_and_never_taken_by_another() {
    use barid_validate::{Refusal, Verdict};
    let other = "---\nkind: Channel\nmetadata: {name: other}\nspec:\n  priority: -1\n  from: {listeners: [{name: in}]}\n  routes: [{name: r, to: {destination: out}}]\n";
    let text = set(&format!("filter: \"nonsense(\"\n{ROUTES}"))
        .replace("listeners: [{name: in}]", "listeners: [{name: in}], when: \"msg.type == 'ADT'\"")
        .replace("address: 127.0.0.1}\n", "address: 127.0.0.1}\n  unknownFacility: accept\n");
    let compiled = compiled(&format!("{text}{other}"));
    assert!(!compiled.is_good());
    let parse = |kind: &str| {
        let raw = format!("MSH|^~\\&|A|B|C|D|20261122||{kind}|1|P|2.5\rPID|1||7^^^B\r");
        let sample = crate::testing::Sample {
            raw: bytes::Bytes::from(raw).into(),
            facility: None,
            received: barid_model::Timestamp::from_millis(0),
            hasher: barid_model::LaneHasher::new([0; 16]),
        };
        sample.at(&compiled.snapshot, &name("in")).unwrap()
    };
    match parse("ADT^A01^ADT_A01") {
        Verdict::Reject(rejected) => {
            assert_eq!((rejected.refusal, rejected.channel), (Refusal::Retry, Some(name("c"))));
            assert_eq!(rejected.findings[0].code, 207);
        }
        verdict => panic!("{verdict:?}"),
    }
    match parse("ORU^R01^ORU_R01") {
        Verdict::Accept(accepted) => {
            assert_eq!(accepted.envelope.channel, Some(name("other")), "what is not its own goes on")
        }
        verdict => panic!("{verdict:?}"),
    }
}
