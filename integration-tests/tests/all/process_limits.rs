//! Limits of the real program: a large message, connections that only hang, an end under load, and a destination
//! that stalls.

use std::sync::Arc;
use std::time::{Duration, Instant};

use barid_model::Digest;
use barid_testkit::generate::Generator;
use barid_testkit::receiver::{Act, Faults, Options, Receiver};
use barid_testkit::sender::{self, Listed, Made};
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::process_relay::{Ended, PATIENCE, Relay, distinct};

#[tokio::test]
async fn p16_a_message_of_10_mb_goes_through_byte_for_byte() {
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let relay = Relay::mllp(&receiver);
    let running = relay.start().await;
    let mut text = b"MSH|^~\\&|A|BIG|B|C|20261122101500||ORU^R01^ORU_R01|BIG-1|P|2.5\rPID|1||1^^^BIG^PI||A^B\rOBR|1|||1^Scan\rOBX|1|ED|1^Scan||^application^pdf^Base64^".to_vec();
    text.extend(b"JVBERi0xLjQK".iter().cycle().take(10 << 20));
    text.extend_from_slice(b"||||||F\r");
    let message = Bytes::from(text);
    let ended = Ended::default();
    let report = sender::run(relay.load(1, 1), Arc::new(Listed::new([message.clone()])), ended.observer()).await;
    assert_eq!(report.codes.get("AA"), Some(&1), "{report:?}");
    distinct(&receiver, 1).await;
    let received = receiver.received();
    assert_eq!(received[0].size, message.len());
    assert!(received[0].digest == Digest::of(&message), "the bytes differ");
    running.end(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn m10_connections_that_send_a_byte_now_and_then_do_not_disturb_others() {
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let relay = Relay::mllp(&receiver);
    let running = relay.start().await;
    let mut slow = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(("127.0.0.1", relay.port)).await.unwrap();
        stream.write_all(b"\x0bMSH|^~\\&|").await.unwrap();
        slow.spawn(async move {
            while stream.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
    }
    let ended = Ended::default();
    let generators = (0..4).map(|n| Generator::new(n, &format!("S{n}"))).collect();
    let report = sender::run(relay.load(4, 4), Arc::new(Made::new(generators, 200)), ended.observer()).await;
    assert_eq!(report.accepted, 800, "{report:?}");
    assert!(report.failures.is_empty(), "{report:?}");
    distinct(&receiver, 800).await;
    let verdict = ended.history(&receiver).judge();
    assert!(verdict.is_clean(), "{verdict}");
    slow.shutdown().await;
    running.end(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn m21_told_to_stop_under_load_the_engine_ends_well_and_loses_nothing_it_acknowledged() {
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let relay = Relay::mllp(&receiver);
    let running = relay.start().await;
    let ended = Ended::default();
    let generators = (0..16).map(|n| Generator::new(n, &format!("D{n:02}"))).collect();
    let source = Arc::new(Made::new(generators, 300));
    let sending = tokio::spawn(sender::run(relay.load(16, 8), source, ended.observer()));
    let deadline = Instant::now() + PATIENCE;
    while ended.count() < 500 {
        assert!(Instant::now() < deadline, "{} acknowledged", ended.count());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let status = running.stop(PATIENCE).await.unwrap();
    assert!(status.success(), "{status}");
    assert!(!sending.is_finished(), "the load was over before the end");
    let running = relay.start().await;
    let report = tokio::time::timeout(PATIENCE, sending).await.unwrap().unwrap();
    assert_eq!(report.accepted, 16 * 300, "{report:?}");
    distinct(&receiver, 16 * 300).await;
    let verdict = ended.history(&receiver).judge();
    assert!(verdict.is_clean(), "{verdict}");
    running.end(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_stalled_destination_does_not_keep_the_engine_from_accepting() {
    let receiver =
        Receiver::start(Options { faults: Faults::always(Act::Silent), ..Options::default() }).await.unwrap();
    let relay = Relay::mllp(&receiver);
    let running = relay.start().await;
    let ended = Ended::default();
    let generators = (0..4).map(|n| Generator::new(n, &format!("T{n}"))).collect();
    let report = sender::run(relay.load(4, 8), Arc::new(Made::new(generators, 500)), ended.observer()).await;
    assert_eq!(report.accepted, 2000, "{report:?}");
    receiver.set_faults(Faults::default());
    distinct(&receiver, 2000).await;
    running.end(PATIENCE).await.unwrap();
}

/// Reads one frame.
async fn frame(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\x1c\r") {
        let read = tokio::time::timeout(PATIENCE, stream.read_buf(&mut answer)).await.unwrap().unwrap();
        assert!(read > 0, "closed before an answer");
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// How long the slowest of a thousand answers may take: they are a few group commits; what is slower waits for
/// something else, such as a turn that does not come or a timer.
const SLOWEST: Duration = Duration::from_secs(10);

#[tokio::test]
async fn m19_a_thousand_connections_that_are_open_at_once_are_all_answered_soon_and_as_they_asked() {
    const CONNECTIONS: u64 = 1000;
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let relay = Relay::mllp(&receiver);
    let running = relay.start().await;
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS {
        streams.push(TcpStream::connect(("127.0.0.1", relay.port)).await.unwrap());
    }
    let generator = Generator::new(1, "MANY");
    let mut asked = tokio::task::JoinSet::new();
    for (mut stream, n) in streams.into_iter().zip(0u64..) {
        let message = String::from_utf8(generator.message(n).bytes.to_vec()).unwrap();
        assert!(message.contains("|AL|NE|"), "{message}");
        // Every second one asks in original mode: MSH-15 and MSH-16 are empty.
        let (message, code) = if n % 2 == 0 { (message, "CA") } else { (message.replace("|AL|NE|", "|||"), "AA") };
        asked.spawn(async move {
            let begun = Instant::now();
            stream.write_all(format!("\x0b{message}\x1c\r").as_bytes()).await.unwrap();
            let answer = frame(&mut stream).await;
            assert!(answer.contains(&format!("MSA|{code}|MANY-{n:08}")), "connection {n}: {answer}");
            (begun.elapsed(), stream)
        });
    }
    // None is closed before all are answered.
    let (took, streams): (Vec<_>, Vec<_>) = asked.join_all().await.into_iter().unzip();
    let slowest = took.iter().max().unwrap();
    println!("slowest answer: {} ms", slowest.as_millis());
    assert!(*slowest < SLOWEST, "{slowest:?}");
    distinct(&receiver, CONNECTIONS as usize).await;
    assert_eq!(receiver.count(), CONNECTIONS);
    drop(streams);
    running.end(PATIENCE).await.unwrap();
}
