//! What travels is what runs.

use super::*;
use crate::compile::compile;
use crate::load::Sources;

const GOOD: &str = "
kind: Listener
metadata: {name: in}
spec: {mllp: {port: 2575, address: 127.0.0.1}, unknownFacility: accept}
---
kind: Destination
metadata: {name: out}
spec: {mllp: {endpoints: [\"127.0.0.1:2601\"]}}
---
kind: Channel
metadata: {name: a}
spec:
  from: {listeners: [{name: in}], when: \"msg.type == 'ADT'\"}
  order: {by: patient}
  transform: [{set: {path: MSH-5, to: \"'A'\"}}]
  routes: [{name: r, to: {destination: out}}]
";
const BAD: &str = "
kind: Channel
metadata: {name: b}
spec:
  from: {listeners: [{name: in}], when: \"msg.type == 'ORU'\"}
  routes: [{name: r, to: {destination: nowhere}}]
";

fn compiled(texts: &[&str], previous: Option<&Snapshot>) -> Arc<Snapshot> {
    let names: Vec<String> = (0..texts.len()).map(|i| format!("{i}.yaml")).collect();
    compile(&Sources::from_texts(names.iter().map(String::as_str).zip(texts.iter().copied())), previous).snapshot
}

#[test]
fn an_unpacked_snapshot_runs_the_same_revisions_under_the_same_name() {
    let snapshot = compiled(&[GOOD, BAD], None);
    let packed = snapshot.pack();
    let there = Snapshot::unpack(&packed).unwrap();
    assert_eq!((there.number, there.parse.identity()), (snapshot.number, packed.id));
    assert_eq!(snapshot.parse.identity(), packed.id);
    let revisions = |snapshot: &Snapshot| -> Vec<(Name, Revision)> {
        snapshot.channels.values().map(|channel| (channel.name.clone(), channel.revision)).collect()
    };
    assert_eq!(revisions(&there), revisions(&snapshot));
    assert_eq!(there.invalid, snapshot.invalid);
    assert_eq!(there.listeners, snapshot.listeners);
    assert_eq!(there.destinations, snapshot.destinations);
}

#[test]
fn a_channel_without_a_good_version_claims_its_messages_there_as_well() {
    let there = Snapshot::unpack(&compiled(&[GOOD, BAD], None).pack()).unwrap();
    assert_eq!(there.invalid.len(), 1);
    assert_eq!(format!("{:?}", there.parse), "ParseTable(1 listeners, 0 facilities, 2 channels)");
}

#[test]
fn a_channel_that_keeps_its_last_good_version_has_it_there_too() {
    let before = compiled(&[GOOD], None);
    let worse = GOOD.replace("MSH-5", "MSH-nonsense");
    let after = compiled(&[&worse], Some(&before));
    let there = Snapshot::unpack(&after.pack()).unwrap();
    let name = Name::local("a");
    assert_eq!(there.channels[&name].revision, before.channels[&name].revision);
    assert_eq!(there.number, 2);
}

#[test]
fn the_same_documents_have_the_same_name_and_others_another() {
    let (one, two) = (compiled(&[GOOD], None), compiled(&[GOOD], None));
    assert_eq!(one.pack().id, two.pack().id);
    assert_ne!(one.pack().id, compiled(&[GOOD, BAD], None).pack().id);
    let later = compiled(&[GOOD], Some(&one));
    assert_eq!(later.pack().id, one.pack().id, "the number is no part of it");
}

#[test]
fn a_change_of_one_channel_changes_few_parts() {
    let (before, after) = (compiled(&[GOOD, BAD], None), compiled(&[&GOOD.replace("'A'", "'B'"), BAD], None));
    let (before, after) = (before.pack(), after.pack());
    let new = after.parts.iter().filter(|part| !before.parts.contains(part)).count();
    assert_eq!(new, 3, "the list, the document and the closure");
}

#[test]
fn what_lacks_a_part_or_is_none_is_refused() {
    let packed = compiled(&[GOOD], None).pack();
    let mut torn = packed.clone();
    torn.parts.pop();
    assert!(matches!(Snapshot::unpack(&torn), Err(UnpackError::Missing(_))));
    assert!(matches!(Snapshot::unpack(&Packed::of(1, Vec::new())), Err(UnpackError::Malformed(_))));
    let newer = Packed::of(1, vec![Bytes::from_static(b"{\"format\": 2}")]);
    assert!(matches!(Snapshot::unpack(&newer), Err(UnpackError::Format(2))));
}
