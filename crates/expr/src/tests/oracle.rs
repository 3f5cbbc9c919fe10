//! The interpreter of crate `cel` as the oracle: the same text gives the same result in both, or fails in both.

use proptest::prelude::*;

use super::*;

/// What the oracle gives, shown as ours are; `error` where it fails.
fn oracle(source: &str) -> String {
    let program = match cel::Program::compile(source) {
        Ok(program) => program,
        Err(_) => return "error".to_owned(),
    };
    program.execute(&cel::Context::default()).map_or_else(|_| "error".to_owned(), |value| show_oracle(&value))
}

fn show_oracle(value: &cel::Value) -> String {
    match value {
        cel::Value::Bool(value) => value.to_string(),
        cel::Value::Int(value) => value.to_string(),
        cel::Value::Float(value) => format!("{value:?}"),
        cel::Value::String(text) => format!("'{text}'"),
        cel::Value::List(items) => format!("[{}]", items.iter().map(show_oracle).collect::<Vec<_>>().join(", ")),
        other => format!("{other:?}"),
    }
}

fn ours(source: &str) -> String {
    match Program::compile(source, &Scope::new(Place::Message), Type::Any) {
        Ok(program) => program.eval(&Case::of(ORU)).map_or_else(|_| "error".to_owned(), |value| show(&value)),
        Err(error) => format!("refused: {error}"),
    }
}

/// The oracle's parser takes 100 KiB of stack a bracket.
fn with_room<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new().stack_size(256 << 20).spawn(work).unwrap().join().unwrap()
}

#[test]
fn grammar_literals_and_operators_agree_with_the_oracle() {
    let sources = [
        "1 + 2 * 3 - 4 / 2 % 3",
        "-3 % 2",
        "-9223372036854775808",
        "--1",
        "!!true",
        "!true || true && false",
        "1 < 2 == true",
        "2 - 1 - 1",
        "true ? 1 : false ? 2 : 3",
        "0x1F + 1",
        "1.5e3 / 2.0",
        ".5 + 1.0",
        "'a' + \"b\" + '''c'd''' + \"\"\"e\"f\"\"\"",
        r"'\x41\u00e9\101\n\t\\\''",
        r"r'\d' + R'\'",
        "'a' < 'b' && 'B' < 'a'",
        "[1, 2, 3,]",
        "[1, 2] + [3] == [1, 2, 3]",
        "{'a': 1, 'b': 2}.b + {'a': 1}['a']",
        "'a' in {'a': 1} && !('b' in {'a': 1})",
        "has({'a': 1}.a) && !has({'a': 1}.b)",
        "1 == 1.0 || 2 > 1.5",
        "size('héllo') + size([1, 2]) + 'abc'.size() + size({'a': 1})",
        "[1, 2, 3].filter(x, x > 1).map(x, x * x)",
        "[1, 2, 3].map(x, x > 1, x * x)",
        "[1, 2, 3].exists_one(x, x > 2) && [1, 2].all(x, [2, 3].exists(y, y > x))",
        "[3, 0].exists(x, 6 / x == 2)",
        "[0, 3].exists(x, 6 / x == 2)",
        "[0, 3].all(x, 6 / x == 3)",
        "[1, 0].exists_one(x, 6 / x == 2)",
        "1 / 0 == 1 || true",
        "false && 1 / 0 == 1",
        "1 / 0 == 1 && false",
        "1 / 0",
        "5 % 0",
        "9223372036854775807 + 1",
        "-(-9223372036854775807 - 1)",
        "[1][1]",
        "int('42') + int(3.9) + int('-7')",
        "int('x')",
        "double('2.5') + double(1)",
        "string(1) + string(true) + string('x')",
        "'hello'.contains('ell') && 'hello'.startsWith('he') && 'hello'.endsWith('lo')",
        "'abc123'.matches('^[a-c]+[0-9]{3}$')",
        "'' in ['']",
        "// note\n1 + // more\n2",
        "[[1], [2]][1][0]",
    ];
    let results = with_room(move || sources.map(|source| (source, ours(source), oracle(source))));
    for (source, ours, oracle) in results {
        assert_eq!(ours, oracle, "{source}");
    }
}

/// Well-typed expressions of whole numbers, conditions and texts.
fn number() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (-20_i64..20).prop_map(|n| n.to_string()),
        "'[a-cé]{0,3}'".prop_map(|text| format!("size({text})"))
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), "[-+*/%]", inner.clone()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
            (inner.clone(), "[-+*/%]", inner.clone()).prop_map(|(a, op, b)| format!("({a}) {op} ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}].map(x, x * 2)[{}]", a.len() % 3)),
            inner.prop_map(|a| format!("-({a})")),
        ]
    })
}

fn condition() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("true".to_owned()),
        Just("false".to_owned()),
        (number(), "(==|!=|<|<=|>|>=)", number()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        ("'[ab]{0,2}'", "(==|!=|<|>)", "'[ab]{0,2}'").prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        (number(), number(), number()).prop_map(|(a, b, c)| format!("{a} in [{b}, {c}]")),
        (number(), number(), number()).prop_map(|(a, b, c)| format!("[{a}, {b}].exists(x, 6 / x > {c})")),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), "(&&|\\|\\|)", inner.clone()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
            (inner.clone(), "(&&|\\|\\|)", inner.clone()).prop_map(|(a, op, b)| format!("({a}) {op} ({b})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            inner.prop_map(|a| format!("!({a})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_expressions_agree_with_the_oracle(source in prop_oneof![number(), condition()]) {
        prop_assume!(source.len() < 1_000);
        let (ours, oracle) = with_room({
            let source = source.clone();
            move || (ours(&source), oracle(&source))
        });
        prop_assert_eq!(ours, oracle, "{}", source);
    }

    #[test]
    fn no_text_makes_the_compiler_or_the_evaluation_panic(source in "[ -~é\\n]{0,60}") {
        if let Ok(program) = Program::compile(&source, &scope(), Type::Any) {
            let evaluated = program.eval(&Case::of(ORU)).map(Value::into_owned);
            drop(evaluated);
        }
    }

    #[test]
    fn no_mix_of_words_makes_the_compiler_panic(words in prop::collection::vec(prop::sample::select(vec![
        "msg", ".", "[", "]", "'PID-3'", "(", ")", "all", "exists", "x", ",", "==", "&&", "!", "-", "1", "?", ":", "in",
        "obx", "facility.labels", "{", "}", "value", "date", "'yyyy'", "has", "é", "'", "const.country", "id['4']",
    ]), 0..14)) {
        let source = words.concat();
        if let Ok(program) = Program::compile(&source, &scope(), Type::Any) {
            let evaluated = program.eval(&Case::of(ORU)).map(Value::into_owned);
            drop(evaluated);
        }
    }
}
