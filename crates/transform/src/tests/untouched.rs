//! A mapping never touches other bytes: random messages, random steps, every byte outside the named place as it was.

use proptest::prelude::*;

use super::*;

/// Values as they come: empty, null, escapes, parts, broken escapes.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just(String::new()),
        1 => Just("\"\"".to_owned()),
        5 => "[A-Za-z0-9 .é]{1,8}",
        1 => Just("a\\T\\b\\Zx\\".to_owned()),
        1 => Just("C:\\x".to_owned()),
        2 => "[A-Z]{1,3}\\^[a-z]{0,3}(&[a-z]{1,2})?\\^{0,2}",
        1 => "[A-Z]{1,3}~[A-Z]{0,2}(\\^[0-9])?~?",
    ]
}

fn segment() -> impl Strategy<Value = String> {
    let id = prop::sample::select(vec!["PID", "PV1", "OBX", "NTE", "ZZ1"]);
    (id, prop::collection::vec(value(), 0..9))
        .prop_map(|(id, fields)| if fields.is_empty() { id.to_owned() } else { format!("{id}|{}", fields.join("|")) })
}

fn hl7() -> impl Strategy<Value = String> {
    prop::collection::vec(segment(), 0..8).prop_map(|segments| {
        let mut text = "MSH|^~\\&|A|B|C|D|20261122||ADT^A01|1|P|2.5||||||UNICODE UTF-8\r".to_owned();
        for segment in segments {
            text.push_str(&segment);
            text.push('\r');
        }
        text
    })
}

/// A field of a segment as raw bytes; MSH counted as everywhere else.
fn fields(line: &str) -> Vec<&str> {
    line.split('|').collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_step_on_a_field_leaves_every_other_field_as_it_was(
        text in hl7(),
        id in prop::sample::select(vec!["PID", "PV1", "OBX", "ZZ1"]),
        field in 1_usize..9,
        repetition in prop::sample::select(vec!["", "[1]", "[2]", "[*]"]),
        component in prop::sample::select(vec!["", ".1", ".2", ".2.2"]),
        verb in 0_usize..6,
    ) {
        let path = format!("{id}[*]-{field}{repetition}{component}");
        let json = match verb {
            0 => format!(r#"[{{"set":{{"path":"{path}","to":"value + 'X|^~&'"}}}}]"#),
            1 => format!(r#"[{{"delete":{{"path":"{path}"}}}}]"#),
            2 => format!(r#"[{{"format":{{"path":"{path}","case":"upper"}}}}]"#),
            3 => format!(r#"[{{"format":{{"path":"{path}","replace":{{"pattern":"[a-c]","with":"|"}}}}}}]"#),
            4 => format!(r#"[{{"lookup":{{"path":"{path}","table":{{"name":"labs"}},"default":"^|"}}}}]"#),
            _ => format!(r#"[{{"set":{{"path":"{path}","to":"null"}}}}]"#),
        };
        let after = run(&compile(&json), &text).unwrap();
        let (old, new): (Vec<&str>, Vec<&str>) = (text.split('\r').collect(), after.split('\r').collect());
        prop_assert_eq!(old.len(), new.len(), "no segment came or went");
        for (before, after) in old.iter().zip(&new) {
            if !before.starts_with(id) {
                prop_assert_eq!(before, after, "another segment");
                continue;
            }
            let (before, after) = (fields(before), fields(after));
            for at in 0..before.len().max(after.len()) {
                if at != field {
                    let (a, b) = (before.get(at).copied().unwrap_or(""), after.get(at).copied().unwrap_or(""));
                    prop_assert_eq!(a, b, "another field ({}) of {}", at, path);
                }
            }
        }
        // What came out is a message that reads the same when it is read again.
        let again = message(&after);
        prop_assert_eq!(again.raw(), after.as_bytes());
    }

    #[test]
    fn steps_that_do_not_apply_give_back_every_byte(text in hl7()) {
        let json = r#"[{"set":{"path":"MSH-5","to":"'X'"},"when":"msg.event == 'A99'"},
            {"delete":{"path":"ZZ9[*]"}},{"set":{"path":"item-1","to":"'X'"},"forEach":"ZZ9[*]"},
            {"format":{"path":"ZZ9-1","trim":true}},{"copy":{"from":"PID-3","to":"PID-3[1]"},"when":"false"}]"#;
        prop_assert_eq!(run(&compile(json), &text).unwrap(), text);
    }

    #[test]
    fn tracing_does_not_change_the_result(text in hl7(), field in 1_usize..9) {
        let json = format!(r#"[{{"set":{{"path":"OBX[*]-{field}","to":"value.upper()"}}}},{{"delete":{{"path":"NTE[*]"}}}},
            {{"set":{{"path":"item.2","to":"item['1']"}},"forEach":"PID-{field}[*]"}}]"#);
        let mapping = compile(&json);
        let (result, _) = traced(&mapping, &text);
        prop_assert_eq!(result.unwrap(), run(&mapping, &text).unwrap());
    }
}
