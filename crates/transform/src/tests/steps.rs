//! Each verb, alone.

use super::*;

#[test]
fn set_writes_the_value_of_an_expression_and_touches_no_other_line() {
    assert_eq!(
        changes(r#"[{"set":{"path":"OBX[2]-8","to":"const.country + '/' + msg['MSH-4'].lower()"}}]"#, ORU),
        ["OBX|2|NM|NA^Sodium^L||140|mmol/L|||||F > OBX|2|NM|NA^Sodium^L||140|mmol/L||MRT/chn|||F"]
    );
    assert_eq!(field(r#"[{"set":{"path":"MSH-5","to":"'MOH'"}}]"#, ADT, "MSH-5"), "MOH");
    assert_eq!(field(r#"[{"set":{"path":"PID-3[2].4.1","to":"'X'"}}]"#, ADT, "PID-3"), "A7^^^CHN^MR~9012345678^^^X^NI");
    assert_eq!(field(r#"[{"set":{"path":"OBX[*]-8","to":"'N'"}}]"#, ORU, "OBX[4]-8"), "N");
    assert_eq!(field(r#"[{"set":{"path":"PV1-44","to":"date(received, 'yyyyMMdd')"}}]"#, ADT, "PV1-44"), "20261122");
}

#[test]
fn set_sees_the_text_at_its_own_place_at_each_place() {
    let json = r#"[{"set":{"path":"OBX[*]-3.1","to":"value.padStart(5, '_')"}}]"#;
    for (n, want) in [(1, "__GLU"), (2, "___NA"), (3, "__COM"), (4, "____K")] {
        assert_eq!(field(json, ORU, &format!("OBX[{n}]-3.1")), want);
    }
    let json = r#"[{"set":{"path":"PID-3[*].1","to":"value + '!'"},"when":"value.startsWith('9')"}]"#;
    assert_eq!(field(json, ORU, "PID-3"), "A7^^^CHN~9!^^^NAT", "and `when` is asked at each place");
}

#[test]
fn e02_values_set_by_a_step_are_escaped_once_and_what_is_there_is_left_as_it_is() {
    assert_eq!(field(r#"[{"set":{"path":"MSH-5","to":"'R&D|a^b~c\\\\d'"}}]"#, ADT, "MSH-5"), r"R\T\D\F\a\S\b\R\c\E\d");
    // An escaped text read and set again is the same bytes.
    assert_eq!(field(r#"[{"set":{"path":"OBX[4]-5","to":"msg['OBX[3]-5']"}}]"#, ORU, "OBX[4]-5"), r"R\T\D");
    assert_eq!(field(r#"[{"copy":{"from":"OBX[3]-5","to":"OBX[4]-5"}}]"#, ORU, "OBX[4]-5"), r"R\T\D");
}

#[test]
fn e10_no_value_can_make_a_segment() {
    let json = r#"[{"set":{"path":"OBX-5","to":"'A\\rZZ1|x\\nb'"}}]"#;
    let after = run(&compile(json), ORU).unwrap();
    assert_eq!(after.matches('\r').count(), ORU.matches('\r').count());
    assert!(!after.contains("ZZ1|") && !after.contains('\n'), "{after}");
}

#[test]
fn p06_the_delete_indicator_survives_and_can_be_set() {
    let json = r#"[{"lookup":{"path":"PID-7","table":{"name":"labs"},"onMiss":"empty"}},
        {"format":{"path":"PID-7","date":{"to":"yyyy"}}},{"format":{"path":"PID-7","case":"upper"}}]"#;
    assert!(changes(json, ORU).is_empty(), "lookup and format leave it alone");
    assert_eq!(field(r#"[{"set":{"path":"PID-8","to":"msg['PID-7']"}}]"#, ORU, "PID-8"), "\"\"");
    assert_eq!(field(r#"[{"copy":{"from":"PID-7","to":"PID-8"}}]"#, ORU, "PID-8"), "\"\"");
    assert_eq!(field(r#"[{"set":{"path":"PID-3","to":"null"}}]"#, ORU, "PID-3"), "\"\"", "in place of all repetitions");
    assert_eq!(field(r#"[{"set":{"path":"PID-5.2","to":"null"}}]"#, ORU, "PID-5"), "Diallo^\"\"");
}

#[test]
fn set_of_a_field_with_parts_is_refused_because_it_would_escape_them() {
    let failed = failure(r#"[{"set":{"path":"PID-9","to":"msg['PID-5']"}}]"#, ORU);
    assert_eq!(failed.step, "transform[0].set");
    assert!(failed.finding.text.contains("use `copy`"), "{failed}");
}

#[test]
fn copy_and_move_take_parts_repetitions_and_escapes_along() {
    assert_eq!(field(r#"[{"copy":{"from":"PID-5","to":"PID-9"}}]"#, ORU, "PID-9"), "Diallo^Aissata");
    assert_eq!(field(r#"[{"copy":{"from":"PID-3","to":"PID-4"}}]"#, ORU, "PID-4"), "A7^^^CHN~9^^^NAT");
    assert_eq!(field(r#"[{"copy":{"from":"PID-3[2]","to":"PID-2"}}]"#, ORU, "PID-2"), "9^^^NAT");
    let moved = r#"[{"move":{"from":"PID-5.2","to":"PID-9.1"}}]"#;
    assert_eq!((field(moved, ORU, "PID-5"), field(moved, ORU, "PID-9")), ("Diallo^".to_owned(), "Aissata".to_owned()));
    assert_eq!(field(r#"[{"copy":{"from":"MSH-4","to":"OBX[*]-15"}}]"#, ORU, "OBX[4]-15"), "CHN", "one to each");
    let each = r#"[{"copy":{"from":"OBX[*]-3.1","to":"OBX[*]-4"}}]"#;
    assert_eq!((field(each, ORU, "OBX[1]-4"), field(each, ORU, "OBX[4]-4")), ("GLU".to_owned(), "K".to_owned()));
    let each = r#"[{"move":{"from":"PID-3[*].4","to":"PID-3[*].6"}}]"#;
    assert_eq!(field(each, ORU, "PID-3"), "A7^^^^^CHN~9^^^^^NAT", "each repetition to its own");
    assert_eq!(field(r#"[{"copy":{"from":"ZZZ-1","to":"PID-5"}}]"#, ORU, "PID-5"), "", "what is not there is empty");
    assert!(changes(r#"[{"copy":{"from":"ZZZ-1","to":"ZZY-5"}}]"#, ORU).is_empty(), "and needs no segment");
}

#[test]
fn delete_takes_segments_repetitions_fields_and_parts() {
    assert_eq!(changes(r#"[{"delete":{"path":"NTE"}}]"#, ORU), ["- NTE|1|L|a jeun"]);
    assert_eq!(changes(r#"[{"delete":{"path":"OBX[*]"}}]"#, ORU).len(), 4);
    assert_eq!(field(r#"[{"delete":{"path":"PID-3[1]"}}]"#, ORU, "PID-3"), "9^^^NAT");
    assert_eq!(field(r#"[{"delete":{"path":"PID-3"}}]"#, ORU, "PID-3"), "");
    assert_eq!(field(r#"[{"delete":{"path":"PID-3[*].4"}}]"#, ORU, "PID-3"), "A7^^^~9^^^");
    assert!(changes(r#"[{"delete":{"path":"ZZZ[*]"}},{"delete":{"path":"PID-30.2"}}]"#, ORU).is_empty());
    let json = r#"[{"delete":{"path":"PID-3[*]"},"when":"value.endsWith('CHN')"}]"#;
    assert_eq!(field(json, ORU, "PID-3"), "9^^^NAT", "`when` is asked at each place");
    let json = r#"[{"delete":{"path":"OBX[*]"},"when":"value.contains('NM')"}]"#;
    assert_eq!(changes(json, ORU).len(), 3, "of segments too");
}

#[test]
fn lookup_translates_codes_and_says_what_becomes_of_others() {
    let table = r#""table":{"name":"patient-class"}"#;
    assert_eq!(field(&format!(r#"[{{"lookup":{{"path":"PV1-2",{table}}}}}]"#), ADT, "PV1-2"), "IMP");
    let unknown = ADT.replace("PV1|1|I|", "PV1|1|Q|");
    for (miss, want) in [(r#""onMiss":"keep""#, "Q"), (r#""onMiss":"empty""#, ""), (r#""default":"UNK""#, "UNK")] {
        assert_eq!(field(&format!(r#"[{{"lookup":{{"path":"PV1-2",{table},{miss}}}}}]"#), &unknown, "PV1-2"), want);
    }
    let failed = failure(&format!(r#"[{{"lookup":{{"path":"PV1-2",{table},"onMiss":"fail"}}}}]"#), &unknown);
    assert_eq!((failed.finding.code, failed.finding.path.as_str()), (103, "PV1-2"));
    assert!(!failed.to_string().contains('Q'), "no value of the message: {failed}");
    let lower = ADT.replace("PV1|1|I|", "PV1|1|i|");
    assert_eq!(field(&format!(r#"[{{"lookup":{{"path":"PV1-2",{table}}}}}]"#), &lower, "PV1-2"), "i", "exactly");
}

#[test]
fn lookup_writes_code_words_and_system_to_their_own_places_at_each_segment() {
    let json = r#"[{"lookup":{"path":"OBX[*]-3.1","table":{"name":"labs"},"into":"OBX[*]-3.4",
        "display":"OBX[*]-3.5","system":"OBX[*]-3.6"}}]"#;
    assert_eq!(field(json, ORU, "OBX[1]-3"), "GLU^Glucose^L^2345-7^Glucose SerPl^LN");
    assert_eq!(field(json, ORU, "OBX[2]-3"), "NA^Sodium^L^2951-2^^LN");
    assert_eq!(field(json, ORU, "OBX[4]-3"), "K^Potassium^L^K", "kept codes go along, words do not");
}

#[test]
fn format_rewrites_dates_and_never_makes_a_day_up() {
    let json = |to: &str, more: &str| format!(r#"[{{"format":{{"path":"PID-7","date":{{"to":"{to}"{more}}}}}}}]"#);
    assert_eq!(field(&json("yyyy-MM-dd", ""), ADT, "PID-7"), "1980-03-14");
    let year = ADT.replace("|19800314|F", "|1980|F");
    let failed = failure(&json("yyyyMMdd", ""), &year);
    assert_eq!((failed.finding.code, failed.finding.path.as_str()), (102, "PID-7"));
    assert!(!failed.to_string().contains("1980"));
    assert_eq!(field(&json("yyyyMMdd", r#","onMismatch":"keep""#), &year, "PID-7"), "1980");
    assert_eq!(field(&json("yyyyMMdd", r#","onMismatch":"empty""#), &year, "PID-7"), "");
    let french = ADT.replace("|19800314|F", "|14/03/1980|F");
    assert_eq!(field(&json("yyyyMMdd", r#","from":"dd/MM/yyyy""#), &french, "PID-7"), "19800314");
    let parts = ADT.replace("|19800314|F", "|19800314^D|F");
    assert!(failure(&json("yyyy", ""), &parts).to_string().contains("name the one to format"));
}

#[test]
fn format_pads_trims_replaces_and_changes_case() {
    let format = |path: &str, how: &str| format!(r#"[{{"format":{{"path":"{path}",{how}}}}}]"#);
    assert_eq!(field(&format("MSH-10", r#""pad":{"width":10,"with":"0"}"#), ADT, "MSH-10"), "00MSG00042");
    assert_eq!(field(&format("MSH-10", r#""pad":{"width":10,"with":"x","side":"end"}"#), ADT, "MSH-10"), "MSG00042xx");
    assert_eq!(field(&format("MSH-10", r#""pad":{"width":3}"#), ADT, "MSH-10"), "MSG00042");
    let phone = r#""replace":{"pattern":"^\\+222(\\d{4})(\\d{4})$","with":"0${1}-$2"}"#;
    assert_eq!(field(&format("PID-13.1", phone), ADT, "PID-13"), "04525-0001^PRN^PH");
    let spaced = ADT.replace("|MSG00042|", "|  a b |");
    assert_eq!(field(&format("MSH-10", r#""trim":true"#), &spaced, "MSH-10"), "a b");
    assert_eq!(field(&format("PID-5.2", r#""case":"upper""#), ADT, "PID-5.2"), "AÏSSATA");
    assert_eq!(field(&format("PID-5.1", r#""case":"title""#), ADT, "PID-5.1"), "Diallo");
}

#[test]
fn format_of_a_value_with_parts_keeps_its_structure_and_its_escapes() {
    let upper = r#"[{"format":{"path":"PID-5","case":"upper"}}]"#;
    assert_eq!(field(upper, ADT, "PID-5"), "DIALLO^AÏSSATA^MARIEM^^MME");
    let odd = ORU.replace("Diallo^Aissata", "d\\H\\x\\N\\^a\\T\\b&c~e");
    assert_eq!(field(upper, &odd, "PID-5"), "DX^A\\T\\B&C~e", "each part; only the first repetition");
    let title = r#"[{"format":{"path":"PID-5[*]","case":"title"}}]"#;
    let names = ORU.replace("Diallo^Aissata", "OULD-AHMED^jean-marie d'arc~محمد^علي");
    assert_eq!(field(title, &names, "PID-5"), "Ould-Ahmed^Jean-Marie D'arc~محمد^علي");
    let same = ORU.replace("Diallo^Aissata", "\\H\\DIALLO\\N\\^");
    let trim = r#"[{"format":{"path":"PID-5","trim":true}}]"#;
    assert_eq!(field(trim, &same.replace("\\H\\", "").replace("\\N\\", "\\Zx\\"), "PID-5"), "DIALLO\\Zx\\^");
}

#[test]
fn add_segment_puts_it_where_it_is_asked_and_fills_it() {
    let json = r#"[{"addSegment":{"id":"ZPI","after":"PID","fields":{"ZPI-1":"'1'","ZPI-3.2":"msg['PID-5.1']"}}}]"#;
    let after = run(&compile(json), ORU).unwrap();
    assert!(after.contains("\rPID|1||A7^^^CHN~9^^^NAT||Diallo^Aissata||\"\"|F\rZPI|1||^Diallo\rOBR|"), "{after}");
    let before =
        run(&compile(r#"[{"addSegment":{"id":"NTE","before":"OBX[2]","fields":{"NTE-3":"'x|y'"}}}]"#), ORU).unwrap();
    assert!(before.contains("\rNTE|1|L|a jeun\rNTE|||x\\F\\y\rOBX|2|"), "{before}");
    let end = run(&compile(r#"[{"addSegment":{"id":"ZZZ","at":"end"}}]"#), ORU).unwrap();
    assert!(end.ends_with("\rZZZ\r") || end.ends_with("\rZZZ|\r"), "{end}");
    let last = run(&compile(r#"[{"addSegment":{"id":"ZZZ","after":"OBX[*]"}}]"#), ADT.replace("AL1|", "OBX|").as_str());
    assert!(last.unwrap().contains("20190501\rZZZ"));
    let failed = failure(r#"[{"addSegment":{"id":"ZZZ","after":"PV2"}}]"#, ORU);
    assert_eq!((failed.finding.code, failed.finding.path.as_str()), (100, "PV2"));
}

#[test]
fn apply_runs_the_steps_of_a_mapping_as_if_they_stood_there() {
    let shelf = Shelf::usual()
        .with("ids", r#"[{"set":{"path":"PID-3.5","to":"'MR'"}},{"apply":{"mapping":{"name":"sender"}}}]"#)
        .with("sender", r#"[{"set":{"path":"MSH-3","to":"'BARID'"}}]"#);
    let json = r#"[{"apply":{"mapping":{"name":"ids"}},"when":"msg.event == 'R01'"},{"set":{"path":"MSH-5","to":"msg['MSH-3']"}}]"#;
    let after = run(&compile_with(&shelf, json).unwrap(), ORU).unwrap();
    assert!(after.starts_with("MSH|^~\\&|BARID|CHN|BARID|"), "{after}");
    assert!(after.contains("A7^^^CHN^MR~9"));
}

#[test]
fn a_step_whose_condition_is_false_does_nothing() {
    assert!(changes(r#"[{"set":{"path":"MSH-5","to":"'X'"},"when":"msg.event == 'A99'"}]"#, ADT).is_empty());
}

#[test]
fn writing_to_a_segment_that_is_not_there_fails_and_says_so() {
    let failed = failure(r#"[{"set":{"path":"MSH-5","to":"'X'"}},{"set":{"path":"PV2-3","to":"'X'"}}]"#, ADT);
    assert_eq!(failed.step, "transform[1].set");
    assert_eq!((failed.finding.code, failed.finding.path.as_str()), (100, "PV2-3"));
    assert!(changes(r#"[{"set":{"path":"PV2-3","to":"msg['PV2-4']"}}]"#, ADT).is_empty(), "an empty value needs none");
}

#[test]
fn a_failing_expression_names_the_step_and_no_value() {
    let failed = failure(r#"[{"set":{"path":"OBX-8","to":"string(int(msg['PID-5.1']) + 1)"}}]"#, ORU);
    assert_eq!(failed.finding.code, 102);
    assert_eq!(failed.finding.rule, "mapping.set");
    assert!(failed.finding.text.starts_with("transform[0].set: the text is not a number"), "{failed}");
    assert!(!failed.to_string().contains("Diallo"));
}
