//! Editing: whatever is written where, the result parses, other segments keep their bytes, and text reads back.
#![no_main]

use barid_hl7::{Charset, Draft, Limits, Message, OnUnmappable, Path, SegmentEnds};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

const PATHS: [&str; 10] = [
    "PID-3",
    "PID-3[2]",
    "PID-3[*].2",
    "PID-5.2.3",
    "OBX[*]-5",
    "OBX[2]-5.1",
    "MSH-5",
    "MSH-18",
    "ZZ1-1",
    "PV1-9[3].1.2",
];

fuzz_target!(|data: &[u8]| {
    let [choice, operation, length, rest @ ..] = data else { return };
    let (text, raw) = rest.split_at(usize::from(*length).min(rest.len()));
    let limits = Limits { message_bytes: 1 << 16, ..Limits::default() };
    let Ok(parsed) = Message::parse(Bytes::copy_from_slice(raw), &limits) else { return };
    let message = parsed.message;
    let path = Path::parse(PATHS[usize::from(*choice) % PATHS.len()]).expect("a path");
    let text = String::from_utf8_lossy(text);
    let mut draft = Draft::with_limits(&message, &limits).on_unmappable(OnUnmappable::Replace);
    let done = match operation % 7 {
        0 => draft.set(&path, &text).map(|_| ()),
        1 => draft.set_raw(&path, text.as_bytes()).map(|_| ()),
        2 => draft.delete(&path).map(|_| ()),
        3 => draft.move_value(&path, &Path::parse("OBX-3.2").expect("a path")).map(|_| ()),
        4 => draft.insert_segment(text.as_bytes(), None).map(|_| ()),
        5 => draft.transcode(Charset::ALL[usize::from(*choice) % Charset::ALL.len()]),
        _ => draft.set_null(&path).map(|_| ()),
    };
    if done.is_err() {
        assert_eq!(draft.finish(SegmentEnds::AsReceived), raw);
        return;
    }
    let generous = Limits { message_bytes: 1 << 20, ..limits };
    let again = Message::parse(draft.finish(SegmentEnds::Cr), &generous).expect("still a message").message;
    assert_eq!(again.segment_count(), draft.segment_count());
    for (edited, written) in draft.segments().zip(again.segments()) {
        assert_eq!(edited.raw(), written.raw());
    }
    if operation % 7 == 0 && !path.is_wild() && path.segment().as_str() != "MSH" {
        let rendered = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n");
        if again.text(&path).chars().all(|c| c.is_ascii()) && text.is_ascii() {
            assert_eq!(rendered(&again.text(&path)), rendered(&text));
        }
    }
});
