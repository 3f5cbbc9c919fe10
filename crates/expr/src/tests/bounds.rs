//! Nothing is without bound: source, nesting, steps, memory. The stack is small here on purpose.

use super::*;
use crate::{Failure, SOURCE_BYTES_MAX};

/// Compiles with a stack of 1 MiB, half of what a worker thread has.
fn on_a_small_stack(source: String) -> Result<(), ExprError> {
    let work = move || {
        let compiled = Program::compile(&source, &scope(), Type::Any);
        if let Ok(program) = &compiled {
            let evaluated = program.eval(&Case::of(ORU)).map(Value::into_owned);
            drop(evaluated);
        }
        compiled.map(drop)
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(work).unwrap().join().unwrap()
}

#[test]
fn no_source_overflows_the_stack() {
    let n = SOURCE_BYTES_MAX;
    for (open, inner, close) in [
        ("(", "1", ")"),
        ("[", "1", "]"),
        ("!", "true", ""),
        ("-", "1", ""),
        ("true?1:", "1", ""),
        ("true?", "1", ":1"),
        ("{'a':", "1", "}"),
        ("size(", "''", ")"),
        ("[1].map(x,", "1", ")"),
        ("!(true||", "true", ")"),
        ("1+", "1", ""),
        ("''+", "''", ""),
        ("1<", "1", ""),
        ("", "[[1]]", "[0]"),
        ("", "{'a':1}", ".a"),
        ("", "''", ".trim()"),
        ("true||", "true", ""),
        ("true&&", "true", ""),
    ] {
        let most = (n - inner.len()) / (open.len() + close.len());
        for times in [10, 40, 60, 99, 200, most] {
            let source = format!("{}{inner}{}", open.repeat(times.min(most)), close.repeat(times.min(most)));
            let result = on_a_small_stack(source);
            if let Err(error) = result {
                assert!(!error.remedy.is_empty());
            }
        }
    }
}

#[test]
fn forty_brackets_and_fifty_sums_are_honest_work() {
    assert!(on_a_small_stack(format!("{}1{}", "(".repeat(40), ")".repeat(40))).is_ok());
    assert!(on_a_small_stack(vec!["'a'"; 50].join(" + ")).is_ok());
    assert!(on_a_small_stack(vec!["msg.event == 'A01'"; 200].join("||")).is_ok(), "long lists of || are flat");
}

#[test]
fn a_source_over_the_limit_is_refused_before_it_is_read() {
    let error = refused(&" ".repeat(SOURCE_BYTES_MAX + 1));
    assert!(error.text.contains("4096"), "{error}");
    let error = refused(&format!("value.matches('{}')", "a".repeat(1_001)));
    assert!(error.text.contains("longer than 1000"), "{error}");
    let error = refused("value.matches('(a{1000}){1000}')");
    assert!(error.text.contains("regular expression"), "{error}");
}

#[test]
fn the_bound_on_steps_ends_any_program_and_nothing_catches_it() {
    let long = format!("{}{}", ORU, "OBX|9|ST|X||a\r".repeat(3_000));
    let case = Case::of(&long);
    let nested = "msg.all('OBX[*]-5').exists(a, msg.all('OBX[*]-5').exists(b, a == 'q' && b == 'q'))";
    for source in [nested.to_owned(), format!("{nested} || true"), format!("[1].exists(x, {nested} || true)")] {
        let started = std::time::Instant::now();
        assert_eq!(compile(&source).test(&case).unwrap_err().failure, Failure::Steps, "{source}");
        assert!(started.elapsed().as_secs() < 5);
    }
    assert!(compile("msg.all('OBX[*]-5').all(x, x != 'q')").test(&case).unwrap(), "an honest one fits");
}

#[test]
fn texts_cannot_grow_without_paying() {
    for source in [
        "'x'.padStart(9000000000000000000, 'y')",
        "'x'.padStart(2000000000)",
        "msg.all('OBX[*]-5').map(x, 'x'.padStart(90000000))",
        "['a','a','a','a','a','a','a','a'].map(a, 'x'.padStart(100000000)).join('')",
        "'x'.padStart(30000000).replace('', 'yyyyyyyyyyyyyyyyyyyyyyyyyyyy')",
    ] {
        assert_eq!(eval(source).unwrap_err().failure, Failure::Steps, "{source}");
    }
    assert_eq!(eval("'x'.padStart(-1)").unwrap_err().failure, Failure::Argument);
}

#[test]
fn a_budget_that_is_shared_runs_out_for_all() {
    let program = compile("1 + 2 + 3");
    let case = Case::of(ORU);
    let mut budget = Budget::of(7);
    assert!(program.eval_within(&case, &mut budget).is_ok());
    assert_eq!(program.eval_within(&case, &mut budget).unwrap_err().failure, Failure::Steps);
    assert_eq!(budget.left(), 0);
}

#[test]
fn a_document_of_sixteen_megabytes_can_be_asked_about() {
    let document = "QUJD".repeat(4 << 20);
    let case = Case::of(&format!("MSH|^~\\&|A|B|||2026||ORU^R01|1|P|2.5\rOBX|1|ED|DOC||^^PDF^Base64^{document}\r"));
    let program =
        compile("msg['OBX-5.5'] != '' && msg['OBX-5.5'].startsWith('QUJD') && msg['OBX-5.5'].contains('DQU')");
    assert!(program.test(&case).unwrap());
}
