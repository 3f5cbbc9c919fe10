//! Parsing: what parses is kept byte for byte, and everything in it can be read.
#![no_main]

use barid_hl7::{Draft, Formatting, Groups, Limits, Message, SegmentEnds, varies};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(parsed) = Message::parse(Bytes::copy_from_slice(data), &Limits::default()) else { return };
    let message = parsed.message;
    assert_eq!(message.raw(), data);
    assert_eq!(Draft::new(&message).finish(SegmentEnds::AsReceived), data);
    for segment in message.segments() {
        for (_, field) in segment.fields() {
            let mut stack = vec![field];
            while let Some(value) = stack.pop() {
                let _ = (value.text(), value.text_with(Formatting::Keep), value.presence());
                stack.extend(value.parts());
            }
        }
    }
    if let Some(groups) = Groups::of(&message) {
        for i in 0..message.segment_count() {
            assert!(groups.around(i).is_some_and(|range| range.contains(&i)));
        }
    }
    let _ = varies::check_observations(&message, None);
    let written = Draft::new(&message).finish(SegmentEnds::Cr);
    let again = Message::parse(written.clone(), &Limits::default()).expect("written messages parse").message;
    assert!(again.is_canonical());
    assert_eq!(Draft::new(&again).finish(SegmentEnds::Cr).as_ptr(), written.as_ptr());
    assert!(message.segments().map(|s| s.raw()).eq(again.segments().map(|s| s.raw())));
});
