//! What the decoder and encoder promise, by behaviour, and independence from how bytes are cut.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use crate::*;

fn decode_all(options: Options, chunks: &[&[u8]]) -> Vec<Event> {
    let mut decoder = Decoder::new(options);
    let mut buffer = BytesMut::new();
    let mut events = Vec::new();
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        while let Some(event) = decoder.decode(&mut buffer) {
            events.push(event);
        }
    }
    events
}

fn tolerant(bytes: &[u8]) -> Vec<Event> {
    decode_all(Options::default(), &[bytes])
}

fn strict(bytes: &[u8]) -> Vec<Event> {
    decode_all(Options { strict: true, ..Options::default() }, &[bytes])
}

fn frame(payload: &[u8], warning: Option<Warning>) -> Event {
    Event::Frame(Frame { payload: Bytes::copy_from_slice(payload), warning })
}

#[test]
fn m01_a_frame_gives_its_payload_byte_for_byte() {
    assert_eq!(tolerant(b"\x0bMSH|\xff\x00\r\x1c\r"), [frame(b"MSH|\xff\x00\r", None)]);
}

#[test]
fn m01_a_frame_is_taken_out_of_the_buffer_without_a_copy() {
    let mut decoder = Decoder::new(Options::default());
    let mut buffer = BytesMut::from(&b"\x0bMSH|1\r\x1c\r"[..]);
    let inside = buffer[1..].as_ptr();
    let Some(Event::Frame(frame)) = decoder.decode(&mut buffer) else { panic!("no frame") };
    assert_eq!(frame.payload.as_ptr(), inside);
}

#[test]
fn m02_single_bytes_and_a_split_end_block_give_one_frame() {
    let bytes = b"\x0bMSH|1\r\x1c\r";
    let singles: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(decode_all(Options::default(), &singles), [frame(b"MSH|1\r", None)]);
    assert_eq!(decode_all(Options::default(), &[&bytes[..8], &bytes[8..]]), [frame(b"MSH|1\r", None)]);
}

#[test]
fn m03_pipelined_frames_come_out_in_order() {
    assert_eq!(
        tolerant(b"\x0bA1\r\x1c\r\x0bA2\r\x1c\r\x0bA3\r\x1c\r"),
        [frame(b"A1\r", None), frame(b"A2\r", None), frame(b"A3\r", None)]
    );
}

#[test]
fn m04_noise_between_frames_is_counted_and_skipped() {
    assert_eq!(
        tolerant(b"\r\n \x00\x0bA\x1c\r\n\x0bB\x1c\r"),
        [Event::Noise { bytes: 4 }, frame(b"A", None), Event::Noise { bytes: 1 }, frame(b"B", None)]
    );
    assert_eq!(strict(b"\n\x0bA\x1c\r"), [Event::Violation(Violation::Noise)]);
}

#[test]
fn m04_endless_noise_closes_at_its_limit() {
    let options = Options { max_noise: 8, ..Options::default() };
    assert_eq!(decode_all(options, &[b"12345678", b"\x0bA\x1c\r"]), [Event::Noise { bytes: 8 }, frame(b"A", None)]);
    assert_eq!(decode_all(options, &[b"12345678", b"9\x0bA\x1c\r"]), [Event::Violation(Violation::NoiseLimit)]);
}

#[test]
fn m05_end_block_without_return_is_tolerated_and_refused_in_strict_mode() {
    assert_eq!(tolerant(b"\x0bA\x1c\x0bB\x1c\r"), [frame(b"A", Some(Warning::EndWithoutReturn)), frame(b"B", None)]);
    assert_eq!(tolerant(b"\x0bA\x1c\n\x0bB\x1c\r"), [frame(b"A", Some(Warning::EndWithLineFeed)), frame(b"B", None)]);
    for bytes in [&b"\x0bA\x1c\x0bB\x1c\r"[..], b"\x0bA\x1c\n"] {
        assert_eq!(strict(bytes), [Event::Violation(Violation::EndBlock)]);
    }
}

