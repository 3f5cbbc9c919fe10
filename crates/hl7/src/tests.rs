//! What all tests of the crate use, and the properties that hold for any bytes.

use bytes::Bytes;
use proptest::prelude::*;

use crate::*;

pub(crate) const ADT: &str = "MSH|^~\\&|HIS|CHN|REG|MSP|20261122100000||ADT^A01^ADT_A01|MSG0001|P|2.5.1|||AL|NE||UNICODE UTF-8\r\
    EVN|A01|20261122\r\
    PID|1||A7^^^CHN^MR~9^^^NAT&1.2&ISO^NI||Ould Abdallah^Mohamed^^^^^L^A~ولد عبد الله^محمد^^^^^L^I||19700101|M\r\
    PV1|1|I|W^389^1\r\
    OBX|1|NM|GLU||5.1\r\
    OBX|2|TX|NOTE||line one\\.br\\line two\r\
    ZPI|x\r";

pub(crate) fn parsed(raw: impl AsRef<[u8]>) -> Parsed {
    Message::parse(Bytes::copy_from_slice(raw.as_ref()), &Limits::default()).expect("a message")
}

pub(crate) fn message(raw: impl AsRef<[u8]>) -> Message {
    parsed(raw).message
}

pub(crate) fn refused(raw: impl AsRef<[u8]>) -> ParseError {
    Message::parse(Bytes::copy_from_slice(raw.as_ref()), &Limits::default()).expect_err("no message")
}

pub(crate) fn path(text: &str) -> Path {
    Path::parse(text).expect("a path")
}

pub(crate) fn rules(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.rule.as_ref()).collect()
}

/// Messages in which delimiters, escapes, line ends and odd bytes are frequent.
pub(crate) fn message_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => Just(b'|'), 2 => Just(b'^'), 2 => Just(b'~'), 2 => Just(b'&'), 2 => Just(b'\\'),
        6 => b'A'..=b'Z', 2 => b'0'..=b'9', 1 => Just(b'"'), 1 => Just(b' '), 1 => any::<u8>()
    ];
    let line = prop::collection::vec(byte, 0..40);
    let id = prop::sample::select(vec!["PID", "OBX", "NTE", "ZZ1", "pv1", "OBR"]);
    let end = prop::sample::select(vec!["\r", "\r", "\r", "\n", "\r\n", "\r\r"]);
    let segment = (id, line, end).prop_map(|(id, line, end)| {
        let line: Vec<u8> = line.into_iter().filter(|b| *b != b'\r' && *b != b'\n').collect();
        [id.as_bytes(), b"|", &line, end.as_bytes()].concat()
    });
    let start = prop::sample::select(vec!["", "", "\u{FEFF}", "\r\n "]);
    let charset = prop::sample::select(vec!["", "UNICODE UTF-8", "8859/1", "8859/6", "nonsense"]);
    (start, charset, prop::collection::vec(segment, 0..12), any::<bool>()).prop_map(
        |(start, charset, segments, cut)| {
            let header = format!("{start}MSH|^~\\&|A|B|C|D|1||ADT^A08|id1|P|2.5||||||{charset}\r");
            let mut raw = [header.as_bytes(), &segments.concat()].concat();
            if cut {
                raw.pop();
            }
            raw
        },
    )
}

/// Paths inside the messages of [`message_bytes`].
pub(crate) fn field_path() -> impl Strategy<Value = Path> {
    let id = prop::sample::select(vec!["PID", "OBX", "NTE", "ZZ1", "PV1", "OBR", "MSH"]);
    let index = || prop_oneof![3 => Just(Index::First), 2 => (1u32..4).prop_map(Index::At), 1 => Just(Index::All)];
    (id, index(), 3u16..9, index(), 0u16..4, 0u16..3).prop_map(|(id, occurrence, field, repetition, component, sub)| {
        let base = Path::of_segment(SegmentId::new(*id.as_bytes().first_chunk().expect("three")).expect("an id"));
        let path = base.with_occurrence(occurrence).with_field(field).with_repetition(repetition);
        let path = path.with_component(component);
        if component > 0 { path.with_subcomponent(sub) } else { path }
    })
}

