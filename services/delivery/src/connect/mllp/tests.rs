use std::net::SocketAddr;
use std::time::{Duration, Instant};

use barid_hl7::ack::AckCode;
use barid_testkit::receiver::{Act, Faults, Options, Protocol, Receiver, Rule, Which};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::connect::tests::{PATIENCE, answered, awaited, delivery, failure, message, no_secrets};
use crate::connect::{AnswerClass, Outgoing, Sent, TransportKind};

/// Short, so that tests of silence are.
const TIMEOUT: Duration = Duration::from_millis(300);

fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint { host: address.ip().to_string(), port: address.port() }
}

fn settings(endpoints: &[SocketAddr]) -> MllpSettings {
    MllpSettings {
        endpoints: endpoints.iter().copied().map(endpoint).collect(),
        tls: None,
        timeout: TIMEOUT,
        guard: crate::connect::GUARD,
        release: MllpRelease::One,
        awaits: AwaitAck::First,
    }
}

fn to(address: SocketAddr) -> Mllp {
    Mllp::new(settings(&[address]), &no_secrets())
}

async fn receiver(faults: Faults) -> Receiver {
    Receiver::start(Options { faults, ..Options::default() }).await.unwrap()
}

/// An acknowledgement as a frame.
fn ack(code: &str, control_id: &str) -> Vec<u8> {
    format!("\x0bMSH|^~\\&|LAB|MSP|HIS|CHN|20261122||ACK|9|P|2.5\rMSA|{code}|{control_id}\r\x1c\r").into_bytes()
}

/// One connection of a receiver that a test plays by hand.
struct Hand(TcpStream);

impl Hand {
    async fn accept(listener: &TcpListener) -> Self {
        Self(tokio::time::timeout(PATIENCE, listener.accept()).await.expect("nobody connected").unwrap().0)
    }

    /// Reads a frame and gives its control id.
    async fn frame(&mut self) -> String {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\x1c\r") {
            let byte = tokio::time::timeout(PATIENCE, self.0.read_u8()).await.expect("no frame came").unwrap();
            bytes.push(byte);
        }
        String::from_utf8(bytes).unwrap().split('|').nth(9).unwrap().to_owned()
    }

    async fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    async fn is_closed(&mut self) -> bool {
        let mut rest = [0; 64];
        matches!(tokio::time::timeout(PATIENCE, self.0.read(&mut rest)).await, Ok(Ok(0) | Err(_)))
    }
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Sends in a task, so that the test can play the receiver.
fn sending(mut slot: Box<dyn Connection>, out: Outgoing) -> tokio::task::JoinHandle<(Sent, Box<dyn Connection>)> {
    tokio::spawn(async move {
        let sent = slot.send(&out).await;
        (sent, slot)
    })
}

#[tokio::test]
async fn messages_of_one_slot_share_a_connection_and_arrive_unaltered() {
    let receiver = receiver(Faults::default()).await;
    let mllp = to(receiver.address());
    let mut slot = mllp.open();
    for id in ["1", "2", "3"] {
        let out = message(id);
        let answer = answered(slot.send(&out).await);
        assert_eq!((answer.class, answer.code.as_str()), (AnswerClass::Accepted, "AA"));
        let last = receiver.received().pop().unwrap();
        assert_eq!(last.digest, out.record.payload.digest());
        assert_eq!(last.connection, 0);
    }
    assert_eq!(mllp.status().open, 1);
    slot.close().await;
    assert_eq!(mllp.status().open, 0);
}

#[tokio::test]
async fn m22_each_fault_of_a_receiver_has_a_defined_result_and_the_next_message_gets_its_own_answer() {
    let cases = [
        (Act::WrongId, TransportKind::Mismatch),
        (Act::Garbage, TransportKind::Garbled),
        (Act::Half, TransportKind::Closed),
        (Act::Close, TransportKind::Closed),
        (Act::Silent, TransportKind::Timeout),
        (Act::Delay(TIMEOUT * 2), TransportKind::Timeout),
    ];
    for (act, expected) in cases {
        let receiver = receiver(Faults::on(Which::First(1), act.clone())).await;
        let mut slot = to(receiver.address()).open();
        let start = Instant::now();
        let error = failure(slot.send(&message("1")).await);
        assert_eq!(error.kind, expected, "{act:?}: {error}");
        assert!(error.may_have_arrived, "{act:?}: the receiver has it");
        let is_prompt = start.elapsed() < TIMEOUT;
        assert_eq!(is_prompt, expected != TransportKind::Timeout, "{act:?} took {:?}", start.elapsed());
        let answer = answered(slot.send(&message("1")).await);
        assert_eq!(answer.class, AnswerClass::Accepted, "{act:?}");
        assert_eq!(receiver.received()[1].connection, 1, "{act:?}: the resend goes out on a new connection");
    }
}