#[test]
fn m05_end_block_followed_by_nothing_is_delivered_after_quiet() {
    for is_strict in [false, true] {
        let mut decoder = Decoder::new(Options { strict: is_strict, ..Options::default() });
        let mut buffer = BytesMut::from(&b"\x0bA\x1c"[..]);
        assert!(decoder.decode(&mut buffer).is_none());
        assert!(decoder.pending());
        let expected = if is_strict {
            Event::Violation(Violation::EndBlock)
        } else {
            frame(b"A", Some(Warning::EndWithoutReturn))
        };
        assert_eq!(decoder.finish_after_quiet(&mut buffer), Some(expected));
        assert!(!decoder.pending() && buffer.is_empty());
    }
}

#[test]
fn m05_quiet_inside_a_frame_delivers_nothing() {
    let mut decoder = Decoder::new(Options::default());
    let mut buffer = BytesMut::from(&b"\x0bMSH|"[..]);
    assert!(decoder.decode(&mut buffer).is_none());
    assert!(!decoder.pending());
    assert!(decoder.finish_after_quiet(&mut buffer).is_none());
    buffer.extend_from_slice(b"1\x1c\r");
    assert_eq!(decoder.decode(&mut buffer), Some(frame(b"MSH|1", None)));
}

#[test]
fn m06_a_start_block_inside_a_frame_discards_the_unfinished_one() {
    assert_eq!(
        tolerant(b"\x0bMSH|first\x0bMSH|second\x1c\r"),
        [Event::Discarded { reason: Discard::Restarted, bytes: 9 }, frame(b"MSH|second", None)]
    );
    assert_eq!(strict(b"\x0bA\x0bB\x1c\r"), [Event::Violation(Violation::StartBlockInside)]);
}

#[test]
fn m07_an_end_block_inside_the_payload_never_truncates_it() {
    assert_eq!(tolerant(b"\x0bA\x1cB\x1c\r"), [frame(b"A\x1cB", Some(Warning::EndBlockInside))]);
    assert_eq!(
        tolerant(b"\x0bA\x1cnoise\x0bB\x1c\r"),
        [Event::Discarded { reason: Discard::Restarted, bytes: 7 }, frame(b"B", None)]
    );
    assert_eq!(tolerant(b"\x0bA\x1c\x1c\r"), [frame(b"A\x1c", Some(Warning::EndBlockInside))]);
    assert_eq!(strict(b"\x0bA\x1cB\x1c\r"), [Event::Violation(Violation::EndBlock)]);
}

#[test]
fn m08_an_empty_frame_is_discarded_and_the_next_one_works() {
    assert_eq!(
        tolerant(b"\x0b\x1c\r\x0bA\x1c\r"),
        [Event::Discarded { reason: Discard::Empty, bytes: 0 }, frame(b"A", None)]
    );
}

#[test]
fn m09_a_payload_at_the_limit_passes_and_one_byte_more_does_not() {
    let options = Options { max_payload: 10, ..Options::default() };
    assert_eq!(decode_all(options, &[b"\x0b0123456789\x1c\r"]), [frame(b"0123456789", None)]);
    let events = decode_all(options, &[b"\x0b0123456789A\x1c\r\x0bB\x1c\r"]);
    assert_eq!(events, [Event::TooLarge { prefix: Prefix(Bytes::from_static(b"0123456789")) }]);
}

#[test]
fn m09_memory_stays_bounded_while_an_endless_payload_comes_in() {
    let mut decoder = Decoder::new(Options { max_payload: 100_000, ..Options::default() });
    let mut buffer = BytesMut::from(&b"\x0bMSH|"[..]);
    let mut prefix = None;
    for _ in 0..1_000 {
        buffer.extend_from_slice(&[b'x'; 1_000]);
        if let Some(Event::TooLarge { prefix: found }) = decoder.decode(&mut buffer) {
            prefix = Some(found);
        }
        assert!(buffer.len() <= 101_000);
    }
    assert!(decoder.closed() && buffer.is_empty());
    assert!(prefix.expect("reported").0.starts_with(b"MSH|"));
}

