//! What `parse` promises, by behaviour.

use bytes::Bytes;

use crate::ack::Disposition;
use crate::tests::{ADT, message, parsed, path, refused, rules};
use crate::*;

#[test]
fn m16_a_last_segment_without_return_is_accepted_and_written_with_one() {
    let parsed = parsed("MSH|^~\\&|A||||||ADT^A08|1|P|2.5\rPID|1");
    assert_eq!(rules(&parsed.findings), ["segment.unterminated"]);
    assert_eq!(parsed.message.text(&path("PID-1")), "1");
    let written = Draft::new(&parsed.message).finish(SegmentEnds::Cr);
    assert!(written.ends_with(b"PID|1\r"));
    assert!(Draft::new(&parsed.message).finish(SegmentEnds::AsReceived).ends_with(b"PID|1"));
}

#[test]
fn m17_line_feeds_and_mixed_ends_are_accepted_with_a_warning_and_written_as_returns() {
    let standard = "MSH|^~\\&|A||||||ADT^A08|1|P|2.5\rPID|1\rPV1|2\r";
    for (raw, rule) in [
        (standard.replace('\r', "\n"), vec!["segment.line-feed"]),
        (standard.replace('\r', "\r\n"), vec!["segment.crlf"]),
        (standard.replacen('\r', "\n", 1), vec!["segment.line-feed"]),
        (standard.replacen('\r', "\r\n", 2), vec!["segment.crlf"]),
    ] {
        let parsed = parsed(&raw);
        assert_eq!(rules(&parsed.findings), rule);
        assert!(parsed.findings.iter().all(|finding| finding.severity == Severity::Warning));
        let draft = Draft::new(&parsed.message);
        assert_eq!(draft.finish(SegmentEnds::Cr), standard);
        assert_eq!(draft.finish(SegmentEnds::AsReceived), raw);
        assert_eq!(parsed.message.raw(), &raw);
    }
}

#[test]
fn m17_line_feeds_are_refused_where_the_setting_says_so() {
    let limits = Limits { line_feeds: false, ..Limits::default() };
    let raw = Bytes::from_static(b"MSH|^~\\&|A||||||ADT^A08|1|P|2.5\nPID|1\n");
    let error = Message::parse(raw, &limits).expect_err("refused");
    assert_eq!((error.problem, error.line), (ParseProblem::LineFeed, Some(1)));
    assert_eq!(error.header.control_id(), b"1");
}

#[test]
fn m18_utf16_text_is_refused() {
    let utf16: Vec<u8> = "MSH|^~\\&|".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(refused(&utf16).problem, ParseProblem::Unframable);
    assert_eq!(refused([&[0xFF, 0xFE][..], &utf16].concat()).problem, ParseProblem::Unframable);
}

#[test]
fn p01_delimiters_come_from_the_message() {
    let message = message("MSH@*%#$@app@fac@@@1@@ADT*A01@7@P@2.5\rPID@@@1*2$3%4\r");
    assert_eq!(message.delimiters().field, b'@');
    assert_eq!(message.text(&path("MSH-1")), "@");
    assert_eq!(message.text(&path("MSH-2")), "*%#$");
    assert_eq!(message.text(&path("MSH-3")), "app");
    assert_eq!(message.text(&path("MSH-9.2")), "A01");
    assert_eq!(message.text(&path("PID-3.2.2")), "3");
    assert_eq!(message.text(&path("PID-3[2]")), "4");
}

#[test]
fn p01_msh_1_and_2_are_neither_split_nor_unescaped() {
    let message = message(ADT);
    assert_eq!(message.text(&path("MSH-2")), "^~\\&");
    assert_eq!(message.text(&path("MSH-2.1")), "^~\\&");
    assert!(message.get(&path("MSH-2.2")).is_none());
    assert_eq!(message.get(&path("MSH-2")).expect("there").parts().count(), 0);
}

