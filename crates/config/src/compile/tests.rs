//! The compiler, through documents as people write them.

mod checks;
mod conflicts;
mod fields;
mod keep;
mod mistakes;
mod references;

use super::*;

/// A channel `c` with its listener and destination, and further lines of its spec.
fn set(channel: &str) -> String {
    let channel: String = channel.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "{LISTENER}---\n{DESTINATION}---\nkind: Channel\nmetadata: {{name: c}}\nspec:\n  from: {{listeners: [{{name: in}}]}}\n{channel}"
    )
}

const LISTENER: &str = "kind: Listener\nmetadata: {name: in}\nspec:\n  mllp: {port: 2575, address: 127.0.0.1}\n";
const DESTINATION: &str =
    "kind: Destination\nmetadata: {name: out}\nspec:\n  mllp: {endpoints: [\"127.0.0.1:2601\"]}\n";
const ROUTES: &str = "routes: [{name: r, to: {destination: out}}]\n";

fn compiled(text: &str) -> Compiled {
    compile(&Sources::from_texts([("x.yaml", text)]), None)
}

fn after(previous: &Compiled, text: &str) -> Compiled {
    compile(&Sources::from_texts([("x.yaml", text)]), Some(&previous.snapshot))
}

fn texts(compiled: &Compiled) -> Vec<String> {
    compiled.problems.iter().map(ToString::to_string).collect()
}

/// The only error, as text.
fn the_error(text: &str) -> String {
    let compiled = compiled(text);
    let errors: Vec<&Problem> = compiled.problems.iter().filter(|problem| problem.is_error()).collect();
    assert_eq!(errors.len(), 1, "{:#?}", texts(&compiled));
    errors[0].to_string()
}

fn good(text: &str) -> Compiled {
    let compiled = compiled(text);
    assert_eq!(texts(&compiled), Vec::<String>::new());
    compiled
}

fn name(name: &str) -> Name {
    Name::local(name)
}

#[test]
fn the_smallest_set_compiles_without_a_word() {
    let compiled = good(&set(ROUTES));
    let snapshot = &compiled.snapshot;
    assert_eq!(snapshot.number, 1);
    assert_eq!(snapshot.channels.len(), 1);
    assert!(snapshot.invalid.is_empty());
    assert!(compiled.is_good());
}

#[test]
fn nothing_at_all_compiles_to_an_empty_snapshot() {
    let compiled = good("# nothing yet\n");
    assert!(compiled.snapshot.channels.is_empty());
}

#[test]
fn what_nobody_uses_and_what_leads_nowhere_is_worth_a_warning() {
    let warnings = texts(&compiled(&format!(
        "{}---\nkind: Destination\nmetadata: {{name: idle}}\nspec: {{file: {{directory: x}}}}\n---\nkind: CodeTable\nmetadata: {{name: t}}\nspec: {{rows: []}}\n---\nkind: Channel\nmetadata: {{name: lost}}\nspec: {{}}\n",
        set(ROUTES)
    )));
    let all = warnings.join("\n");
    assert!(all.contains("warning: Destination idle: spec: no route leads here"), "{all}");
    assert!(all.contains("warning: CodeTable t: spec: no channel uses it"), "{all}");
    assert!(all.contains("warning: Channel lost: spec: nothing comes in"), "{all}");
    assert!(all.contains("warning: Channel lost: spec: its messages go nowhere"), "{all}");
    assert_eq!(warnings.len(), 4, "{all}");
}

#[test]
fn patient_data_in_the_clear_is_worth_a_warning() {
    let text = set(ROUTES).replace(", address: 127.0.0.1", "");
    let warnings = texts(&compiled(&text));
    assert_eq!(
        warnings,
        [
            "x.yaml:4:3: warning: Listener in: spec.mllp: MLLP without TLS: patient data travels in the clear: add tls, or keep the port inside a network that is trusted"
        ]
    );
}

