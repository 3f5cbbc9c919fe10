//! Framing: events must not depend on how the stream is cut, in either mode, at any limit.
#![no_main]

use barid_mllp::{Decoder, Event, Options};
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

fn events<'a>(options: Options, chunks: impl Iterator<Item = &'a [u8]>) -> Vec<Event> {
    let mut decoder = Decoder::new(options);
    let mut buffer = BytesMut::new();
    let mut events = Vec::new();
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        while let Some(event) = decoder.decode(&mut buffer) {
            events.push(event);
        }
    }
    events.extend(decoder.finish(&mut buffer));
    events
}

fuzz_target!(|data: &[u8]| {
    let [max, cut, mode, stream @ ..] = data else { return };
    let options =
        Options { max_payload: usize::from(*max) + 1, max_noise: u64::from(mode >> 1), strict: mode & 1 == 1 };
    let whole = events(options, std::iter::once(stream));
    let cut = events(options, stream.chunks(usize::from(*cut) + 1));
    assert_eq!(whole, cut);
    for event in whole {
        if let Event::Frame(frame) = event {
            assert!(!frame.payload.contains(&barid_mllp::START));
            assert!(frame.payload.len() <= options.max_payload);
        }
    }
});
