//! Replies: read or refused; what is read has one MSA with a known code. Answers to anything are messages.
#![no_main]

use barid_hl7::ack::{AckCode, Answer, read};
use barid_hl7::{Header, Limits, Message};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let raw = Bytes::copy_from_slice(data);
    if let Ok(ack) = read(raw.clone()) {
        let _ = ack.text();
        assert!(ack.message.segments().filter(|segment| segment.id().as_str() == "MSA").count() == 1);
    }
    let (header, findings) = match Message::parse(raw.clone(), &Limits::default()) {
        Ok(parsed) => (parsed.message.header().clone(), parsed.findings),
        Err(error) => (Header::clone(&error.header), vec![error.finding()]),
    };
    for header in [header, Header::read(&raw)] {
        let answer = Answer {
            request: &header,
            code: AckCode::AE,
            findings: &findings,
            application: "BARID",
            facility: "H\u{f4}pital",
            control_id: "1",
            timestamp: "20261122100000+0000",
        };
        let built = read(answer.build()).expect("our own answers can be read");
        assert_eq!(&built.control_id[..], header.control_id());
        assert_eq!(built.code, AckCode::AE);
    }
});
