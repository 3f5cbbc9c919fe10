//! What `draft` promises, by behaviour.

use crate::tests::{ADT, message, path};
use crate::*;

const HEADER: &str = "MSH|^~\\&|A|B|||||ADT^A08|1|P|2.5\r";

/// The lines after the header once an edit is done.
fn edited(body: &str, edit: impl FnOnce(&mut Draft<'_>) -> Result<(), EditError>) -> String {
    let message = message(format!("{HEADER}{body}"));
    let mut draft = Draft::new(&message);
    edit(&mut draft).expect("edited");
    let out = String::from_utf8(draft.finish(SegmentEnds::Cr).to_vec()).expect("UTF-8");
    out.strip_prefix(HEADER).expect("header untouched").to_owned()
}

fn set(body: &str, at: &str, text: &str) -> String {
    edited(body, |draft| draft.set(&path(at), text).map(drop))
}

#[test]
fn p04_an_unedited_draft_is_the_received_bytes_themselves() {
    let message = message(ADT);
    let mut draft = Draft::new(&message);
    draft.set(&path("PID-8"), "M").expect("set to what it is");
    draft.set(&path("PV1-40"), "").expect("empty beyond the end");
    draft.delete(&path("PV1-40")).expect("nothing there");
    let out = draft.finish(SegmentEnds::Cr);
    assert_eq!(out.as_ptr(), message.raw().as_ptr());
}

#[test]
fn p04_untouched_parts_stay_byte_for_byte_with_odd_escapes_and_bytes() {
    let body = b"PID|1||\\Q\\x\\|C:\\y^&~|\xFF\xFE|||\rZZZ|\\X6\\|||\r";
    let raw = [HEADER.as_bytes(), body].concat();
    let message = message(&raw);
    let mut draft = Draft::new(&message);
    draft.set(&path("PID-1"), "2").expect("set");
    let expected = [HEADER.as_bytes(), b"PID|2", &body[5..]].concat();
    assert_eq!(draft.finish(SegmentEnds::Cr), expected);
}

#[test]
fn set_writes_at_every_level_and_extends_with_empty_parts() {
    assert_eq!(set("PID|1||x\r", "PID-3", "y"), "PID|1||y\r");
    assert_eq!(set("PID|1||x\r", "PID-5", "y"), "PID|1||x||y\r");
    assert_eq!(set("PID\r", "PID-2", "y"), "PID||y\r");
    assert_eq!(set("PID|\r", "PID-1", "y"), "PID|y\r");
    assert_eq!(set("PID|a^b~c\r", "PID-1", "y"), "PID|y~c\r");
    assert_eq!(set("PID|a^b~c\r", "PID-1[2]", "y"), "PID|a^b~y\r");
    assert_eq!(set("PID|a\r", "PID-1[3].2", "y"), "PID|a~~^y\r");
    assert_eq!(set("PID|a^b\r", "PID-1.2", "y"), "PID|a^y\r");
    assert_eq!(set("PID|a|z\r", "PID-1.3.2", "y"), "PID|a^^&y|z\r");
    assert_eq!(set("PID|a&b^c\r", "PID-1.1.1", "y"), "PID|y&b^c\r");
    assert_eq!(set("PID|a&b^c\r", "PID-1.1", "y"), "PID|y^c\r");
    assert_eq!(set("PID||\r", "PID-2.2", "y"), "PID||^y\r");
    assert_eq!(set("OBX|1\rOBX|2\r", "OBX[2]-1", "y"), "OBX|1\rOBX|y\r");
}

#[test]
fn set_writes_each_place_of_a_wild_path() {
    assert_eq!(set("OBX|1|a\rNTE|1\rOBX|2\r", "OBX[*]-2", "y"), "OBX|1|y\rNTE|1\rOBX|2|y\r");
    assert_eq!(set("PID|a^1~b^2~c\r", "PID-1[*].2", "y"), "PID|a^y~b^y~c^y\r");
    assert_eq!(set("PID|\r", "PID-1[*].2", "y"), "PID|\r");
    assert_eq!(set("PID|1\r", "ZZZ[*]-1", "y"), "PID|1\r");
}

#[test]
fn e02_set_text_is_escaped() {
    assert_eq!(set("PID|1\r", "PID-1", "a|b^c&d~e\\f"), "PID|a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f\r");
}

#[test]
fn e10_text_cannot_make_a_segment() {
    assert_eq!(set("PID|1\r", "PID-1", "A\rZZ1|x"), "PID|A\\X0D\\ZZ1\\F\\x\r");
    assert_eq!(set("OBX|1|TX|||x\r", "OBX-5", "a\nb"), "OBX|1|TX|||a\\.br\\b\r");
    assert_eq!(set("OBX|1|ST|||x\r", "OBX-5", "a\nb"), "OBX|1|ST|||a\\X0A\\b\r");
    assert_eq!(set("NTE|1||x\r", "NTE-3", "a\r\nb"), "NTE|1||a\\.br\\b\r");
}

#[test]
fn e10_raw_values_cannot_change_the_structure() {
    let message = message(format!("{HEADER}PID|1||x~y\r"));
    let mut draft = Draft::new(&message);
    for (at, raw) in [
        ("PID-3", "a|b"),
        ("PID-3", "a\rZZZ|"),
        ("PID-3", "a\n"),
        ("PID-3", "a\u{1C}\r"),
        ("PID-3[1]", "a~b"),
        ("PID-3.1", "a^b"),
        ("PID-3.1.1", "a&b"),
    ] {
        assert_eq!(draft.set_raw(&path(at), raw.as_bytes()), Err(EditError::Structure(path(at))), "{at} {raw:?}");
    }
    assert!(!draft.is_edited());
    assert_eq!(draft.set_raw(&path("PID-3"), b"a^b&c~d"), Ok(1));
    assert_eq!(draft.text(&path("PID-3[2]")), "d");
}

#[test]
fn p06_null_is_written_and_survives() {
    assert_eq!(edited("PID|1||x~y\r", |draft| draft.set_null(&path("PID-3")).map(drop)), "PID|1||\"\"\r");
    assert_eq!(edited("PID|a^b\r", |draft| draft.set_null(&path("PID-1.2")).map(drop)), "PID|a^\"\"\r");
    assert_eq!(set("PID|x\r", "PID-1", "\"\""), "PID|\"\"\r");
}

#[test]
fn delete_takes_a_field_a_repetition_a_part_or_segments() {
    let delete = |body: &str, at: &str| edited(body, |draft| draft.delete(&path(at)).map(drop));
    assert_eq!(delete("PID|1|a~b|z\r", "PID-2"), "PID|1||z\r");
    assert_eq!(delete("PID|1|a~b|z\r", "PID-2[*]"), "PID|1||z\r");
    assert_eq!(delete("PID|a~b~c\r", "PID-1[1]"), "PID|b~c\r");
    assert_eq!(delete("PID|a~b~c\r", "PID-1[2]"), "PID|a~c\r");
    assert_eq!(delete("PID|a~b~c\r", "PID-1[3]"), "PID|a~b\r");
    assert_eq!(delete("PID|a\r", "PID-1[1]"), "PID|\r");
    assert_eq!(delete("PID|a^b^c\r", "PID-1.2"), "PID|a^^c\r");
    assert_eq!(delete("PID|1\rNTE|1\rNTE|2\rPV1|\r", "NTE"), "PID|1\rNTE|2\rPV1|\r");
    assert_eq!(delete("PID|1\rNTE|1\rNTE|2\rPV1|\r", "NTE[*]"), "PID|1\rPV1|\r");
    assert_eq!(delete("PID|1\r", "NTE[*]"), "PID|1\r");
    assert_eq!(delete("PID|a^b~c^d~e\r", "PID-1[*].2"), "PID|a^~c^~e\r");
    assert_eq!(delete("OBX|1|a\rOBX|2|b\r", "OBX[*]-2"), "OBX|1|\rOBX|2|\r");
}

#[test]
fn copy_and_move_take_bytes_as_they_are() {
    let copy = |body: &str, from: &str, to: &str| edited(body, |draft| draft.copy(&path(from), &path(to)).map(drop));
    assert_eq!(copy("PID|a\\S\\^b~c||z\r", "PID-1", "PID-2"), "PID|a\\S\\^b~c|a\\S\\^b~c|z\r");
    assert_eq!(copy("PID|a^b~c||z\r", "PID-1[1]", "PID-2"), "PID|a^b~c|a^b|z\r");
    assert_eq!(copy("PID|a^b||z\r", "PID-1.2", "PID-3"), "PID|a^b||b\r");
    assert_eq!(copy("OBX|1|a\rOBX|2|b\r", "OBX[*]-1", "OBX[*]-2"), "OBX|1|1\rOBX|2|2\r");
    assert_eq!(copy("PID|x\rOBX|1\rOBX|2\r", "PID-1", "OBX[*]-2"), "PID|x\rOBX|1|x\rOBX|2|x\r");
    assert_eq!(copy("PID||x\r", "PV1-1", "PID-2"), "PID||\r", "what is not there is empty");
    let moved = edited("PID|a~b|x\r", |draft| draft.move_value(&path("PID-1"), &path("PID-3")).map(drop));
    assert_eq!(moved, "PID||x|a~b\r");
}

#[test]
fn a_copy_that_would_change_the_structure_is_refused() {
    let message = message(format!("{HEADER}PID|a^b|c\rOBX|1\r"));
    let mut draft = Draft::new(&message);
    assert_eq!(draft.copy(&path("PID-1"), &path("PID-2.1")), Err(EditError::Structure(path("PID-2.1"))));
    assert!(matches!(draft.copy(&path("OBX[*]-1"), &path("PID-2")), Err(EditError::Unsuitable { .. })));
    assert!(matches!(draft.copy(&path("PID-1[*].1"), &path("PID-2")), Err(EditError::Unsuitable { .. })));
    for to in ["PID-1", "PID-1[1]", "PID-1.1", "PID-1[2].1"] {
        assert!(matches!(draft.move_value(&path("PID-1"), &path(to)), Err(EditError::Unsuitable { .. })), "{to}");
    }
    assert!(draft.move_value(&path("PID-1"), &path("ZZZ-1")).is_err());
    assert!(!draft.is_edited());
}

#[test]
fn segments_are_added_inserted_and_removed() {
    let message = message(format!("{HEADER}PID|1\rNTE|1\rNTE|2\r"));
    let mut draft = Draft::new(&message);
    let after = |text: &str| path(text);
    assert_eq!(draft.add_segment(path("ZPI").segment(), None), Ok(path("ZPI[1]")));
    assert_eq!(draft.add_segment(path("NTE").segment(), Some(&after("PID"))), Ok(path("NTE[1]")));
    assert_eq!(draft.insert_segment(b"NTE|9|x^y", Some(&after("NTE[*]"))), Ok(path("NTE[4]")));
    draft.set(&path("NTE[1]-3"), "new").expect("set");
    assert_eq!(draft.text(&path("NTE[4]-2.2")), "y");
    assert_eq!(draft.remove_segments(&path("NTE[2]")), Ok(1));
    let expected = format!("{HEADER}PID|1\rNTE|||new\rNTE|2\rNTE|9|x^y\rZPI\r");
    assert_eq!(draft.finish(SegmentEnds::Cr), expected);
    assert_eq!(draft.count(&path("NTE")), 3);
}

#[test]
fn bad_segments_are_refused() {
    let message = message(format!("{HEADER}PID|1\r"));
    let mut draft = Draft::new(&message);
    for line in [&b"pid|1"[..], b"PIDX", b"P", b"", b"PID|a\rZZZ", b"PID^1"] {
        assert!(draft.insert_segment(line, None).is_err(), "{line:?}");
    }
    for id in ["MSH", "FHS", "BTS"] {
        assert!(matches!(draft.insert_segment(id.as_bytes(), None), Err(EditError::Header(_))));
    }
    assert!(matches!(draft.insert_segment(b"ZZZ", Some(&path("PV1"))), Err(EditError::NoSegment(_))));
    assert!(matches!(draft.remove_segments(&path("MSH")), Err(EditError::Header(_))));
    assert!(!draft.is_edited());
}

#[test]
fn the_header_is_edited_but_for_its_delimiters() {
    let message = message(format!("{HEADER}PID|1\r"));
    let mut draft = Draft::new(&message);
    draft.set(&path("MSH-5"), "X&Y").expect("set");
    draft.set(&path("MSH-9.3"), "ADT_A01").expect("set");
    for at in ["MSH-1", "MSH-2"] {
        assert_eq!(draft.set(&path(at), "x"), Err(EditError::Header(path(at))));
    }
    assert!(draft.finish(SegmentEnds::Cr).starts_with(b"MSH|^~\\&|A|B|X\\T\\Y||||ADT^A08^ADT_A01|1|P|2.5\rPID"));
}

#[test]
fn writing_to_a_missing_segment_says_so() {
    let message = message(HEADER);
    let error = Draft::new(&message).set(&path("PV1-2"), "I").expect_err("no PV1");
    assert_eq!(error.to_string(), "PV1-2: the message has no such segment; add it first");
}

#[test]
fn a_level_without_delimiter_cannot_be_written() {
    let message = message("MSH|^|A\rPID|a\r");
    let mut draft = Draft::new(&message);
    assert_eq!(draft.set(&path("PID-1[2]"), "x"), Err(EditError::NoDelimiter(path("PID-1[2]"))));
    assert_eq!(draft.set(&path("PID-1.1.2"), "x"), Err(EditError::NoDelimiter(path("PID-1.1.2"))));
    assert_eq!(draft.set(&path("PID-1.2"), "x"), Ok(1));
}

#[test]
fn a_draft_is_bounded() {
    let message = message(format!("{HEADER}PID|1\r"));
    let limits = Limits { message_bytes: message.raw().len() + 10, segments: 3, ..Limits::default() };
    let mut draft = Draft::with_limits(&message, &limits);
    assert!(matches!(draft.set(&path("PID-1"), &"x".repeat(100)), Err(EditError::TooLarge { .. })));
    assert!(matches!(draft.set(&path("PID-999"), "x"), Err(EditError::TooLarge { .. })));
    assert!(matches!(draft.set(&path("PID-1[1000000]"), "x"), Err(EditError::TooLarge { .. })));
    assert!(!draft.is_edited());
    draft.insert_segment(b"ZZ1", None).expect("room for one");
    assert!(matches!(draft.insert_segment(b"ZZ2", None), Err(EditError::TooManySegments { limit: 3 })));
}

#[test]
fn segment_ends_as_received_are_kept_around_edits() {
    let raw = "\u{FEFF}MSH|^~\\&|A|B|||||ADT^A08|1|P|2.5\nPID|1\r\nPV1|1\n\nNTE|1";
    let message = message(raw);
    let mut draft = Draft::new(&message);
    draft.set(&path("PID-1"), "2").expect("set");
    draft.insert_segment(b"ZZ1|x", Some(&path("PID"))).expect("inserted");
    draft.insert_segment(b"ZZ2|y", None).expect("inserted");
    let expected = raw.replace("PID|1\r\n", "PID|2\r\nZZ1|x\n") + "\nZZ2|y\n";
    assert_eq!(draft.finish(SegmentEnds::AsReceived), expected);
}

#[test]
fn text_beyond_ascii_makes_an_ascii_message_utf8_and_says_so() {
    let message = message(format!("{HEADER}PID|1\r"));
    let mut draft = Draft::new(&message);
    draft.set(&path("PID-5"), "Aïssata").expect("set");
    let out = draft.finish(SegmentEnds::Cr);
    assert_eq!(out, format!("{}||||||UNICODE UTF-8\rPID|1||||Aïssata\r", HEADER.trim_end()));
    assert_eq!(draft.charset(), Charset::Utf8);
}

#[test]
fn c07_text_that_the_declared_charset_lacks_fails_or_is_marked_by_setting() {
    let raw = "MSH|^~\\&|A|B|||||ADT^A08|1|P|2.5||||||8859/1\rPID|1\r";
    let message = message(raw);
    let mut draft = Draft::new(&message);
    let error = draft.set(&path("PID-1"), "محمد").expect_err("Arabic in Latin-1");
    assert_eq!(error, EditError::Text { path: path("PID-1"), error: EscapeError::Unmappable(Charset::Iso8859_1) });
    assert_eq!(draft.finish(SegmentEnds::Cr).as_ptr(), message.raw().as_ptr());
    draft.set(&path("PID-1"), "é").expect("set");
    assert!(draft.finish(SegmentEnds::Cr).ends_with(b"PID|\xE9\r"));
    let mut draft = Draft::new(&message).on_unmappable(OnUnmappable::Replace);
    draft.set(&path("PID-1"), "م").expect("set");
    assert_eq!(draft.text(&path("PID-1")), "?");
}

#[test]
fn a_clone_goes_its_own_way() {
    let message = message(format!("{HEADER}PID|1\r"));
    let mut one = Draft::new(&message);
    one.set(&path("PID-1"), "2").expect("set");
    let mut two = one.clone();
    two.set(&path("PID-1"), "3").expect("set");
    assert_eq!((one.text(&path("PID-1")), two.text(&path("PID-1"))), ("2".into(), "3".into()));
}

#[test]
fn far_segments_are_found_as_near_ones_are_while_segments_come_and_go() {
    let mut text = "MSH|^~\\&|A|B|||2026||ORU^R01|1|P|2.5\rPID|1\r".to_owned();
    for n in 1..=300 {
        text.push_str(&format!("OBX|{n}\rNTE|{n}\r"));
    }
    let message = message(text);
    let mut draft = Draft::new(&message);
    let one = |draft: &Draft<'_>, at: &str| draft.text(&path(at)).into_owned();
    assert_eq!((one(&draft, "OBX[300]-1"), one(&draft, "NTE[299]-1")), ("300".to_owned(), "299".to_owned()));
    assert_eq!((one(&draft, "OBX[301]-1"), one(&draft, "ZZZ-1")), (String::new(), String::new()));
    draft.delete(&path("OBX[2]")).unwrap();
    draft.insert_segment(b"NTE|new", Some(&path("OBX[200]"))).unwrap();
    draft.set(&path("OBX[299]-2"), "x").unwrap();
    assert_eq!((one(&draft, "OBX[299]-1"), one(&draft, "OBX[299]-2")), ("300".to_owned(), "x".to_owned()));
    assert_eq!((one(&draft, "NTE[201]-1"), one(&draft, "NTE[202]-1")), ("new".to_owned(), "201".to_owned()));
    draft.delete(&path("NTE[*]")).unwrap();
    assert_eq!((draft.segment_count(), one(&draft, "OBX[299]-1")), (301, "300".to_owned()));
}

proptest::proptest! {
    #[test]
    fn segments_are_found_by_number_whatever_came_and_went(edits in proptest::collection::vec((0_u8..4, 1_u32..120), 1..40)) {
        let mut text = HEADER.to_owned();
        for n in 1..=60 {
            text.push_str(&format!("OBX|{n}\rNTE|{n}\r"));
        }
        let message = message(text);
        let mut draft = Draft::new(&message);
        for (edit, n) in edits {
            let at = path(if edit % 2 == 0 { "OBX" } else { "NTE" }).with_occurrence(Index::At(n));
            // Where there is no such segment, nothing happens.
            let _refused = if edit < 2 { draft.delete(&at).map(drop) } else { draft.insert_segment(b"OBX|new", Some(&at)).map(drop) };
            for id in ["OBX", "NTE", "ZZZ"] {
                let lines: Vec<Vec<u8>> = draft.segments().filter(|s| s.id().as_str() == id).map(|s| s.raw().to_vec()).collect();
                for n in [1, n, lines.len() as u32, lines.len() as u32 + 1] {
                    let found = draft.get(&path(id).with_occurrence(Index::At(n.max(1)))).map(|value| value.raw().to_vec());
                    proptest::prop_assert_eq!(found.as_ref(), lines.get(n.max(1) as usize - 1));
                }
            }
        }
    }
}