#[test]
fn p02_a_truncation_character_before_2_7_is_a_warning() {
    let raw = |version| format!("MSH|^~\\&#|A||||||ADT^A08|1|P|{version}\r");
    let old = parsed(raw("2.5.1"));
    assert_eq!(rules(&old.findings), ["delimiters.truncation"]);
    assert_eq!(old.message.delimiters().truncation, Some(b'#'));
    assert!(parsed(raw("2.7")).findings.is_empty());
}

#[test]
fn p03_delimiters_that_msh_2_leaves_out_are_not_in_use() {
    let message = message("MSH|^~|A||||||ADT^A08|1|P|2.5\rPID|a\\F\\b&c^d\r");
    assert_eq!((message.delimiters().escape, message.delimiters().subcomponent), (None, None));
    assert_eq!(message.text(&path("PID-1.1")), "a\\F\\b&c");
    assert_eq!(message.text(&path("PID-1.2")), "d");
}

#[test]
fn p03_delimiters_that_contradict_each_other_are_rejected() {
    let cases = [
        ("MSH|^^\\&|A", DelimiterError::Duplicate, 102),
        ("MSH|^~\\^|A", DelimiterError::Duplicate, 102),
        ("MSH||~\\&|A", DelimiterError::Missing, 101),
        ("MSH|", DelimiterError::Missing, 101),
        ("MSH", DelimiterError::Missing, 101),
        ("MSH|^~a&|A", DelimiterError::Unusable { field: 2 }, 102),
        ("MSH|^~\\& |A", DelimiterError::Unusable { field: 2 }, 102),
        ("MSHA^~\\&A", DelimiterError::Unusable { field: 1 }, 102),
        ("MSH\r^~\\&\r", DelimiterError::Unusable { field: 1 }, 102),
        ("MSH|^~\\&#@|A", DelimiterError::TooLong, 102),
    ];
    for (raw, expected, code) in cases {
        let error = refused(raw);
        assert_eq!(error.problem, ParseProblem::Delimiters(expected), "{raw}");
        assert_eq!((error.code(), error.disposition()), (code, Disposition::Rejected), "{raw}");
        assert!(error.path().is_some());
    }
}

#[test]
fn p08_z_segments_are_kept_in_place_and_addressable() {
    let message = message("MSH|^~\\&|||||||ZAM^ZZ1|1|P|2.5\rZZ1|a\rPID|1\rZP2|b^c\r");
    let ids: Vec<String> = message.segments().map(|segment| segment.id().to_string()).collect();
    assert_eq!(ids, ["MSH", "ZZ1", "PID", "ZP2"]);
    assert_eq!(message.text(&path("ZP2-1.2")), "c");
    assert_eq!((message.header().message_code(), message.header().event()), ("ZAM".into(), "ZZ1".into()));
}

#[test]
fn p09_a_line_that_is_no_segment_is_an_error_with_its_number() {
    for bad in ["wrapped text", "PIDX|1", "P1", "12A|x", " PID|1", "PID^1"] {
        let error = refused(format!("MSH|^~\\&|A||||||ADT^A08|77|P|2.5\rPID|1\r{bad}\rPV1|1\r"));
        assert_eq!((error.problem, error.line), (ParseProblem::NotASegment, Some(3)), "{bad}");
        assert_eq!((error.code(), error.disposition()), (100, Disposition::Error));
        assert_eq!(error.header.control_id(), b"77");
        assert!(!error.to_string().contains("wrapped"));
    }
}

#[test]
fn p09_lines_are_counted_over_all_kinds_of_ends() {
    assert_eq!(refused("\r\n\r\nMSH|^~\\&|A\r\nPID|1\nbad line\r").line, Some(5));
}

#[test]
fn p09_lower_case_ids_are_warned_about_and_addressable() {
    let parsed = parsed("MSH|^~\\&|A||||||ADT^A08|1|P|2.5\rpid|1||x\r");
    assert_eq!(rules(&parsed.findings), ["segment.lower-case"]);
    assert_eq!(parsed.findings[0].line, Some(2));
    assert_eq!(parsed.message.text(&path("PID-3")), "x");
    assert_eq!(parsed.message.raw().as_ref()[32..35], *b"pid");
}

