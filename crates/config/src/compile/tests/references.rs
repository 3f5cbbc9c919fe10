//! References: what is not there, what is not allowed, and what leads back.

use super::*;

#[test]
fn a_reference_that_leads_nowhere_is_named_with_what_was_meant() {
    let error = the_error(&set("routes: [{name: r, to: {destination: oout}}]\n"));
    assert!(error.starts_with("x.yaml:15:40: error: Channel c: spec.routes[0].to.destination: there is no Destination oout: did you mean out?"), "{error}");
    let error = the_error(&set(ROUTES).replace("listeners: [{name: in}]", "listeners: [{name: inn}]"));
    assert!(error.contains("spec.from.listeners[0].name: there is no Listener inn: did you mean in?"), "{error}");
    let error =
        the_error(&set(&format!("transform: [{{lookup: {{path: PV1-2, table: {{name: classes}}}}}}]\n{ROUTES}")));
    assert!(
        error.contains("spec.transform[0].lookup.table") && error.contains("there is no CodeTable classes"),
        "{error}"
    );
    let error = the_error(&set(&format!("validate: {{profile: {{name: p}}}}\n{ROUTES}")));
    assert!(error.contains("spec.validate.profile.name: there is no Profile p"), "{error}");
}

#[test]
fn another_namespace_needs_to_allow_it() {
    let far = |allowed: &str| {
        format!(
            "{LISTENER}---\nkind: Destination\nmetadata: {{name: out, namespace: centre}}\nspec:\n  file: {{directory: x}}\n{allowed}---\nkind: Channel\nmetadata: {{name: c}}\nspec:\n  from: {{listeners: [{{name: in}}]}}\n  routes: [{{name: r, to: {{destination: out, namespace: centre}}}}]\n"
        )
    };
    let error = the_error(&far(""));
    assert!(error.contains("Destination centre/out does not let documents of namespace default refer to it: add default to allowedFrom.namespaces there"), "{error}");
    the_error(&far("  allowedFrom: {namespaces: [regions]}\n"));
    good(&far("  allowedFrom: {namespaces: [default]}\n"));
    good(&far("  allowedFrom: {all: true}\n"));
    let error = the_error(&far("  allowedFrom: {all: true}\n").replace(", namespace: centre}}]", "}}]"));
    assert!(error.contains("the one in namespace centre is meant? add namespace: centre"), "{error}");
}

#[test]
fn channels_that_lead_back_to_themselves_are_refused_with_the_way() {
    let channel = |name: &str, next: &str| {
        format!(
            "---\nkind: Channel\nmetadata: {{name: {name}}}\nspec:\n  routes: [{{name: next, to: {{channel: {next}}}}}]\n"
        )
    };
    let text = format!(
        "{}{}{}",
        set("routes: [{name: r, to: {destination: out}}, {name: s, to: {channel: a}}]\n"),
        channel("a", "b"),
        channel("b", "a")
    );
    let all = texts(&compiled(&text)).join("\n");
    assert!(
        all.contains(
            "Channel a: spec.routes[0].to.channel: messages would come back: a > b > a: remove one of these routes"
        ),
        "{all}"
    );
    assert!(all.contains("Channel b: spec.routes[0].to.channel: messages would come back: b > a > b"), "{all}");
    assert!(!all.contains("Channel c: spec.routes[1].to.channel: messages would come back"), "{all}");
    let error = the_error(&set("routes: [{name: r, to: {destination: out}}, {name: s, to: {channel: c}}]\n"));
    assert!(error.contains("messages would come back: c > c"), "{error}");
}

#[test]
fn a_chain_of_channels_has_an_end() {
    let mut text = set("routes: [{name: r, to: {destination: out}}, {name: s, to: {channel: c1}}]\n");
    for i in 1..12 {
        let to = if i == 11 { "{destination: out}".to_owned() } else { format!("{{channel: c{}}}", i + 1) };
        text.push_str(&format!(
            "---\nkind: Channel\nmetadata: {{name: c{i}}}\nspec:\n  routes: [{{name: next, to: {to}}}]\n"
        ));
    }
    let all = texts(&compiled(&text)).join("\n");
    assert!(all.contains("Channel c: spec.routes[1].to.channel: routes lead through more than 8 channels"), "{all}");
}

#[test]
fn mappings_that_apply_themselves_are_refused() {
    let mapping = |name: &str, next: &str| {
        format!(
            "---\nkind: Mapping\nmetadata: {{name: {name}}}\nspec:\n  steps: [{{apply: {{mapping: {{name: {next}}}}}}}]\n"
        )
    };
    let text = format!(
        "{}{}{}",
        set(&format!("transform: [{{apply: {{mapping: {{name: a}}}}}}]\n{ROUTES}")),
        mapping("a", "b"),
        mapping("b", "a")
    );
    let all = texts(&compiled(&text)).join("\n");
    assert!(all.contains("applies itself"), "{all}");
    assert!(!compiled(&text).is_good());
}

#[test]
fn a_mapping_looks_for_its_table_in_its_own_namespace() {
    let text = format!(
        "{}---\nkind: Mapping\nmetadata: {{name: m, namespace: centre}}\nspec:\n  steps: [{{lookup: {{path: PV1-2, table: {{name: t}}}}}}]\n  allowedFrom: {{all: true}}\n---\nkind: CodeTable\nmetadata: {{name: t, namespace: centre}}\nspec: {{rows: [{{from: A, to: B}}]}}\n",
        set(&format!("transform: [{{apply: {{mapping: {{name: m, namespace: centre}}}}}}]\n{ROUTES}"))
    );
    let compiled = good(&text);
    let channel = &compiled.snapshot.channels[&name("c")];
    let closure = String::from_utf8_lossy(&channel.closure).into_owned();
    assert!(closure.contains("\"centre/t\":[{\"from\":\"A\",\"to\":\"B\"}]"), "{closure}");
    let rebuilt = crate::Channel::from_closure(&channel.closure).unwrap();
    assert_eq!(rebuilt.revision, channel.revision);
}

#[test]
fn a_stored_closure_that_is_none_or_newer_is_refused_with_the_reason() {
    let closure = |text: &str| {
        crate::Channel::from_closure(&bytes::Bytes::copy_from_slice(text.as_bytes())).unwrap_err().to_string()
    };
    assert!(closure("{}").contains("not a channel's closure"));
    assert!(closure("{\"format\":2}").contains("newer than this Barid reads"));
}
