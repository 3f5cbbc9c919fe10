//! What `redelimit` promises, by behaviour.

use crate::tests::{message, path};
use crate::*;

fn with(raw: &str, field: u8, encoding: &[u8]) -> Result<String, EditError> {
    let message = message(raw);
    let mut draft = Draft::new(&message);
    draft.redelimit(&Delimiters::new(field, encoding).expect("delimiters"))?;
    Ok(String::from_utf8(draft.finish(SegmentEnds::Cr).to_vec()).expect("UTF-8"))
}

#[test]
fn e09_data_is_escaped_for_the_target_delimiters() {
    let raw = "MSH|^~\\&|A||||||ADT^A08|1|P|2.7\rPID|a\\F\\b^c&d~e|x@y$z|\\.br\\\\Q\\C:\\ \r";
    let out = with(raw, b'@', b"*%$+").expect("done");
    assert_eq!(out, "MSH@*%$+@A@@@@@@ADT*A08@1@P@2.7\rPID@a|b*c+d%e@x$F$y$E$z@$.br$$Q$C:\\ \r");
    let (before, after) = (message(raw), message(&out));
    for at in ["PID-1.1", "PID-1.2.2", "PID-1[2]", "PID-2"] {
        assert_eq!(before.text(&path(at)), after.text(&path(at)));
    }
}

#[test]
fn e09_a_truncation_character_in_data_needs_no_escape_elsewhere() {
    let raw = "MSH|^~\\&#|A||||||ADT^A08|1|P|2.7\rPID|a\\P\\|b#\r";
    assert!(with(raw, b'|', b"^~\\&").expect("done").ends_with("PID|a#|b#\r"));
    assert!(with(raw, b'!', b"^~\\&#").expect("done").ends_with("PID!a\\P\\!b#\r"));
}

#[test]
fn a_target_without_a_needed_delimiter_is_refused() {
    let raw = "MSH|^~\\&|A||||||ADT^A08|1|P|2.7\rPID|a&b\r";
    assert!(matches!(with(raw, b'|', b"^~\\"), Err(EditError::NoDelimiter(_))));
    assert!(matches!(with("MSH|^~\\&|A\rPID|a\\F\\b\r", b'|', b"^~"), Err(EditError::NoDelimiter(_))));
}

#[test]
fn a_redelimited_draft_reads_and_edits_with_its_new_delimiters() {
    let message = message("MSH|^~\\&|A||||||ADT^A08|1|P|2.7\rPID|a^b\rPV1\r");
    let mut draft = Draft::new(&message);
    draft.redelimit(&Delimiters::new(b'!', b"*~\\&").expect("delimiters")).expect("done");
    assert_eq!(draft.text(&path("PID-1.2")), "b");
    draft.set(&path("PV1-2"), "x!y").expect("set");
    assert!(draft.finish(SegmentEnds::Cr).ends_with(b"PID!a*b\rPV1!!x\\F\\y\r"));
}