#[test]
fn p09_the_first_segment_is_msh() {
    for raw in ["INVALID PAYLOAD", "PID|1\rMSH|^~\\&|", "msh|^~\\&|A\r", "{\"a\":1}"] {
        assert_eq!((refused(raw).problem, refused(raw).disposition()), (ParseProblem::NoHeader, Disposition::Rejected));
    }
    for raw in ["", " \r\n", "\u{FEFF}"] {
        assert_eq!(refused(raw).problem, ParseProblem::Empty);
    }
}

#[test]
fn p09_batches_and_two_messages_in_one_are_told_apart_from_a_message() {
    for raw in ["FHS|^~\\&|A\rMSH|^~\\&|A\r", "BHS|^~\\&|A\r", "MSH|^~\\&|A\rBTS|1\r"] {
        assert_eq!((refused(raw).problem, refused(raw).code()), (ParseProblem::Batch, 200));
    }
    let error = refused("MSH|^~\\&|A||||||ADT^A08|1|P|2.5\rPID|1\rMSH|^~\\&|A||||||ADT^A08|2|P|2.5\r");
    assert_eq!((error.problem, error.line), (ParseProblem::SecondHeader, Some(3)));
    assert_eq!(error.header.control_id(), b"1");
}

#[test]
fn p10_a_byte_order_mark_and_blank_lines_are_skipped() {
    let body = "MSH|^~\\&|A||||||ADT^A08|1|P|2.5\rPID|1\r";
    for (raw, rule) in [
        (format!("\u{FEFF}{body}"), "segment.leading"),
        (format!("\r\n \t{body}"), "segment.leading"),
        (format!("\u{FEFF}\r\n{body}"), "segment.leading"),
        (format!("{body}\r \r"), "segment.blank"),
        (format!("{body}\0"), "segment.blank"),
        (body.replace("\rPID", "\r\rPID"), "segment.blank"),
    ] {
        let parsed = parsed(&raw);
        assert_eq!(rules(&parsed.findings), [rule], "{raw:?}");
        assert_eq!(Draft::new(&parsed.message).finish(SegmentEnds::Cr), body);
        assert_eq!(Draft::new(&parsed.message).finish(SegmentEnds::AsReceived), raw);
        assert_eq!(parsed.message.header().control_id(), b"1");
    }
}

#[test]
fn p16_large_and_repetitive_messages_are_read_in_linear_time() {
    let header = "MSH|^~\\&|A||||||ORU^R01|1|P|2.5\r";
    let document = "QUJD".repeat(2_500_000);
    let big = message(format!("{header}OBX|1|ED|DOC||^application^pdf^Base64^{document}\r"));
    assert_eq!(big.get(&path("OBX-5.5")).expect("there").raw().len(), 10_000_000);
    let rows: String = (1..=5_000).map(|n| format!("OBX|{n}|NM|X||{n}\r")).collect();
    let many = message(format!("{header}{rows}"));
    assert_eq!(many.count(&path("OBX")), 5_000);
    assert_eq!(many.text(&path("OBX[5000]-5")), "5000");
    let repetitions = vec!["a^b"; 1_000].join("~");
    let repeated = message(format!("{header}PID|1||{repetitions}\r"));
    assert_eq!(repeated.count(&path("PID-3")), 1_000);
    let fields = message(format!("{header}ZFI{}x\r", "|".repeat(200)));
    assert_eq!(fields.text(&path("ZFI-200")), "x");
}

