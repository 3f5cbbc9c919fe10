//! What `path` promises, by behaviour.

use proptest::prelude::*;

use crate::tests::{field_path, path};
use crate::*;

#[test]
fn literals_are_read_and_shown_as_written() {
    for text in
        ["PID", "OBX[3]", "OBX[*]", "PID-3", "PID-3[2]", "PID-3[2].4.1", "OBX[*]-5[*].1", "MSH-9.2", "ZA1-1.1.1"]
    {
        assert_eq!(path(text).to_string(), text);
    }
}

#[test]
fn an_index_not_written_is_the_first() {
    assert_eq!(path("PID-3").repetition().number(), Some(1));
    assert_eq!(path("PID-3").repetition(), Index::First);
    assert_eq!(path("PID-3[1]").repetition(), Index::At(1));
    assert_eq!(path("PID-3[*]").repetition().number(), None);
}

#[test]
fn errors_name_the_place_and_the_remedy() {
    let cases = [
        ("", 1, "empty"),
        ("pid-3", 1, "write `PID`"),
        ("PI", 1, "3 characters"),
        ("1ID-3", 1, "3 characters"),
        ("PID.3", 4, "write `-`"),
        ("PID3", 4, "write `-` and a field number"),
        ("PID-3-1", 6, "write `.` before a component"),
        ("PID-", 5, "field number is missing"),
        ("PID-0", 5, "count from 1"),
        ("PID-03", 5, "leading zeros"),
        ("PID-1000", 5, "highest field number is 999"),
        ("PID-3.256", 7, "highest component number is 255"),
        ("PID-3[0]", 6, "count from 1; the first is `[1]`"),
        ("PID-3[]", 6, "empty"),
        ("PID-3[x]", 6, "number from 1, or `*`"),
        ("PID-3[2", 6, "no `]`"),
        ("PID-3(2)", 6, "square brackets"),
        ("OBX(2)-5", 4, "square brackets"),
        ("PID-3.1[2]", 8, "only segments and fields"),
        ("PID-3.1.2.3", 10, "ends after the subcomponent"),
        ("PID-3[9999999]", 6, "highest repetition index"),
        ("é-3", 1, "3 characters"),
    ];
    for (text, column, remedy) in cases {
        let error = Path::parse(text).expect_err(text);
        assert_eq!(error.column, column, "{text}");
        assert!(error.to_string().contains(remedy), "{text}: {error}");
    }
}

#[test]
fn c10_an_error_repeats_whole_characters_up_to_a_bound() {
    let error = Path::parse(&format!("PID-{}", "é".repeat(200))).expect_err("no path");
    assert_eq!(error.path.chars().count(), PathError::SHOWN);
    assert!(error.path.ends_with('é'));
}

#[test]
fn segment_ids_are_three_upper_case_characters() {
    assert!(SegmentId::new(*b"ZA1").is_some());
    for bad in [b"Za1", b"1AB", b"A-B"] {
        assert!(SegmentId::new(*bad).is_none());
    }
}

proptest! {
    #[test]
    fn any_path_reads_back(path in field_path()) {
        prop_assert_eq!(Path::parse(&path.to_string()), Ok(path));
    }

    #[test]
    fn any_text_is_a_path_or_an_error(text in any::<String>()) {
        if let Ok(path) = Path::parse(&text) {
            prop_assert_eq!(path.to_string(), text);
        }
    }
}
