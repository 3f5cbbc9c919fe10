//! What two documents may not share.

use super::*;

#[test]
fn a_port_is_taken_once_and_the_one_that_had_it_keeps_it() {
    let second = "---\nkind: Listener\nmetadata: {name: a-new}\nspec: {mllp: {port: 2575, address: 127.0.0.1}}\n";
    let first = good(&set(ROUTES));
    let both = after(&first, &format!("{}{second}", set(ROUTES)));
    let all = texts(&both).join("\n");
    assert!(
        all.contains(
            "Listener a-new: spec.mllp.port: port 2575 is taken by Listener in: give one of them another port"
        ),
        "{all}"
    );
    assert_eq!(both.snapshot.listeners.keys().collect::<Vec<_>>(), [&name("in")]);
    let fresh = compiled(&format!("{}{second}", set(ROUTES)));
    assert!(fresh.snapshot.listeners.contains_key(&name("a-new")), "of two new ones the first by name has it");
    let other_address = second.replace("127.0.0.1", "127.0.0.2");
    assert!(compiled(&format!("{}{other_address}", set(ROUTES))).is_good());
    let all_addresses = second.replace(", address: 127.0.0.1", "");
    assert!(!compiled(&format!("{}{all_addresses}", set(ROUTES))).is_good());
}

#[test]
fn an_identity_belongs_to_one_facility() {
    let facility = |name: &str, identity: &str| {
        format!(
            "---\nkind: Facility\nmetadata: {{name: {name}}}\nspec: {{identities: [{{msh: {{sendingFacility: ZZZ}}}}, {identity}]}}\n"
        )
    };
    let one = facility("f1", "{msh: {sendingFacility: CHN}}");
    let other = facility("f2", "{msh: {sendingFacility: CHN}}").replace("{msh: {sendingFacility: ZZZ}}, ", "");
    let error = the_error(&format!("{}{one}{other}", set(ROUTES)));
    assert!(error.contains("Facility f2: spec.identities[0]: Facility f1 has the same identity"), "{error}");
    let narrower = other.replace("{sendingFacility: CHN}", "{sendingFacility: CHN, sendingApplication: X}");
    good(&format!("{}{one}{narrower}", set(ROUTES)));
}

#[test]
fn a_name_is_declared_once() {
    let error = the_error(&format!("{}---\n{LISTENER}", set(ROUTES)));
    assert!(
        error.starts_with(
            "x.yaml:18:18: error: Listener in: metadata.name: Listener in is declared twice, first in x.yaml on line 1"
        ),
        "{error}"
    );
}

#[test]
fn there_is_one_exchange() {
    let error = the_error(
        "kind: Exchange\nmetadata: {name: a}\nspec: {}\n---\nkind: Exchange\nmetadata: {name: b}\nspec: {}\n",
    );
    assert!(error.contains("Exchange b: spec: there is another Exchange, a"), "{error}");
}

#[test]
fn equal_priority_from_two_namespaces_takes_nothing_from_the_older() {
    let first =
        good(&set(ROUTES).replace("address: 127.0.0.1}\n", "address: 127.0.0.1}\n  allowedFrom: {all: true}\n"));
    let rival = "---\nkind: Channel\nmetadata: {name: a, namespace: a-region}\nspec:\n  from: {listeners: [{name: in, namespace: default}]}\n  routes: [{name: r, to: {destination: x}}]\n---\nkind: Destination\nmetadata: {name: x, namespace: a-region}\nspec: {file: {directory: x}}\n";
    let text = set(ROUTES).replace("address: 127.0.0.1}\n", "address: 127.0.0.1}\n  allowedFrom: {all: true}\n");
    let both = after(&first, &format!("{text}{rival}"));
    let all = texts(&both).join("\n");
    assert!(
        all.contains("Channel a-region/a: spec")
            && all.contains("takes from Listener in and the same senders with equal priority"),
        "{all}"
    );
    assert!(!both.snapshot.channels.contains_key(&Name::new("a-region", "a")));
    assert!(both.snapshot.channels.contains_key(&name("c")));
    let higher = rival.replace("spec:\n  from", "spec:\n  priority: 5\n  from");
    assert!(after(&first, &format!("{text}{higher}")).is_good());
}
