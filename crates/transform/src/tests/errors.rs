//! What cannot be compiled: each fault with its place and remedy, and all of them at once.

use super::*;

/// Steps; place; words of the text; words of the remedy.
const WRONG: &[(&str, &str, &str, &str)] = &[
    (r#"[{}]"#, "transform[0]", "does nothing", "one of set, copy, move"),
    (
        r#"[{"set":{"path":"MSH-5","to":"''"},"delete":{"path":"PID-2"}}]"#,
        "transform[0]",
        "two verbs, `set` and `delete`",
        "two steps",
    ),
    (r#"[{"set":{"path":"MSH.5","to":"''"}}]"#, "transform[0].set.path", "`MSH.5` is not an HL7 path", "write `-`"),
    (r#"[{"set":{"path":"PID","to":"''"}}]"#, "transform[0].set.path", "whole segment", "as in `PID-3`"),
    (r#"[{"set":{"path":"MSH-2","to":"''"}}]"#, "transform[0].set.path", "delimiters", "remove the step"),
    (r#"[{"set":{"path":"MSH-5","to":"MOH"}}]"#, "transform[0].set.to", "`MOH` is not known", "put text in quotes"),
    (r#"[{"set":{"path":"MSH-5","to":"'x' == 'y'"}}]"#, "transform[0].set.to", "true or false", "? 'Y' : 'N'"),
    (r#"[{"set":{"path":"MSH-5","to":"'x'"},"when":"msg.event"}]"#, "transform[0].when", "text", "!= ''"),
    (r#"[{"set":{"path":"MSH-5","to":"'x'"},"when":"msg.evnt == ''"}]"#, "transform[0].when", "no `evnt`", "msg.event"),
    (r#"[{"set":{"path":"item-5","to":"'x'"}}]"#, "transform[0].set.path", "no item `item`", "forEach"),
    (
        r#"[{"set":{"path":"item.5","to":"'x'"},"forEach":"OBX[*]"}]"#,
        "transform[0].set.path",
        "segment OBX here",
        "`item-5.1`",
    ),
    (
        r#"[{"set":{"path":"item-5","to":"'x'"},"forEach":"PID-3[*]"}]"#,
        "transform[0].set.path",
        "repetition of PID-3",
        "`item.4`",
    ),
    (
        r#"[{"set":{"path":"item","to":"'x'"},"forEach":"OBX[*]"}]"#,
        "transform[0].set.path",
        "whole segment",
        "`item-5`",
    ),
    (r#"[{"set":{"path":"itm-5","to":"'x'"},"forEach":"OBX[*]"}]"#, "transform[0].set.path", "", ""),
    (
        r#"[{"set":{"path":"MSH-5","to":"'x'"},"forEach":"OBX"}]"#,
        "transform[0].forEach",
        "nothing to go through",
        "OBX[*]",
    ),
    (
        r#"[{"set":{"path":"MSH-5","to":"'x'"},"forEach":"OBX[*]-3[*]"}]"#,
        "transform[0].forEach",
        "nothing to go through",
        "one [*]",
    ),
    (
        r#"[{"set":{"path":"MSH-5","to":"'x'"},"forEach":"OBX[*]","as":"OBX"}]"#,
        "transform[0].as",
        "no name",
        "small letters",
    ),
    (
        r#"[{"set":{"path":"MSH-5","to":"'x'"},"forEach":"OBX[*]","as":"msg"}]"#,
        "transform[0].as",
        "already",
        "small letters",
    ),
    (
        r#"[{"set":{"path":"MSH-5","to":"'x'"},"as":"obx"}]"#,
        "transform[0].as",
        "names the item of `forEach`",
        "add forEach",
    ),
    (r#"[{"copy":{"from":"PID-3","to":"PID-3"}}]"#, "transform[0].copy.to", "the same", "remove"),
    (r#"[{"copy":{"from":"OBX[*]-3","to":"PID-3"}}]"#, "transform[0].copy.to", "same target", "[*] at the same place"),
    (r#"[{"copy":{"from":"OBX[*]-3","to":"NTE[*]-3"}}]"#, "transform[0].copy.to", "no partners", "forEach"),
    (r#"[{"copy":{"from":"PID","to":"ZPI-1"}}]"#, "transform[0].copy.from", "whole segment", "name a field"),
    (r#"[{"move":{"from":"PID-3","to":"OBX[*]-3"}}]"#, "transform[0].move.to", "moved to many", "copy, then delete"),
    (r#"[{"delete":{"path":"MSH"}}]"#, "transform[0].delete.path", "MSH is what makes it a message", "MSH-3 on"),
    (
        r#"[{"lookup":{"path":"PV1-2","table":{"name":"patient-clas"}}}]"#,
        "transform[0].lookup.table",
        "no CodeTable patient-clas",
        "did you mean patient-class?",
    ),
    (
        r#"[{"lookup":{"path":"PV1-2","table":{"name":"labs"},"onMiss":"keep","default":"x"}}]"#,
        "transform[0].lookup.default",
        "both say",
        "keep one",
    ),
    (
        r#"[{"lookup":{"path":"PV1-2","table":{"name":"labs"},"into":"OBX[*]-2"}}]"#,
        "transform[0].lookup.into",
        "has [*] and `path` has not",
        "same [*]",
    ),
    (r#"[{"format":{"path":"PV1-2"}}]"#, "transform[0].format", "said once", "date, pad"),
    (r#"[{"format":{"path":"PV1-2","case":"upper","trim":true}}]"#, "transform[0].format", "said once", "one of"),
    (r#"[{"format":{"path":"PV1-2","trim":false}}]"#, "transform[0].format", "said once", "`trim: true`"),
    (
        r#"[{"format":{"path":"PV1-2","date":{"to":"YYYY"}}}]"#,
        "transform[0].format.date.to",
        "`YYYY` means nothing",
        "yyyy MM dd",
    ),
    (
        r#"[{"format":{"path":"PV1-2","pad":{"width":0}}}]"#,
        "transform[0].format.pad.width",
        "out of range",
        "1 to 1000",
    ),
    (
        r#"[{"format":{"path":"PV1-2","pad":{"width":5,"with":"ab"}}}]"#,
        "transform[0].format.pad.with",
        "one character",
        "'0'",
    ),
    (
        r#"[{"format":{"path":"PV1-2","replace":{"pattern":"(","with":""}}}]"#,
        "transform[0].format.replace.pattern",
        "unclosed group",
        "regex",
    ),
    (
        r#"[{"format":{"path":"PV1-2","replace":{"pattern":"(a)","with":"$1b"}}}]"#,
        "transform[0].format.replace.with",
        "no group `1b`",
        "${1}",
    ),
    (
        r#"[{"format":{"path":"PV1-2","replace":{"pattern":"(a{1000}){1000}","with":""}}}]"#,
        "transform[0].format.replace.pattern",
        "",
        "regex",
    ),
    (r#"[{"addSegment":{"id":"ZPI"}}]"#, "transform[0].addSegment", "said once", "at: end"),
    (r#"[{"addSegment":{"id":"ZPI","after":"PID","at":"end"}}]"#, "transform[0].addSegment", "said once", "one of"),
    (r#"[{"addSegment":{"id":"zpi","at":"end"}}]"#, "transform[0].addSegment.id", "no segment", "capital"),
    (r#"[{"addSegment":{"id":"MSH","at":"end"}}]"#, "transform[0].addSegment.id", "no segment", "one header"),
    (
        r#"[{"addSegment":{"id":"ZPI","before":"MSH"}}]"#,
        "transform[0].addSegment.before",
        "nothing goes before MSH",
        "after: MSH",
    ),
    (
        r#"[{"addSegment":{"id":"ZPI","after":"PID-3"}}]"#,
        "transform[0].addSegment.after",
        "a segment is wanted",
        "write `PID`",
    ),
    (
        r#"[{"addSegment":{"id":"ZPI","at":"end","fields":{"PID-1":"''"}}}]"#,
        "transform[0].addSegment.fields[PID-1]",
        "not a field of the new segment",
        "`ZPI-1`",
    ),
    (
        r#"[{"addSegment":{"id":"ZPI","at":"end","fields":{"ZPI-1":"value"}}}]"#,
        "transform[0].addSegment.fields[ZPI-1]",
        "has none",
        "msg['..']",
    ),
    (r#"[{"addSegment":{"id":"ZPI","at":"end"},"when":"value == ''"}]"#, "transform[0].when", "has none", "msg['..']"),
    (r#"[{"apply":{"mapping":{"name":"none"}}}]"#, "transform[0].apply.mapping", "no Mapping none", "add a Mapping"),
];

#[test]
fn every_fault_is_named_with_its_place_and_remedy() {
    let shelf = Shelf::usual();
    let mut wrong = Vec::new();
    for (json, place, text, remedy) in WRONG {
        let errors = compile_with(&shelf, json).err().unwrap_or_default();
        let right = |error: &StepError| {
            error.place == *place
                && error.text.contains(text)
                && error.remedy.contains(remedy)
                && !error.remedy.is_empty()
        };
        if !matches!(errors.as_slice(), [error] if right(error)) {
            wrong.push(format!("{json}: {errors:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_faults_are_found_at_once_with_offsets_into_expressions() {
    let json = r#"[{"set":{"path":"PDI-3.","to":"msg.evnt"}},{"delete":{"path":"MSH"}}]"#;
    let errors = compile_with(&Shelf::usual(), json).unwrap_err();
    let places: Vec<&str> = errors.iter().map(|error| error.place.as_str()).collect();
    assert_eq!(places, ["transform[0].set.path", "transform[0].set.to", "transform[1].delete.path"]);
    assert_eq!(errors[1].offset, Some(4));
}

#[test]
fn mappings_that_apply_themselves_are_refused_with_the_way_around() {
    let shelf = Shelf::usual()
        .with("a", r#"[{"apply":{"mapping":{"name":"b"}}}]"#)
        .with("b", r#"[{"apply":{"mapping":{"name":"a"}}}]"#);
    let errors = compile_with(&shelf, r#"[{"apply":{"mapping":{"name":"a"}}}]"#).unwrap_err();
    assert_eq!(errors[0].place, "transform[0].apply(a).steps[0].apply(b).steps[0].apply.mapping");
    assert!(errors[0].text.contains("a > b > a"), "{errors:?}");
}

#[test]
fn mappings_nest_eight_deep_and_no_deeper() {
    let chain = |depth: usize| {
        let mut shelf = Shelf::usual().with(&format!("m{depth}"), r#"[{"set":{"path":"MSH-5","to":"'X'"}}]"#);
        for n in 1..depth {
            shelf = shelf.with(&format!("m{n}"), &format!(r#"[{{"apply":{{"mapping":{{"name":"m{}"}}}}}}]"#, n + 1));
        }
        compile_with(&shelf, r#"[{"apply":{"mapping":{"name":"m1"}}}]"#)
    };
    assert_eq!(message(&run(&chain(8).unwrap(), ADT).unwrap()).text(&"MSH-5".parse().unwrap()), "X");
    assert!(chain(9).unwrap_err()[0].text.contains("more than 8 deep"));
}

#[test]
fn mappings_that_multiply_are_refused_before_they_take_the_memory() {
    let many =
        |name: &str| format!("[{}]", vec![format!(r#"{{"apply":{{"mapping":{{"name":"{name}"}}}}}}"#); 30].join(","));
    let shelf = Shelf::usual()
        .with("a", &many("b"))
        .with("b", &many("c"))
        .with("c", &many("d"))
        .with("d", &many("e"))
        .with("e", r#"[{"set":{"path":"MSH-5","to":"'X'"}}]"#);
    let errors = compile_with(&shelf, &many("a")).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].text.contains("more than 10000 steps"), "{errors:?}");
}

#[test]
fn a_code_table_with_a_code_twice_is_refused() {
    let row = |from: &str| CodeRow { from: from.to_owned(), to: "x".to_owned(), display: None, system: None };
    let errors = Table::compile(&[row("A"), row("B"), row("A"), row("")]).unwrap_err();
    assert_eq!(errors.iter().map(|error| error.row).collect::<Vec<_>>(), [2, 3]);
    assert!(errors[0].text.contains("row 0 already"));
}