#[test]
fn p16_a_large_frame_in_small_reads_is_looked_at_once() {
    let started = std::time::Instant::now();
    let mut decoder = Decoder::new(Options::default());
    let mut buffer = BytesMut::from(&[START][..]);
    for _ in 0..160_000 {
        buffer.extend_from_slice(&[b'x'; 100]);
        assert!(decoder.decode(&mut buffer).is_none());
    }
    buffer.extend_from_slice(&TRAILER);
    let Some(Event::Frame(frame)) = decoder.decode(&mut buffer) else { panic!("no frame") };
    assert_eq!(frame.payload.len(), 16_000_000);
    // Looking at all bytes on each read would be 1.3 terabytes.
    assert!(started.elapsed() < std::time::Duration::from_secs(30));
}

#[test]
fn m10_a_connection_that_ends_inside_a_frame_received_nothing() {
    let mut decoder = Decoder::new(Options::default());
    let mut buffer = BytesMut::from(&b"\x0bMSH|"[..]);
    assert!(decoder.decode(&mut buffer).is_none());
    assert!(decoder.inside_frame());
    assert_eq!(decoder.finish(&mut buffer), Some(Event::Discarded { reason: Discard::Unfinished, bytes: 4 }));
    assert_eq!(decoder.finish(&mut buffer), None);
}

#[test]
fn m10_a_connection_that_ends_between_frames_tells_its_noise() {
    let mut decoder = Decoder::new(Options::default());
    let mut buffer = BytesMut::from(&b"GET / HTTP/1.1\r\n"[..]);
    assert!(decoder.decode(&mut buffer).is_none());
    assert_eq!(decoder.finish(&mut buffer), Some(Event::Noise { bytes: 16 }));
}

#[test]
fn m11_a_payload_that_is_not_hl7_is_still_one_frame() {
    assert_eq!(tolerant(b"\x0bINVALID PAYLOAD\x1c\r"), [frame(b"INVALID PAYLOAD", None)]);
}

#[test]
fn m14_release_2_blocks_are_written_as_control_blocks() {
    assert_eq!(control(Control::Ack), *b"\x0b\x06\x1c\r");
    assert_eq!(control(Control::Nack), *b"\x0b\x15\x1c\r");
}

#[test]
fn m15_release_2_blocks_are_not_frames() {
    assert_eq!(
        tolerant(b"\x0b\x06\x1c\r\x0b\x15\x1c\r\x0b\x06x\x1c\r"),
        [Event::Control(Control::Ack), Event::Control(Control::Nack), frame(b"\x06x", None)]
    );
}

#[test]
fn writing_a_payload_with_block_characters_is_refused() {
    assert_eq!(encode(b"A\x1cB"), Err(Unframable::BlockCharacter { at: 1 }));
    assert_eq!(encode(b"A\x0b"), Err(Unframable::BlockCharacter { at: 1 }));
    assert_eq!(encode(b""), Err(Unframable::Empty));
}

#[test]
fn payloads_are_not_shown_by_debug() {
    assert_eq!(format!("{:?}", frame(b"Ould Abdallah", None)), "Frame(Frame(13 bytes, None))");
}

/// Bytes in which block characters are frequent.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(
        prop_oneof![
            3 => Just(START), 3 => Just(END), 3 => Just(b'\r'), 1 => Just(b'\n'), 1 => Just(ACK), 6 => any::<u8>()
        ],
        0..200,
    )
}

proptest! {
    #[test]
    fn m02_events_do_not_depend_on_how_bytes_are_cut(
        bytes in stream(), cuts in prop::collection::vec(1usize..9, 1..200), max in 1usize..40, is_strict: bool,
    ) {
        let options = Options { max_payload: max, max_noise: 20, strict: is_strict };
        let whole = decode_all(options, &[&bytes]);
        let mut rest = &bytes[..];
        let mut chunks = Vec::new();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() { break; }
            let (head, tail) = rest.split_at((*cut).min(rest.len()));
            chunks.push(head);
            rest = tail;
        }
        prop_assert_eq!(decode_all(options, &chunks), whole);
    }

    #[test]
    fn m01_what_is_encoded_is_decoded(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 2..50), 1..8)) {
        let mut stream = BytesMut::new();
        let mut sent = Vec::new();
        for payload in payloads {
            if encode_into(&payload, &mut stream).is_ok() {
                sent.push(frame(&payload, None));
            }
        }
        prop_assert_eq!(tolerant(&stream), sent);
    }
}
