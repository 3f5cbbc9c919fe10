//! Mistakes as people make them: each error says where it is, what is wrong and what would be right.

use super::*;

/// What is said of a document set with one mistake.
fn said(text: &str) -> Vec<String> {
    compiled(text).problems.iter().filter(|problem| problem.is_error()).map(ToString::to_string).collect()
}

/// The channel with a condition.
fn when(condition: &str) -> String {
    format!(
        "{LISTENER}---\n{DESTINATION}---\nkind: Channel\nmetadata: {{name: c}}\nspec:\n  from: {{listeners: [{{name: in}}], when: \"{condition}\"}}\n  {ROUTES}"
    )
}

#[test]
fn what_yaml_readers_differ_in_is_refused_at_its_place_with_what_to_write() {
    for (text, wanted) in [
        ("spec:\n\tmllp: {port: 1}\n", "x.yaml:4:2: error: this is not YAML: tabs"),
        ("spec:\n\tmllp: {port: 1}\n", ": indent with spaces"),
        (
            "spec: {mllp: {port: 1}, mllp: {port: 2}}\n",
            "`mllp` stands twice here, first on line 3: keep one of the two",
        ),
        ("spec: {mllp: {port: 1}}\nnote: this: is bad\n", "put text with `: ` in it in quotes, or correct the indent"),
        ("spec: {mllp: {<<: *x}}\n", "x.yaml:3:"),
        ("spec: {mllp: {port: !!int 1}}\n", "the tag"),
        ("spec: {mllp: {port: 0x10}}\n", "spec.mllp.port: "),
        (
            "spec: {mllp: {port: '1'}}\n",
            "the text \"1\" stands where a whole number from 0 to 65535 is meant: remove the quotes",
        ),
        (
            "spec: {mllp: {port: 1}, limits: {idle: 30}}\n",
            "spec.limits.idle: `30` has no unit: write a whole number and one unit of ms, s",
        ),
        (
            "spec: {mllp: {port: 1}, limits: {messageBytes: 1024}}\n",
            "`1024` has no unit: write a whole number and one unit of B, Ki",
        ),
        ("spec: {mllp: {port: 1}, limits: {idle: 1:30}}\n", "spec.limits.idle: `1:30`"),
        (
            "spec: {mllp: {port: 1, address: }}\n",
            "spec.mllp.address: there is no value here: give it a value, or remove the field",
        ),
        ("spec: {mllp: {port: many}}\n", "`many` stands where a whole number from 0 to 65535 is meant"),
        ("spec: {mllp: [1]}\n", "a list stands where an object with its fields is meant"),
    ] {
        let said = said(&format!("kind: Listener\nmetadata: {{name: in}}\n{text}")).join("\n");
        assert!(said.contains(wanted), "{text}\n{wanted}\n{said}");
    }
    for (name, meaning) in
        [("01", "a number"), ("NO", "true or false"), ("1:30", "a number to the base of sixty"), ("2026-11-22", "")]
    {
        let said =
            said(&format!("kind: Exchange\nmetadata: {{name: x}}\nspec: {{constants: {{c: {name}}}}}\n")).join("\n");
        let wanted = format!("x.yaml:3:23: error: Exchange x: spec.constants.c: `{name}` without quotes is {meaning}");
        assert!(
            said.starts_with(&wanted) && said.ends_with(&format!("where text is meant, write \"{name}\"")),
            "{said}"
        );
    }
}

#[test]
fn an_anchor_that_grows_without_end_is_cut_off_and_said() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let inner = format!("*a{}", level - 1);
        let all = [inner.as_str(); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{all}]\n"));
    }
    let begun = std::time::Instant::now();
    let said = said(&bomb);
    assert!(!said.is_empty() && begun.elapsed().as_secs() < 5, "{said:?}");
}

#[test]
fn a_condition_that_cannot_hold_what_it_says_is_told_with_the_place_in_it() {
    for (condition, wanted) in [
        ("msg.typ == 'ADT'", "`msg` has no `typ` (at character 5): did you mean msg.type?"),
        ("msg.type", "the expression gives text, and true or false is wanted: compare it, for instance != ''"),
        ("msg['PID-'] == ''", "`PID-` is not an HL7 path"),
        ("msg.type.matches('(')", "not a regular expression: unclosed group"),
        ("msg.type == 'ADT' &&", "spec.from.when: "),
        ("msg.all('OBX[*]-5').exists(v, v.lenght() > 2)", "there is no function `lenght` (at character 33)"),
        ("nobody == ''", "`nobody`"),
        ("1 + 'a' == 2", "spec.from.when: "),
    ] {
        let said = said(&when(condition));
        assert_eq!(said.len(), 1, "{condition}: {said:?}");
        assert!(said[0].contains("Channel c: spec.from.when: ") && said[0].contains(wanted), "{condition}: {said:?}");
        assert!(said[0].starts_with("x.yaml:14:"), "{said:?}");
    }
    for (deep, wanted) in
        [("(".repeat(400) + "true" + &")".repeat(400), "nested too deeply"), ("!".repeat(5_000) + "true", "")]
    {
        let said = said(&when(&deep));
        assert!(said.len() == 1 && said[0].contains(wanted), "{said:?}");
    }
}

#[test]
fn mappings_in_a_circle_are_told_though_nobody_applies_them() {
    let mapping = |name: &str, next: &str| {
        format!(
            "kind: Mapping\nmetadata: {{name: {name}}}\nspec: {{steps: [{{apply: {{mapping: {{name: {next}}}}}}}]}}\n---\n"
        )
    };
    let said = said(&[mapping("a", "b"), mapping("b", "c"), mapping("c", "a")].concat());
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(
        said[0].contains("Mapping a: spec.steps[0].apply.mapping: Mapping b applies itself: b > c > a > b"),
        "{said:?}"
    );
}