/// A message's body in so many rows or parts, and what it is called.
type Shape = (&'static str, fn(usize) -> String);

/// The fastest of three: other work on the machine only slows.
fn fastest(raw: &Bytes) -> std::time::Duration {
    let run = |_| {
        let started = std::time::Instant::now();
        assert!(Message::parse(raw.clone(), &Limits::default()).is_ok());
        started.elapsed()
    };
    (0..3).map(run).min().expect("three runs")
}

#[test]
fn p16_the_worst_shapes_take_time_in_proportion_to_their_size() {
    let header = "MSH|^~\\&|A||||||ORU^R01|1|P|2.5\r";
    // Each shape in n rows or parts; what is quadratic would take 256 times as long for 16 times as much.
    let shapes: [Shape; 7] = [
        ("rows with an escape", |n| "OBX|1|FT|X||a\\.br\\b\r".repeat(n)),
        ("rows without", |n| "OBX|1|NM|X||1\r".repeat(n)),
        ("repetitions", |n| format!("PID|1||{}\r", "a^b~".repeat(n))),
        ("components", |n| format!("PID|1||{}\r", "^&".repeat(n))),
        ("lone escape characters", |n| format!("OBX|1|ST|X||{}\r", "\\ x".repeat(n))),
        ("escapes that do not end", |n| format!("OBX|1|ST|X||{}\r", "\\X0".repeat(n))),
        ("bytes that are no UTF-8", |n| format!("NTE|1||{}\r", "é\u{80}".repeat(n))),
    ];
    for (name, shape) in shapes {
        let of = |n: usize| fastest(&Bytes::from(format!("{header}{}", shape(n))));
        let (small, large) = (of(4_000), of(64_000));
        let small = small.max(std::time::Duration::from_micros(200));
        assert!(large < small * 100, "{name}: {small:?}, and {large:?} for 16 times as much");
    }
}

#[test]
fn p14_many_observations_are_checked_in_proportion_to_their_number() {
    let text = |n: usize| format!("MSH|^~\\&|A||||||ORU^R01|1|P|2.5\r{}", "OBX|1|NM|X||1~2\r".repeat(n));
    let time = |n: usize| {
        let message = message(text(n));
        let started = std::time::Instant::now();
        assert!(varies::check_observations(&message, None).is_empty());
        started.elapsed().max(std::time::Duration::from_micros(500))
    };
    let (small, large) = (time(4_000), time(64_000));
    assert!(large < small * 100, "{small:?}, and {large:?} for 16 times as much");
}

#[test]
fn p16_a_message_at_its_limits_passes_and_beyond_is_refused_with_its_header() {
    let raw = Bytes::from_static(b"MSH|^~\\&|A||||||ADT^A08|55|P|2.5\rPID|1|2\rPV1|1\r");
    let exact = Limits { message_bytes: raw.len(), segments: 3, fields: 14, ..Limits::default() };
    assert!(Message::parse(raw.clone(), &exact).is_ok());
    for (limits, problem) in [
        (Limits { message_bytes: raw.len() - 1, ..exact }, ParseProblem::TooLarge { limit: raw.len() - 1 }),
        (Limits { segments: 2, ..exact }, ParseProblem::TooManySegments { limit: 2 }),
        (Limits { fields: 13, ..exact }, ParseProblem::TooManyFields { limit: 13 }),
    ] {
        let error = Message::parse(raw.clone(), &limits).expect_err("over the limit");
        assert_eq!((error.problem, error.header.control_id()), (problem, &b"55"[..]));
    }
}

#[test]
fn p17_unknown_versions_read_as_the_nearest_with_a_warning() {
    let raw = |version| format!("MSH|^~\\&|A||||||ADT^A08|1|P|{version}\r");
    for (text, nearest) in [
        ("2.5.5", Version::V2_5_1),
        ("2.9", Version::V2_8_2),
        ("", Version::V2_5_1),
        ("2.3.2", Version::V2_3_1),
        ("1.0", Version::V2_1),
        ("banana", Version::V2_5_1),
    ] {
        let parsed = parsed(raw(text));
        assert_eq!(parsed.message.header().version(), nearest, "{text}");
        assert_eq!(rules(&parsed.findings), ["version.unknown"]);
        assert_eq!(parsed.findings[0].code, 203);
    }
    let french = parsed(raw("2.5^FRA^2.11"));
    assert!(french.findings.is_empty());
    assert_eq!(french.message.header().version(), Version::V2_5);
    assert_eq!(french.message.text(&path("MSH-12.2")), "FRA");
    assert_eq!(french.message.text(&path("MSH-12.3")), "2.11");
}

#[test]
fn c01_the_first_repetition_of_msh_18_is_the_message_charset() {
    let raw = |charset: &str| format!("MSH|^~\\&|A||||||ADT^A08|1|P|2.5||||||{charset}\r");
    assert_eq!(message(raw("8859/6~8859/1")).charset(), Charset::Iso8859_6);
    assert_eq!(message(raw("")).charset(), Charset::Ascii);
    assert_eq!(message(raw("~8859/1")).charset(), Charset::Ascii);
}

#[test]
fn c02_the_charset_is_found_before_anything_is_decoded() {
    let raw = b"MSH|^~\\&|H\xD4P|CHN|||||ADT^A08|1|P|2.5||||||8859/1\rPID|||||A\xEFssata\r";
    let parsed = parsed(raw);
    assert!(parsed.findings.is_empty());
    assert_eq!(parsed.message.header().sending_application(), "HÔP");
    assert_eq!(parsed.message.text(&path("PID-5")), "Aïssata");
}

#[test]
fn c03_undeclared_bytes_are_utf8_or_the_fallback_with_a_warning() {
    let utf8 = parsed("MSH|^~\\&|A||||||ADT^A08|1|P|2.5\rPID|||||Aïssata\r");
    assert_eq!((utf8.message.charset(), utf8.message.text(&path("PID-5"))), (Charset::Utf8, "Aïssata".into()));
    assert_eq!(rules(&utf8.findings), ["charset.undeclared"]);
    for declared in ["", "ASCII"] {
        let head = format!("MSH|^~\\&|A||||||ADT^A08|1|P|2.5||||||{declared}\r");
        let windows = parsed([head.as_bytes(), b"PID|||||A\xEFssata \x96 \x80\r"].concat());
        assert_eq!(windows.message.charset(), Charset::Windows1252);
        assert_eq!(windows.message.text(&path("PID-5")), "Aïssata – €");
        assert_eq!(rules(&windows.findings), ["charset.undeclared"]);
    }
}

#[test]
fn c03_no_undeclared_byte_is_silently_replaced() {
    let all: Vec<u8> = (0x80..=0xFF).collect();
    let parsed = parsed([b"MSH|^~\\&|A||||||ADT^A08|1|P|2.5\rPID|||||".as_slice(), &all, b"\r"].concat());
    assert_eq!(rules(&parsed.findings), ["charset.undeclared"]);
    let text = parsed.message.text(&path("PID-5"));
    assert_eq!(text.chars().count(), all.len());
    assert!(!text.contains('\u{FFFD}'), "{text}");
    assert_eq!(parsed.message.get(&path("PID-5")).expect("there").raw(), all);
}

#[test]
fn c03_a_facility_can_have_a_fallback_of_its_own() {
    let raw = [b"MSH|^~\\&|A||||||ADT^A08|1|P|2.5\rPID|||||".as_slice(), b"\xE3\xCD\xE3\xCF\r"].concat();
    let mut message = message(raw);
    let finding = message.set_fallback_charset(Charset::Windows1256).expect("still undeclared");
    assert_eq!(finding.rule, "charset.undeclared");
    assert_eq!(message.text(&path("PID-5")), "محمد");
}

#[test]
fn c04_declared_utf8_with_other_bytes_falls_back_with_error_code_102() {
    let raw = b"MSH|^~\\&|A||||||ADT^A08|1|P|2.5||||||UNICODE UTF-8\rPID|||||A\xEFssata\r";
    let parsed = parsed(raw);
    assert_eq!(parsed.message.text(&path("PID-5")), "Aïssata");
    assert_eq!((parsed.findings[0].rule.as_ref(), parsed.findings[0].code), ("charset.invalid", 102));
    assert_eq!(parsed.message.raw().as_ref(), raw);
}

#[test]
fn c04_one_bad_byte_does_not_garble_the_utf8_around_it() {
    let raw = [ADT.as_bytes(), b"NTE|1||\xFF\r"].concat();
    let parsed = parsed(&raw);
    assert_eq!(rules(&parsed.findings), ["charset.invalid"]);
    assert_eq!(parsed.message.text(&path("PID-5[2].2")), "محمد");
    assert_eq!(parsed.message.text(&path("NTE-3")), "\u{FFFD}");
    let error = transcode(&parsed.message, Charset::Windows1256, OnUnmappable::Fail, SegmentEnds::Cr);
    assert!(matches!(error, Err(EditError::Undecodable { .. })));
}

#[test]
fn c04_bytes_that_a_single_byte_set_lacks_are_found() {
    let parsed = parsed(b"MSH|^~\\&|A||||||ADT^A08|1|P|2.5||||||8859/6\rPID|||||\xD5\xFF\r");
    assert_eq!(rules(&parsed.findings), ["charset.invalid"]);
}

#[test]
fn c05_an_unknown_charset_falls_back_with_a_warning() {
    for (name, rule) in [
        ("ISO IR 999", "charset.unknown"),
        ("GB 18030-2000", "charset.unsupported"),
        ("UNICODE UTF-16", "charset.unframable"),
    ] {
        let parsed = parsed(format!("MSH|^~\\&|A||||||ADT^A08|1|P|2.5||||||{name}\rPID|||||Aïssata\r"));
        assert_eq!(rules(&parsed.findings), [rule]);
        assert_eq!(parsed.message.text(&path("PID-5")), "Aïssata");
    }
}

#[test]
fn e06_e07_odd_escapes_are_reported_with_their_place_up_to_a_bound() {
    let parsed = parsed("MSH|^~\\&|A||||||ADT^A08|1|P|2.5\rOBX|1|ST|||ok\rOBX|2|ST|||C:\\x|\\Q\\|\\X656\\\r");
    assert_eq!(rules(&parsed.findings), ["escape.lone", "escape.unknown", "escape.hex"]);
    assert_eq!(parsed.findings[0].path, Some(path("OBX[2]-5")));
    let rtf = "\\ ".repeat(10_000);
    let many = self::parsed(format!("MSH|^~\\&|A||||||ADT^A08|1|P|2.5\rOBX|1|ST|||{rtf}\r"));
    assert_eq!(many.findings.len(), 16);
}

#[test]
fn the_header_of_a_message_that_is_too_large_can_be_read() {
    let prefix = Bytes::from_static(b"\xEF\xBB\xBFMSH|^~\\&|A|B|C|D|1||ADT^A08^ADT_A01|007|P|2.4|||AL|NE\rPID|1||12");
    let header = Header::read(&prefix);
    assert_eq!((header.control_id(), header.version()), (&b"007"[..], Version::V2_4));
    assert_eq!(header.accept_acknowledgement(), "AL");
    let cut = Header::read(&Bytes::from_static(b"MSH|^~\\&|A|B"));
    assert_eq!((cut.sending_facility(), cut.control_id()), ("B".into(), &b""[..]));
    assert!(!Header::read(&Bytes::from_static(b"junk")).is_present());
}

#[test]
fn c10_a_header_cut_inside_a_character_is_read_up_to_it() {
    let raw = "MSH|^~\\&|A|Hô".as_bytes();
    let cut = Header::read(&Bytes::copy_from_slice(&raw[..raw.len() - 1]));
    assert_eq!(cut.sending_application(), "A");
    assert!(cut.sending_facility().starts_with('H'));
}

#[test]
fn nothing_of_a_message_is_shown_by_debug() {
    let message = message(ADT);
    let value = message.get(&path("PID-5")).expect("there");
    let shown =
        format!("{message:?} {value:?} {:?} {:?} {:?}", message.header(), message.segment(2), Draft::new(&message));
    assert!(!shown.contains("Abdallah") && !shown.contains("CHN"), "{shown}");
}