proptest! {
    #[test]
    fn what_parses_is_kept_byte_for_byte(raw in message_bytes()) {
        if let Ok(parsed) = Message::parse(Bytes::from(raw.clone()), &Limits::default()) {
            prop_assert_eq!(parsed.message.raw(), &raw);
            prop_assert_eq!(&Draft::new(&parsed.message).finish(SegmentEnds::AsReceived), &raw);
            let lines: Vec<&[u8]> = parsed.message.segments().map(|segment| segment.raw()).collect();
            let written = Draft::new(&parsed.message).finish(SegmentEnds::Cr);
            let again: Vec<&[u8]> = written.strip_suffix(b"\r").expect("a last end").split(|b| *b == b'\r').collect();
            prop_assert_eq!(again, lines);
        }
    }

    #[test]
    fn any_bytes_are_parsed_or_refused_without_a_crash(raw in prop::collection::vec(any::<u8>(), 0..300)) {
        drop(Message::parse(Bytes::from(raw), &Limits::default()));
    }

    #[test]
    fn any_bytes_after_a_header_are_read_without_a_crash(tail in prop::collection::vec(any::<u8>(), 0..200)) {
        let raw = [&b"MSH|^~\\&|A|B\rOBX|"[..], &tail].concat();
        if let Ok(parsed) = Message::parse(Bytes::from(raw), &Limits::default()) {
            for segment in parsed.message.segments() {
                for (_, field) in segment.fields() {
                    let mut stack = vec![field];
                    while let Some(value) = stack.pop() {
                        drop((value.text(), value.presence(), value.text_with(Formatting::Keep)));
                        stack.extend(value.parts());
                    }
                }
            }
        }
    }

    #[test]
    fn fields_joined_by_the_separator_are_the_segment(raw in message_bytes()) {
        if let Ok(parsed) = Message::parse(Bytes::from(raw), &Limits::default()) {
            for segment in parsed.message.segments().skip(1) {
                let fields: Vec<&[u8]> = segment.fields().map(|(_, value)| value.raw()).collect();
                let joined = [&segment.raw()[..3], &fields.join(&b'|')].join(&b'|');
                let expected = if fields.is_empty() { &segment.raw()[..3] } else { segment.raw() };
                prop_assert_eq!(if fields.is_empty() { joined[..3].to_vec() } else { joined }, expected);
            }
        }
    }

    #[test]
    fn p04_an_edit_changes_one_place_and_no_other_byte(raw in message_bytes(), path in field_path(), text in "[a-zA-Z|^~&\\\\\r\n]{0,12}") {
        let Ok(parsed) = Message::parse(Bytes::from(raw), &Limits::default()) else { return Ok(()) };
        let message = parsed.message;
        let mut draft = Draft::new(&message);
        let places: Vec<Path> = message.all(&path).map(|(path, _)| path).collect();
        if draft.set(&path, &text).is_err() {
            prop_assert_eq!(draft.finish(SegmentEnds::AsReceived), message.raw());
            return Ok(());
        }
        let written = draft.finish(SegmentEnds::Cr);
        let again = Message::parse(written, &Limits::default()).expect("still a message").message;
        prop_assert_eq!(again.segment_count(), message.segment_count());
        for (before, after) in message.segments().zip(again.segments()) {
            if before.id() != path.segment() {
                prop_assert_eq!(before.raw(), after.raw());
                continue;
            }
            for (n, value) in before.fields() {
                if Some(n) != path.field() {
                    prop_assert_eq!(value.raw(), after.field(n).expect("kept").raw());
                }
            }
        }
        let expected = text.replace("\r\n", "\n").replace('\r', "\n");
        let mut seen = places;
        if !path.is_wild() { seen = vec![path]; }
        for place in seen {
            let found = again.text(&place).replace("\r\n", "\n").replace('\r', "\n");
            prop_assert_eq!(&found, &expected, "at {}", place);
            prop_assert_eq!(draft.text(&place).replace("\r\n", "\n").replace('\r', "\n"), found);
        }
    }

    #[test]
    fn e02_escaped_text_reads_back(text in any::<String>()) {
        let d = Delimiters::STANDARD;
        let escaping = Escaping { delimiters: &d, charset: Charset::Utf8, line_breaks: LineBreaks::Hex, on_unmappable: OnUnmappable::Fail };
        let mut out = Vec::new();
        escaping.write(&text, &mut out).expect("UTF-8 has every character");
        prop_assert!(!out.iter().any(|b| b"|^~&\r\n\x0b\x1c".contains(b)));
        prop_assert_eq!(unescape(&out, &d, Charset::Utf8, Formatting::Keep), text);
    }

    #[test]
    fn a_message_in_utf8_and_back_is_the_same(text in "[ -~é؀-ي]{0,20}") {
        let raw = format!("MSH|^~\\&|||||||ADT^A08|1|P|2.5||||||8859/1\rPID|{}\r", text.replace(['|', '\r'], ""));
        let bytes: Vec<u8> = raw.chars().filter(|c| u32::from(*c) < 256).map(|c| c as u8).collect();
        let message = message(&bytes);
        let utf8 = transcode(&message, Charset::Utf8, OnUnmappable::Fail, SegmentEnds::Cr).expect("into UTF-8");
        let there = Message::parse(utf8, &Limits::default()).expect("a message").message;
        let back = transcode(&there, Charset::Iso8859_1, OnUnmappable::Fail, SegmentEnds::Cr).expect("and back");
        prop_assert_eq!(back, bytes);
    }
}