#[tokio::test]
async fn m22_a_refusal_is_an_answer_with_its_codes() {
    let cases = [(AckCode::AE, 101, "AE", "101"), (AckCode::AR, 207, "AR", "207"), (AckCode::CE, 204, "CE", "204")];
    for (code, error, said, named) in cases {
        let receiver = receiver(Faults::always(Act::Reject(code, error))).await;
        let answer = answered(to(receiver.address()).open().send(&message("1")).await);
        assert_eq!(answer.class, AnswerClass::Rejected);
        assert_eq!((answer.code.as_str(), answer.error.as_str()), (said, named));
        assert_eq!(answer.answer.code, said);
        assert!(!answer.answer.bytes.is_empty());
    }
}

#[tokio::test]
async fn a_doubled_answer_is_never_taken_for_the_next_messages() {
    let receiver = receiver(Faults::always(Act::Twice)).await;
    let mllp = to(receiver.address());
    let mut slot = mllp.open();
    for id in ["1", "2", "3"] {
        assert_eq!(answered(slot.send(&message(id)).await).class, AnswerClass::Accepted);
    }
    let connections: Vec<u64> = receiver.received().iter().map(|received| received.connection).collect();
    assert_eq!(connections, [0, 1, 2], "a connection with an answer left over is not used again");
    assert_eq!(mllp.status().unexpected, 2);
}

#[tokio::test]
async fn a_late_answer_to_one_message_does_not_acknowledge_another() {
    let (listener, address) = listener().await;
    let slot = to(address).open();
    let first = sending(slot, message("A"));
    let mut old = Hand::accept(&listener).await;
    assert_eq!(old.frame().await, "A");
    let (sent, slot) = first.await.unwrap();
    assert_eq!(failure(sent).kind, TransportKind::Timeout);
    assert!(old.is_closed().await, "the connection is closed before anything is sent again");
    let second = sending(slot, message("B"));
    let mut new = Hand::accept(&listener).await;
    assert_eq!(new.frame().await, "B");
    new.write(&ack("AA", "A")).await;
    let (sent, _) = second.await.unwrap();
    assert_eq!(failure(sent).kind, TransportKind::Mismatch);
    assert!(new.is_closed().await);
}

#[tokio::test]
async fn a_doubled_answer_does_not_acknowledge_a_later_message_of_the_same_control_id() {
    let (listener, address) = listener().await;
    let slot = to(address).open();
    let first = sending(slot, message("7"));
    let mut old = Hand::accept(&listener).await;
    assert_eq!(old.frame().await, "7");
    old.write(&ack("AA", "7")).await;
    let (sent, slot) = first.await.unwrap();
    answered(sent);
    let second = sending(slot, message("7"));
    let mut new = Hand::accept(&listener).await;
    assert!(old.is_closed().await, "the second goes out on a connection that owes nothing");
    assert_eq!(new.frame().await, "7");
    new.write(&ack("AE", "7")).await;
    assert_eq!(answered(second.await.unwrap().0).class, AnswerClass::Rejected);
}

#[tokio::test]
async fn unsolicited_bytes_before_a_send_close_the_connection_and_nothing_fails() {
    for unsolicited in [&b"hello\r\n"[..], &ack("AA", "2")] {
        let (listener, address) = listener().await;
        let mllp = to(address);
        let first = sending(mllp.open(), message("1"));
        let mut old = Hand::accept(&listener).await;
        old.frame().await;
        old.write(&ack("AA", "1")).await;
        let (sent, slot) = first.await.unwrap();
        answered(sent);
        old.write(unsolicited).await;
        // Loopback hands bytes over at once, but not before the write returns.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let second = sending(slot, message("2"));
        let mut new = Hand::accept(&listener).await;
        assert_eq!(new.frame().await, "2");
        new.write(&ack("AA", "2")).await;
        answered(second.await.unwrap().0);
        assert!(old.is_closed().await);
        assert_eq!(mllp.status().unexpected, 1);
    }
}

#[tokio::test]
async fn white_space_between_answers_is_forgiven() {
    let (listener, address) = listener().await;
    let mut slot = to(address).open();
    let player = tokio::spawn(async move {
        let mut hand = Hand::accept(&listener).await;
        for _ in 0..3 {
            let id = hand.frame().await;
            hand.write(b"\r\n").await;
            hand.write(&ack("AA", &id)).await;
            hand.write(b"\r\n ").await;
        }
        hand
    });
    for id in ["1", "2", "3"] {
        answered(slot.send(&message(id)).await);
    }
    player.await.unwrap();
}