#[test]
fn a_country_of_documents_compiles_in_seconds() {
    let mut text = "kind: Listener\nmetadata: {name: in}\nspec: {mllp: {port: 2575, address: 127.0.0.1}}\n".to_owned();
    for i in 0..1_000 {
        text.push_str(&format!(
            "---\nkind: Facility\nmetadata: {{name: f{i}, labels: {{number: l{i}}}}}\nspec: {{identities: [{{msh: {{sendingFacility: F{i}}}}}]}}\n---\nkind: Destination\nmetadata: {{name: d{i}}}\nspec: {{file: {{directory: d{i}}}}}\n---\nkind: Channel\nmetadata: {{name: c{i}}}\nspec:\n  from: {{listeners: [{{name: in}}], facilities: {{names: [f{i}]}}}}\n  transform: [{{set: {{path: MSH-5, to: facility.displayName}}}}]\n  routes: [{{name: r, to: {{destination: d{i}}}}}]\n"
        ));
    }
    let began = std::time::Instant::now();
    let first = good(&text);
    assert_eq!(first.snapshot.channels.len(), 1_000);
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

#[test]
fn the_same_documents_give_the_same_revision_and_another_order_of_fields_too() {
    let one = good(&set(&format!("priority: 3\nduplicates: {{window: 24h}}\n{ROUTES}")));
    let other = good(&set(&format!("{ROUTES}duplicates: {{window: 1d}}\npriority: 3\ndescription: words\n")));
    assert_eq!(one.snapshot.channels[&name("c")].revision, other.snapshot.channels[&name("c")].revision);
}

#[test]
fn a_revision_changes_with_all_it_refers_to_and_with_nothing_else() {
    let shared = "---\nkind: CodeTable\nmetadata: {name: t}\nspec: {rows: [{from: A, to: B}]}\n---\nkind: Mapping\nmetadata: {name: m}\nspec: {steps: [{set: {path: MSH-5, to: \"const.here\"}}]}\n---\nkind: Exchange\nmetadata: {name: e}\nspec: {constants: {here: X, there: Z}}\n";
    let text = format!(
        "{}{shared}",
        set(&format!(
            "transform:\n  - lookup: {{path: PV1-2, table: {{name: t}}}}\n  - apply: {{mapping: {{name: m}}}}\n{ROUTES}"
        ))
    );
    let revision = |text: &str| good(text).snapshot.channels[&name("c")].revision;
    let first = revision(&text);
    for (what, changed) in [
        ("row", text.replace("to: B", "to: C")),
        ("step", text.replace("MSH-5", "MSH-6")),
        ("constant", text.replace("here: X", "here: V")),
        (
            "charset",
            text.replace(
                "endpoints: [\"127.0.0.1:2601\"]}",
                "endpoints: [\"127.0.0.1:2601\"]}\n  outbound: {charset: UNICODE UTF-8}",
            ),
        ),
        ("route", text.replace("name: r,", "name: s,")),
    ] {
        assert_ne!(revision(&changed), first, "{what}");
    }
    for (what, changed) in [
        ("another constant", text.replace("there: Z", "there: W")),
        (
            "timeout",
            text.replace("endpoints: [\"127.0.0.1:2601\"]}", "endpoints: [\"127.0.0.1:2601\"]}\n  timeout: 5s"),
        ),
        ("port", text.replace("port: 2575", "port: 2576")),
    ] {
        assert_eq!(revision(&changed), first, "{what}");
    }
}

#[test]
fn defaults_are_layered_and_the_nearest_one_holds() {
    let exchange = "---\nkind: Exchange\nmetadata: {name: e}\nspec:\n  defaults: {retention: {payload: 7d}, duplicates: {window: 1h}, timeout: 5s, ack: {mode: always}}\n";
    let compiled = good(&format!("{}{exchange}", set(&format!("duplicates: {{window: 2h}}\n{ROUTES}"))));
    let settings = &compiled.snapshot.channels[&name("c")].settings;
    assert_eq!(settings.payload_retention.as_secs(), 7 * 86_400, "from the Exchange");
    assert_eq!(settings.duplicate_window.as_secs(), 7_200, "from the Channel");
    assert_eq!(settings.metadata_retention.as_secs(), 2 * 365 * 86_400, "built in");
    assert_eq!(compiled.snapshot.destinations[&name("out")].timeout.as_secs(), 5);
    assert_eq!(compiled.snapshot.listeners[&name("in")].ack_mode, crate::document::AckMode::Always);
    let explained = crate::explain(&compiled.snapshot, &name("c")).unwrap();
    let find = |setting: &str| {
        explained.iter().find(|s| s.setting == setting).unwrap_or_else(|| panic!("{setting} of {explained:#?}"))
    };
    assert_eq!((find("retention.payload").value.as_str(), find("retention.payload").from), ("7d", Layer::Exchange));
    assert_eq!((find("duplicates.window").value.as_str(), find("duplicates.window").from), ("2h", Layer::Channel));
    assert_eq!((find("order.by").value.as_str(), find("order.by").from), ("facility", Layer::BuiltIn));
    assert_eq!(
        (find("routes[r].onReject").value.as_str(), find("routes[r].repeatBound").value.as_str()),
        ("quarantine", "1")
    );
    assert_eq!(
        (find("from[in].ack.mode").value.as_str(), find("from[in].ack.mode").document.as_str()),
        ("always", "Exchange e")
    );
    assert_eq!((find("routes[r].timeout").value.as_str(), find("routes[r].timeout").from), ("5s", Layer::Exchange));
    assert_eq!(find("revision").value.len(), 32);
    assert!(crate::explain(&compiled.snapshot, &name("other")).is_none());
}

#[test]
fn how_messages_leave_is_explained_with_where_it_was_written() {
    let routes = "routes: [{name: r, to: {destination: out}, outbound: {segmentEnds: asReceived}}, {name: s, to: {destination: out}}, {name: t, to: {channel: other}}]\n";
    let text = set(routes).replace(
        "endpoints: [\"127.0.0.1:2601\"]}",
        "endpoints: [\"127.0.0.1:2601\"], release: 2, awaitAck: commit}\n  outbound: {charset: 8859/1, segmentEnds: cr}",
    );
    let other = "---\nkind: Channel\nmetadata: {name: other}\nspec: {routes: [{name: r, to: {destination: out}}]}\n";
    let compiled = good(&format!("{text}{other}"));
    let explained = crate::explain(&compiled.snapshot, &name("c")).unwrap();
    let find = |setting: &str| {
        let found = explained.iter().find(|s| s.setting == setting);
        let found = found.unwrap_or_else(|| panic!("{setting} of {explained:#?}"));
        (found.value.as_str(), found.document.as_str())
    };
    assert_eq!(find("routes[r].outbound.charset"), ("8859/1", "Destination out"));
    assert_eq!(find("routes[r].outbound.segmentEnds"), ("asReceived", "Channel c, route r"));
    assert_eq!(find("routes[r].outbound.onUnmappable"), ("fail", ""));
    assert_eq!(find("routes[s].outbound.segmentEnds"), ("cr", "Destination out"));
    assert_eq!(find("routes[t].outbound.charset"), ("as received", ""));
    assert_eq!(find("routes[r].mllp.awaitAck"), ("commit", "Destination out"));
    assert_eq!(find("routes[r].mllp.release"), ("2", "Destination out"));
    assert_eq!(find("routes[r].mllp.connections"), ("1", ""));
}
