//! What `escape` promises, by behaviour.

use crate::tests::{message, path};
use crate::*;

fn read(raw: &str) -> String {
    unescape(raw.as_bytes(), &Delimiters::STANDARD, Charset::Utf8, Formatting::Render).into_owned()
}

fn kept(raw: &str) -> String {
    unescape(raw.as_bytes(), &Delimiters::STANDARD, Charset::Utf8, Formatting::Keep).into_owned()
}

fn written(text: &str, line_breaks: LineBreaks) -> String {
    let d = Delimiters::STANDARD;
    let escaping = Escaping { delimiters: &d, charset: Charset::Utf8, line_breaks, on_unmappable: OnUnmappable::Fail };
    let mut out = Vec::new();
    escaping.write(text, &mut out).expect("written");
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn e01_letters_stand_for_the_message_own_delimiters() {
    assert_eq!(read("\\F\\\\S\\\\T\\\\R\\\\E\\"), "|^&~\\");
    let other = message("MSH@*%$+#@A@@@@@@ADT*A08@1@P@2.7\rPID@$F$$S$$T$$R$$E$$P$\\F\\\r");
    assert_eq!(other.text(&path("PID-1")), "@*+%$#\\F\\");
}

#[test]
fn e01_truncation_is_unknown_where_it_is_not_in_use() {
    assert_eq!(read("a\\P\\b"), "a\\P\\b");
}

#[test]
fn e02_splitting_comes_first_and_unescaping_last() {
    let message = message("MSH|^~\\&|A||||||ADT^A08|1|P|2.5\rPID|a\\S\\b^c|A\\E\\F\\E\\B\r");
    assert_eq!(message.text(&path("PID-1.1")), "a^b");
    assert_eq!(message.text(&path("PID-2")), "A\\F\\B");
    let mut draft = Draft::new(&message);
    draft.set(&path("PID-2"), "A\\F\\B").expect("set");
    assert!(!draft.is_edited(), "the same text is the same bytes");
    assert_eq!(written("a\\F\\|b", LineBreaks::Hex), "a\\E\\F\\E\\\\F\\b");
}

#[test]
fn e03_hexadecimal_is_bytes_of_the_message_charset() {
    assert_eq!(read("\\XC3A9\\t\\xc3a9\\"), "ét\\xc3a9\\");
    assert_eq!(read("a\\X0D0A\\b"), "a\r\nb");
    assert_eq!(read("\\XC3\\\\XA9\\"), "é", "a character may span two escapes");
    let latin = unescape(b"\\XE9\\", &Delimiters::STANDARD, Charset::Iso8859_1, Formatting::Render);
    assert_eq!(latin, "é");
    for odd in ["\\X656\\", "\\X6G\\", "\\X\\"] {
        assert_eq!(read(odd), odd);
    }
}

#[test]
fn e04_formatting_is_rendered_or_kept() {
    let raw = "\\H\\bold\\N\\ a\\.br\\b\\.sp 2\\c\\.in+4\\\\.ti3\\d\\.sk 1\\e\\.ce\\f\\.fi\\\\.nf\\";
    assert_eq!(read(raw), "bold a\nb\n\nc   d e\nf");
    assert_eq!(kept(raw), raw);
    assert_eq!(read("\\.sp99999999999999999999\\").len(), 100, "counts are bounded");
}

#[test]
fn e04_formatting_passes_through_a_message_byte_for_byte() {
    let raw = "MSH|^~\\&|A||||||ADT^A08|1|P|2.5\rOBX|1|FT|||\\H\\a\\.br\\b\\N\\|x\r";
    let message = message(raw);
    let mut draft = Draft::new(&message);
    draft.set(&path("OBX-6"), "y").expect("set");
    draft.copy(&path("OBX-5"), &path("OBX-7")).expect("copied");
    assert_eq!(draft.finish(SegmentEnds::Cr), raw.replace("|x\r", "|y|\\H\\a\\.br\\b\\N\\\r"));
}

#[test]
fn e05_switches_among_sets_are_decoded_for_text() {
    let d = Delimiters::STANDARD;
    let raw = b"\xE9 \\C2D47\\\xE5\xCD\xE5\xCF\\C2D41\\ \xE9 \\C2D47\\\xC7\\C2842\\ \xE9";
    assert_eq!(unescape(raw, &d, Charset::Iso8859_1, Formatting::Render), "é محمد é ا é");
    assert_eq!(read("\\C2D47\\x"), "\\C2D47\\x", "UTF-8 has no switches");
    assert_eq!(unescape(b"\\M2442\\AB", &d, Charset::Ascii, Formatting::Render), "\\M2442\\AB");
}

#[test]
fn e05_switches_pass_through_an_edited_message_byte_for_byte() {
    let body = b"OBX|1|TX|||\\C2D47\\\xE5\xCD\\C2842\\ \\M244248\\|x\r";
    let raw = [b"MSH|^~\\&|A||||||ADT^A08|1|P|2.5||||||8859/1~8859/6\r".as_slice(), body].concat();
    let message = message(&raw);
    let mut draft = Draft::new(&message);
    draft.set(&path("OBX-6"), "y").expect("set");
    let expected = [&raw[..raw.len() - 2], b"y\r"].concat();
    assert_eq!(draft.finish(SegmentEnds::Cr), expected);
}

#[test]
fn e06_local_and_unknown_sequences_are_kept() {
    for raw in ["\\Q\\", "\\Zq\\", "\\Z1234\\x", "a\\unknown\\b"] {
        assert_eq!(read(raw), raw);
    }
}

#[test]
fn e07_a_lone_escape_character_is_data() {
    for raw in ["C:\\x", "ends with \\", "\\", "\\\\", "C:\\my files\\x"] {
        assert_eq!(read(raw), raw);
    }
    assert_eq!(read("C:\\a dir \\F\\ x"), "C:\\a dir | x", "a lone one does not hide the next sequence");
    assert_eq!(read("\\\\F\\"), "\\|");
}

#[test]
fn e08_length_counts_what_is_between_escape_characters_and_not_them() {
    let message =
        message("MSH|^~\\&|A||||||ADT^A08|1|P|2.5||||||UNICODE UTF-8\rPID|a\\F\\b|\\.br\\|\\X0D0A\\|C:\\x|محمد\r");
    for (at, length) in [("PID-1", 3), ("PID-2", 3), ("PID-3", 5), ("PID-4", 4), ("PID-5", 4)] {
        assert_eq!(message.get(&path(at)).expect("there").length(), length, "{at}");
    }
}

#[test]
fn e08_sequences_do_not_nest() {
    assert_eq!(read("\\H\\F\\"), "F\\");
    assert_eq!(read("\\E\\F\\E\\"), "\\F\\");
}

#[test]
fn e10_line_ends_and_block_characters_never_reach_the_wire() {
    assert_eq!(written("A\rZZ1|x", LineBreaks::Hex), "A\\X0D\\ZZ1\\F\\x");
    assert_eq!(written("a\r\nb\nc\rd", LineBreaks::Formatted), "a\\.br\\b\\.br\\c\\.br\\d");
    assert_eq!(written("a\r\nb\nc", LineBreaks::Hex), "a\\X0D0A\\b\\X0A\\c");
    assert_eq!(written("a\u{0B}b\u{1C}", LineBreaks::Hex), "a\\X0B\\b\\X1C\\");
}

#[test]
fn without_an_escape_character_delimiters_cannot_be_written() {
    let d = Delimiters::new(b'|', b"^~").expect("delimiters");
    let escaping = Escaping {
        delimiters: &d,
        charset: Charset::Ascii,
        line_breaks: LineBreaks::Hex,
        on_unmappable: OnUnmappable::Fail,
    };
    assert_eq!(escaping.write("a|b", &mut Vec::new()), Err(EscapeError::NoEscape));
    assert_eq!(escaping.write("a\\b&", &mut Vec::new()), Ok(()));
    assert_eq!(escaping.write("é", &mut Vec::new()), Err(EscapeError::Unmappable(Charset::Ascii)));
}