#[tokio::test]
async fn an_answer_whose_last_byte_never_comes_counts_after_a_quiet_second() {
    let (listener, address) = listener().await;
    let mut mllp = settings(&[address]);
    mllp.timeout = PATIENCE;
    let sent = sending(Mllp::new(mllp, &no_secrets()).open(), message("1"));
    let mut hand = Hand::accept(&listener).await;
    hand.frame().await;
    let whole = ack("AA", "1");
    hand.write(&whole[..whole.len() - 1]).await;
    assert_eq!(answered(sent.await.unwrap().0).class, AnswerClass::Accepted);
}

#[tokio::test]
async fn m23_a_commit_acknowledgement_counts_and_the_applications_word_may_follow() {
    let receiver = receiver(Faults::always(Act::Commit)).await;
    let mllp = to(receiver.address());
    let mut slot = mllp.open();
    for id in ["1", "2", "3"] {
        let answer = answered(slot.send(&message(id)).await);
        assert_eq!((answer.class, answer.code.as_str()), (AnswerClass::Accepted, "CA"));
    }
    assert!(receiver.received().iter().all(|received| received.connection == 0), "the late AA is let pass");
    assert_eq!(mllp.status().unexpected, 0);
}

#[tokio::test]
async fn m23_a_destination_that_awaits_the_application_lets_the_commit_pass() {
    for (code, class) in [("AA", AnswerClass::Accepted), ("AE", AnswerClass::Rejected)] {
        let (listener, address) = listener().await;
        let settings = MllpSettings { awaits: AwaitAck::Application, ..settings(&[address]) };
        let sent = sending(Mllp::new(settings, &no_secrets()).open(), message("1"));
        let mut hand = Hand::accept(&listener).await;
        hand.frame().await;
        hand.write(&ack("CA", "1")).await;
        hand.write(&ack(code, "1")).await;
        let answer = answered(sent.await.unwrap().0);
        assert_eq!((answer.class, answer.code.as_str()), (class, code));
    }
}

#[tokio::test]
async fn m14_release_2_waits_for_the_commit_block_and_the_acknowledgement() {
    let faults = Faults { rules: vec!["status=500@id=bad".parse::<Rule>().unwrap()], ..Faults::default() };
    let options = Options { protocol: Protocol::MllpTwo, faults, ..Options::default() };
    let receiver = Receiver::start(options).await.unwrap();
    for (awaits, code) in [(AwaitAck::First, "AA"), (AwaitAck::Commit, "commit")] {
        let settings = MllpSettings { release: MllpRelease::Two, awaits, ..settings(&[receiver.address()]) };
        let mllp = Mllp::new(settings, &no_secrets());
        let mut slot = mllp.open();
        assert_eq!(answered(slot.send(&message("1")).await).answer.code, code);
        let refused = failure(slot.send(&message("bad")).await);
        assert_eq!(refused.kind, TransportKind::Busy, "a negative commit is sent again: {refused}");
    }
}

#[tokio::test]
async fn m15_a_commit_block_is_no_acknowledgement_in_release_1() {
    let (listener, address) = listener().await;
    let sent = sending(to(address).open(), message("1"));
    let mut hand = Hand::accept(&listener).await;
    hand.frame().await;
    hand.write(b"\x0b\x06\x1c\r").await;
    assert_eq!(failure(sent.await.unwrap().0).kind, TransportKind::Garbled);
}

