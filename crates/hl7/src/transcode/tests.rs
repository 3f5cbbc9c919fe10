//! What `transcode` promises, by behaviour.

use crate::tests::{ADT, message, path};
use crate::*;

fn latin(body: &[u8]) -> Message {
    message([b"MSH|^~\\&|A|B|||||ADT^A08|1|P|2.5||||||8859/1\r", body].concat())
}

fn to(message: &Message, target: Charset, setting: OnUnmappable) -> Result<Message, EditError> {
    let bytes = transcode(message, target, setting, SegmentEnds::Cr)?;
    Ok(Message::parse(bytes, &Limits::default()).expect("a message").message)
}

#[test]
fn c07_text_is_transcoded_and_msh_18_rewritten() {
    let message = latin(b"PID|||||A\xEFssata^\\XE9\\t\\XE9\\|caf\xE9\r");
    let utf8 = to(&message, Charset::Utf8, OnUnmappable::Fail).expect("into UTF-8");
    assert_eq!(utf8.text(&path("MSH-18")), "UNICODE UTF-8");
    assert_eq!(utf8.get(&path("PID-5")).expect("there").raw(), "Aïssata^\\XC3A9\\t\\XC3A9\\".as_bytes());
    assert_eq!(utf8.text(&path("PID-5.2")), "été");
    let back = to(&utf8, Charset::Iso8859_1, OnUnmappable::Fail).expect("and back");
    assert_eq!(back.raw(), message.raw());
}

#[test]
fn c07_characters_the_target_lacks_fail_by_default_or_are_marked() {
    let message = message(ADT);
    let error = to(&message, Charset::Iso8859_1, OnUnmappable::Fail).expect_err("Arabic");
    assert!(matches!(error, EditError::Text { error: EscapeError::Unmappable(Charset::Iso8859_1), .. }));
    assert!(error.to_string().starts_with("PID: "));
    let replaced = to(&message, Charset::Iso8859_1, OnUnmappable::Replace).expect("replaced");
    assert_eq!(replaced.text(&path("PID-5[2].2")), "????");
    let hex = to(&message, Charset::Iso8859_1, OnUnmappable::Hex).expect("as hexadecimal");
    assert_eq!(hex.get(&path("PID-5[2].2")).expect("there").raw(), b"\\XD985\\\\XD8AD\\\\XD985\\\\XD8AF\\");
    assert_eq!(to(&message, Charset::Iso8859_6, OnUnmappable::Fail).expect("Arabic").text(&path("PID-5[2].2")), "محمد");
}

#[test]
fn c07_a_message_that_is_in_the_target_set_is_the_same_bytes() {
    let message = message(ADT);
    let bytes = transcode(&message, Charset::Utf8, OnUnmappable::Fail, SegmentEnds::Cr).expect("done");
    assert_eq!(bytes.as_ptr(), message.raw().as_ptr());
}

#[test]
fn c07_an_undeclared_message_is_declared() {
    let message = message("MSH|^~\\&|A|B|||||ADT^A08|1|P|2.5\rPID|x\r");
    let utf8 = to(&message, Charset::Utf8, OnUnmappable::Fail).expect("done");
    assert_eq!(utf8.text(&path("MSH-18")), "UNICODE UTF-8");
    let ascii = transcode(&message, Charset::Ascii, OnUnmappable::Fail, SegmentEnds::Cr).expect("done");
    assert_eq!(ascii.as_ptr(), message.raw().as_ptr());
}

#[test]
fn c07_switches_are_resolved_and_never_become_other_characters() {
    let message = latin(b"PID|||||\xE9 \\C2D47\\\xE5\xCD\xE5\xCF\\C2842\\ \xE9|\xE9\r");
    let utf8 = to(&message, Charset::Utf8, OnUnmappable::Fail).expect("into UTF-8");
    assert_eq!(utf8.get(&path("PID-5")).expect("there").raw(), "é محمد é".as_bytes());
    assert_eq!(utf8.text(&path("PID-6")), "é");
}

#[test]
fn c07_a_switch_ends_with_its_value_and_ascii_lines_with_escapes_are_rewritten_too() {
    let message = latin(b"PID|||||\\C2D47\\\xE5|\xE9^\xE9\rNTE|\\XE9\\\r");
    let utf8 = to(&message, Charset::Utf8, OnUnmappable::Fail).expect("into UTF-8");
    assert_eq!(utf8.text(&path("PID-5")), "م");
    assert_eq!(utf8.text(&path("PID-6.2")), "é");
    assert_eq!(utf8.get(&path("NTE-1")).expect("there").raw(), b"\\XC3A9\\");
}

#[test]
fn c07_bytes_without_meaning_fail_or_are_marked() {
    let mut message = message(b"MSH|^~\\&|A|B|||||ADT^A08|1|P|2.5||||||8859/6\rPID|\xFF\xC7\r");
    message.set_fallback_charset(Charset::Iso8859_6);
    let error = to(&message, Charset::Utf8, OnUnmappable::Fail).expect_err("0xFF is nothing");
    assert!(matches!(error, EditError::Undecodable { charset: Charset::Iso8859_6, .. }), "{error}");
    assert_eq!(to(&message, Charset::Utf8, OnUnmappable::Replace).expect("marked").text(&path("PID-1")), "?ا");
    let hex = to(&message, Charset::Utf8, OnUnmappable::Hex).expect("marked");
    assert_eq!(hex.get(&path("PID-1")).expect("there").raw(), "\\XFF\\ا".as_bytes());
}

#[test]
fn binary_escapes_stay_as_they_are() {
    let message = message("MSH|^~\\&|A|B|||||ADT^A08|1|P|2.5||||||UNICODE UTF-8\rPID|é\\XFF00\\\r");
    let latin = to(&message, Charset::Iso8859_1, OnUnmappable::Fail).expect("done");
    assert_eq!(latin.get(&path("PID-1")).expect("there").raw(), b"\xE9\\XFF00\\");
}
