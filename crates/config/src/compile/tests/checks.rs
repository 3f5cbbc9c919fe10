//! What documents say about how messages are read and checked.

use super::*;
use barid_validate::{ChannelRules, CheckRules};

fn rules(text: &str) -> ChannelRules {
    let compiled = good(text);
    let channel = compiled.snapshot.channels.get(&name("c")).unwrap();
    crate::compile::table::channel_rules(&compiled.snapshot, channel).unwrap()
}

#[test]
fn m18_sets_that_cannot_be_framed_are_refused_wherever_a_document_names_one() {
    for set_name in ["UNICODE UTF-16", "UNICODE UTF-32", "utf-16le"] {
        let facility = format!(
            "kind: Facility\nmetadata: {{name: f}}\nspec: {{identities: [{{msh: {{sendingFacility: X}}}}], fallbackCharset: {set_name}}}\n"
        );
        let destination = DESTINATION.to_owned() + &format!("  outbound: {{charset: {set_name}}}\n");
        let route =
            set(&format!("routes: [{{name: r, to: {{destination: out}}, outbound: {{charset: {set_name}}}}}]\n"));
        for text in [facility, destination, route] {
            let all = texts(&compiled(&text)).join("\n");
            assert!(all.contains("cannot be framed or split safely"), "{text}: {all}");
        }
    }
}

#[test]
fn p14_a_channel_names_the_type_of_observations_without_one_and_only_a_real_one() {
    assert_eq!(rules(&set(ROUTES)).checks, CheckRules::default());
    let agreed = rules(&set(&format!("validate: {{valueType: ST}}\n{ROUTES}")));
    assert_eq!(agreed.checks.value_type.as_deref(), Some("ST"));
    let error = the_error(&set(&format!("validate: {{valueType: TEXT}}\n{ROUTES}")));
    assert!(error.contains("spec.validate.valueType: `TEXT` is no type of an observation's value"), "{error}");
    let shared = "kind: Exchange\nmetadata: {name: x}\nspec: {defaults: {validate: {valueType: st}}}\n";
    assert!(the_error(shared).contains("spec.defaults.validate.valueType: `st`"));
}

#[test]
fn p17_c04_c05_a_channel_or_the_exchange_for_all_is_strict() {
    let exchange = "---\nkind: Exchange\nmetadata: {name: x}\nspec: {defaults: {validate: {strict: true}}}\n";
    assert!(!rules(&set(ROUTES)).checks.strict);
    assert!(rules(&set(&format!("validate: {{strict: true}}\n{ROUTES}"))).checks.strict);
    assert!(rules(&(set(ROUTES) + exchange)).checks.strict);
    assert!(!rules(&(set(&format!("validate: {{strict: false}}\n{ROUTES}")) + exchange)).checks.strict);
}

#[test]
fn a05_every_mode_can_be_asked_for_by_the_listener_and_the_channel_overrides_it() {
    use barid_hl7::ack::Mode;
    let modes = [
        ("standard", Mode::Standard),
        ("always", Mode::Always),
        ("original", Mode::Original),
        ("commitOnly", Mode::CommitOnly),
    ];
    for (word, mode) in modes {
        let on_listener =
            set(ROUTES).replace("address: 127.0.0.1}\n", &format!("address: 127.0.0.1}}\n  ack: {{mode: {word}}}\n"));
        assert_eq!(rules(&on_listener).ack.mode, mode, "{on_listener}");
        assert_eq!(rules(&set(&format!("ack: {{mode: {word}}}\n{ROUTES}"))).ack.mode, mode);
    }
}