#[tokio::test]
async fn the_next_endpoint_takes_over_and_is_kept_while_it_works() {
    let (first, second) = (receiver(Faults::default()).await, receiver(Faults::default()).await);
    let mllp = Mllp::new(settings(&[first.address(), second.address()]), &no_secrets());
    let mut slot = mllp.open();
    answered(slot.send(&message("1")).await);
    first.refuse();
    let deadline = Instant::now() + PATIENCE;
    while first.connections() > 0 {
        assert!(Instant::now() < deadline, "the connection stays open");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    answered(slot.send(&message("2")).await);
    first.accept();
    answered(slot.send(&message("3")).await);
    assert_eq!((first.count(), second.count()), (1, 2));
    assert_eq!(mllp.status().target, second.address().to_string());
}

#[tokio::test]
async fn an_endpoint_that_connects_and_never_answers_is_left_too() {
    let (silent, works) = (receiver(Faults::always(Act::Close)).await, receiver(Faults::default()).await);
    let mut slot = Mllp::new(settings(&[silent.address(), works.address()]), &no_secrets()).open();
    for _ in 0..3 {
        assert_eq!(failure(slot.send(&message("1")).await).kind, TransportKind::Closed);
    }
    answered(slot.send(&message("1")).await);
    assert_eq!(works.count(), 1);
}

#[tokio::test]
async fn a_refused_connection_is_told_with_its_endpoint_and_passes_when_the_receiver_is_back() {
    let receiver = receiver(Faults::default()).await;
    receiver.refuse();
    let mut slot = to(receiver.address()).open();
    let deadline = Instant::now() + PATIENCE;
    // The port closes in the background.
    let error = loop {
        match slot.send(&message("1")).await {
            Sent::Failed(error) if error.kind == TransportKind::Connect => break error,
            _ => assert!(Instant::now() < deadline, "the port stays open"),
        }
    };
    assert!(error.text.contains(&receiver.address().to_string()), "{error}");
    assert!(!error.may_have_arrived);
    receiver.accept();
    while !matches!(slot.send(&message("2")).await, Sent::Answered(_)) {
        assert!(Instant::now() < deadline, "never came back");
    }
}

#[tokio::test]
async fn a_message_that_no_receiver_could_acknowledge_is_set_aside() {
    let receiver = receiver(Faults::default()).await;
    let mut slot = to(receiver.address()).open();
    let unsendable = [
        (delivery(1, "MSH|^~\\&|A|B|C|D|2026||ADT^A01||P|2.5\r"), "MSH-10"),
        (delivery(1, "MSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.5\rNTE|1||\x1c\r"), ""),
        (delivery(1, ""), ""),
    ];
    for (out, path) in unsendable {
        let Sent::Unsendable(finding) = slot.send(&out).await else { panic!("it was sent") };
        assert_eq!(finding.path, path);
    }
    assert_eq!(receiver.count(), 0);
}

#[tokio::test]
async fn a_send_that_is_given_up_closes_its_connection() {
    let (listener, address) = listener().await;
    let mut settings = settings(&[address]);
    settings.timeout = PATIENCE;
    let mllp = Mllp::new(settings, &no_secrets());
    let mut slot = mllp.open();
    let out = message("1");
    let given_up = tokio::time::timeout(Duration::from_millis(100), slot.send(&out)).await;
    assert!(given_up.is_err());
    let mut hand = Hand::accept(&listener).await;
    hand.frame().await;
    assert!(hand.is_closed().await);
    assert_eq!(mllp.status().open, 0);
}

#[tokio::test]
async fn a_whole_answer_is_kept_for_a_sender_that_waits_and_cut_for_others() {
    let (listener, address) = listener().await;
    let big = |id: &str, bytes: usize| {
        let text = "x".repeat(bytes);
        format!("\x0bMSH|^~\\&|L|M|H|C|2026||RSP^K11|9|P|2.5\rMSA|AA|{id}\rNTE|1||{text}\r\x1c\r").into_bytes()
    };
    let player = tokio::spawn(async move {
        for bytes in [100_000, 100_000, 2 << 20, 2 << 20] {
            let mut hand = Hand::accept(&listener).await;
            let id = hand.frame().await;
            // A sender that finds it too large closes on us.
            drop(hand.0.write_all(&big(&id, bytes)).await);
        }
    });
    let mut settings = settings(&[address]);
    settings.timeout = PATIENCE;
    let mllp = Mllp::new(settings, &no_secrets());
    let cut = answered(mllp.open().send(&message("1")).await);
    assert_eq!(cut.answer.bytes.len(), barid_model::record::ANSWER_BYTES_MAX);
    let whole = answered(mllp.open().send(&awaited(&message("1"))).await);
    assert!(whole.answer.bytes.len() > 100_000);
    assert_eq!(failure(mllp.open().send(&message("1")).await).kind, TransportKind::Garbled);
    let whole = answered(mllp.open().send(&awaited(&message("1"))).await);
    assert!(whole.answer.bytes.len() > 2 << 20);
    player.await.unwrap();
}

#[tokio::test]
async fn a_slow_reader_gets_a_large_message_whole() {
    let faults = Faults { read_pause: Duration::from_micros(1), read_bytes: 64 * 1024, ..Faults::default() };
    let receiver = receiver(faults).await;
    let mut settings = settings(&[receiver.address()]);
    settings.timeout = PATIENCE * 2;
    let mut slot = Mllp::new(settings, &no_secrets()).open();
    let text = "x".repeat(10 << 20);
    let out = delivery(1, format!("MSH|^~\\&|A|B|C|D|2026||MDM^T02|1|P|2.5\rOBX|1|ED|||{text}\r"));
    answered(slot.send(&out).await);
    assert_eq!(receiver.received()[0].digest, out.record.payload.digest());
}

#[tokio::test]
async fn a_probe_tells_of_every_endpoint_and_sends_nothing() {
    let works = receiver(Faults::default()).await;
    let (closed, address) = listener().await;
    drop(closed);
    let met = Mllp::new(settings(&[address, works.address()]), &no_secrets()).probe().await;
    assert!(met[0].problem.is_some() && met[1].problem.is_none(), "{met:?}");
    assert_eq!(works.count(), 0);
}
