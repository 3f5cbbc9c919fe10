//! A disk that fills up under load: what was acknowledged stays and is delivered, nothing more is taken, and the engine
//! goes on by itself when there is space again; killed and started on the full disk as well.
//!
//! The data directory is a small file system of its own, filled with ballast. A restart in between is a kill, so that
//! the start has to recover with no space to do it in.

mod volume;

use std::sync::Arc;
use std::time::{Duration, Instant};

use barid_testkit::generate::Generator;
use barid_testkit::process::{Running, free_port};
use barid_testkit::receiver::{Act, Faults, Options, Protocol, Receiver};
use barid_testkit::sender::{self, Listed, Made};
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::process_relay::{Ended, PATIENCE, Relay, distinct, settled};
use volume::Volume;

/// Bytes of the data directory's volume. Intake is refused below a quarter of it.
const VOLUME: u64 = 256 << 20;
/// Of one that is used up to the last byte: its reserve is small enough to be used up soon.
const SMALLER: u64 = 96 << 20;
/// Bytes the load may use before intake is refused.
const ROOM: u64 = 12 << 20;
const FACILITIES: u64 = 8;
/// Messages of each: several times what there is room for, the room in segments that are there already included.
const EACH: u64 = 2_000;

/// A request to the HTTP listener: its status line and headers.
async fn post(port: u16, message: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!(
        "POST /hl7 HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/hl7-v2\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{message}",
        message.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    String::from_utf8_lossy(&answer).to_lowercase()
}

/// What a message over MLLP is answered.
async fn ask(port: u16, message: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(format!("\x0b{message}\x1c\r").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\x1c\r") {
        let read = tokio::time::timeout(PATIENCE, stream.read_buf(&mut answer)).await.unwrap().unwrap();
        assert!(read > 0, "closed before an answer");
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn message(id: &str) -> String {
    format!(
        "MSH|^~\\&|APP|ASKED|BARID|MSP|20261122101500||ADT^A01^ADT_A01|{id}|P|2.5\rEVN|A01|20261122101500\r\
         PID|1||1^^^ASKED^PI||Diallo^Aïssata||19700101|F\rPV1|1|I\r"
    )
}

/// Waits until the readiness says this of the disk and nothing else is missing; an empty text: ready.
async fn readiness(running: &mut Running<'_>, says: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told = running.ask("/readyz").await;
        match &told {
            Some((200, _)) if says.is_empty() => return,
            Some((503, text)) if !says.is_empty() && text.contains(says) && !text.contains("engine:") => return,
            _ => {}
        }
        running.alive().unwrap();
        assert!(Instant::now() < deadline, "{told:?} instead of {says:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// That nothing new is taken, over either protocol, for the engine's own reasons.
async fn refuses(relay: &Relay, http: u16) {
    let answer = ask(relay.port, &message("FULL-1")).await;
    assert!(answer.contains("MSA|AE|FULL-1") && answer.contains("207"), "{answer}");
    let answer = post(http, &message("FULL-2")).await;
    assert!(answer.starts_with("http/1.1 503 ") && answer.contains("\r\nretry-after: "), "{answer}");
}

/// Waits until everything accepted is routed.
async fn routed(relay: &Relay) -> u64 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let balance = relay.home.audit(false).await.unwrap();
        if balance.count("not yet routed") == Some(0) {
            return balance.count("deliveries routed").unwrap();
        }
        assert!(Instant::now() < deadline, "{balance}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The documents of the relay with an HTTP listener besides.
fn with_http(relay: &Relay) -> u16 {
    let port = free_port().unwrap();
    let path = relay.home.documents().join("relay.yaml");
    let text = std::fs::read_to_string(&path).unwrap().replace("[{name: in}]", "[{name: in}, {name: web}]");
    let listener = format!(
        "---\nkind: Listener\nmetadata: {{name: web}}\nspec:\n  https: {{port: {port}, address: 127.0.0.1, paths: [/hl7]}}\n  \
         unknownFacility: accept\n"
    );
    std::fs::write(&path, text + &listener).unwrap();
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_up_under_load_loses_nothing_delivers_what_it_has_and_recovers_by_itself() {
    let slow = Faults::always(Act::Delay(Duration::from_millis(1)));
    let receiver =
        Receiver::start(Options { protocol: Protocol::Http, faults: slow, ..Options::default() }).await.unwrap();
    let mut relay = Relay::to(&format!("http: {{url: \"http://{}/hl7\"}}", receiver.address()));
    let http = with_http(&relay);
    let volume = Volume::mount(&mut relay.home, VOLUME);
    let mut running = relay.start().await;

    // The load meets the first floor: intake is refused, and nothing else.
    volume.leave(VOLUME / 4 + ROOM);
    receiver.refuse();
    let ended = Ended::default();
    let generators = (0..FACILITIES).map(|n| Generator::new(n, &format!("F{n}"))).collect();
    let source = Arc::new(Made::new(generators, EACH));
    let sending = tokio::spawn(sender::run(relay.load(FACILITIES as usize, 4), source, ended.observer()));
    readiness(&mut running, "too little free space").await;
    refuses(&relay, http).await;
    assert!(!sending.is_finished(), "there was room for all");
    let accepted = routed(&relay).await;
    assert!(accepted >= ended.count() as u64 && accepted > 100, "{accepted} of {}", ended.count());

    // Nothing is free any more. What was accepted is delivered all the same, also by an engine that has to start now.
    volume.leave(0);
    readiness(&mut running, "free space").await;
    receiver.accept();
    distinct(&receiver, accepted as usize / 3).await;
    running.kill().unwrap();
    let mut running = relay.home.start().unwrap();
    readiness(&mut running, "free space").await;
    refuses(&relay, http).await;
    distinct(&receiver, accepted as usize).await;
    for command in [&["messages", "--limit", "5"][..], &["messages", "--parked"]] {
        let output = relay.home.tool(command).await.unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let output = relay.home.tool(&["status"]).await.unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() == Some(4) && told.contains("not ready: disk"), "{}: {told}", output.status);
    let status = running.stop(PATIENCE).await.unwrap();
    assert!(status.success(), "it does not end well on a full disk: {status}\n{}", relay.home.log());
    let mut running = relay.home.start().unwrap();
    readiness(&mut running, "free space").await;
    refuses(&relay, http).await;
    assert!(!sending.is_finished(), "the load was not refused");

    // Space returns.
    volume.clear();
    readiness(&mut running, "").await;
    let report = tokio::time::timeout(PATIENCE, sending).await.unwrap().unwrap();
    assert_eq!(report.accepted, FACILITIES * EACH, "{report:?}");
    distinct(&receiver, (FACILITIES * EACH) as usize).await;
    settled(&relay.home, FACILITIES * EACH).await;
    let verdict = ended.history(&receiver).judge();
    println!("{accepted} accepted until the disk was full\n{verdict}");
    assert!(verdict.is_clean(), "{verdict}");
    running.end(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_first_start_on_a_full_disk_says_how_much_has_to_be_free_and_begins_when_it_is() {
    let receiver = Receiver::start(Options { protocol: Protocol::Http, ..Options::default() }).await.unwrap();
    let mut relay = Relay::to(&format!("http: {{url: \"http://{}/hl7\"}}", receiver.address()));
    let volume = Volume::mount(&mut relay.home, SMALLER);
    let (documents, admin) = (relay.home.documents(), relay.home.admin().to_string());
    for free in [0, 64 << 10, 1 << 20] {
        volume.leave(free);
        let ended = relay.home.tool(&["run", documents.to_str().unwrap(), "--admin", &admin]).await.unwrap();
        let told = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(6), "{free} B free: {told}");
        assert!(told.contains("there is no space left on the volume of") && told.contains("free at least"), "{told}");
        volume.clear();
    }
    let running = relay.start().await;
    running.end(PATIENCE).await.unwrap();
}

/// A second destination for everything, so that twice as much has to be recorded.
fn also_to(relay: &Relay, receiver: &Receiver) {
    let path = relay.home.documents().join("relay.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("{destination: out}}]", "{destination: out}}, {name: other, to: {destination: other}}]");
    let other = format!(
        "---\nkind: Destination\nmetadata: {{name: other}}\nspec:\n  http: {{url: \"http://{}/hl7\"}}\n  \
         timeout: 1s\n  retry: {{initial: 20ms, max: 200ms}}\n",
        receiver.address()
    );
    std::fs::write(&path, text + &other).unwrap();
}

/// Small messages, so that much has to be recorded of few bytes.
fn small(count: u64) -> Vec<Bytes> {
    let text = |n: u64| {
        let (facility, id) = (n % FACILITIES, n / FACILITIES);
        format!("MSH|^~\\&|A|F{facility}|B|C|20261122101500||ADT^A01|F{facility}-{id:08}|P|2.5\rPID|1||1^^^F^PI\r")
    };
    (0..count).map(|n| Bytes::from(text(n))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_no_byte_left_for_outcomes_delivery_waits_and_a_start_waits_with_it() {
    const MESSAGES: u64 = 16_000;
    let receiver = Receiver::start(Options { protocol: Protocol::Http, ..Options::default() }).await.unwrap();
    let other = Receiver::start(Options { protocol: Protocol::Http, ..Options::default() }).await.unwrap();
    let mut relay = Relay::to(&format!("http: {{url: \"http://{}/hl7\"}}", receiver.address()));
    also_to(&relay, &other);
    let volume = Volume::mount(&mut relay.home, SMALLER);
    let mut running = relay.start().await;
    receiver.refuse();
    other.refuse();
    let ended = Ended::default();
    let source = Arc::new(Listed::new(small(MESSAGES)));
    let report = sender::run(relay.load(FACILITIES as usize, 16), source, ended.observer()).await;
    assert_eq!(report.accepted, MESSAGES, "{report:?}");
    assert_eq!(routed(&relay).await, 2 * MESSAGES);

    // Whatever the engine gives up to go on with is taken by others.
    volume.leave(0);
    receiver.accept();
    other.accept();
    let deadline = Instant::now() + PATIENCE;
    while running.ask("/readyz").await.is_none_or(|(_, text)| !text.contains("no free space")) {
        volume.leave(0);
        running.alive().unwrap();
        assert!(receiver.count() + other.count() < 2 * MESSAGES, "all is delivered already");
        assert!(Instant::now() < deadline, "there is always some space");
    }
    let delivered = receiver.count() + other.count();
    // The history cannot come on, so nobody waits long for it.
    let asked = Instant::now();
    relay.home.tool(&["audit"]).await.unwrap();
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());
    running.kill().unwrap();
    volume.leave(0);
    let mut running = relay.home.start().unwrap();
    readiness(&mut running, "free space").await;

    volume.clear();
    readiness(&mut running, "").await;
    distinct(&receiver, MESSAGES as usize).await;
    distinct(&other, MESSAGES as usize).await;
    settled(&relay.home, 2 * MESSAGES).await;
    let verdict = ended.history(&receiver).judge();
    println!("{delivered} delivered until nothing was left\n{verdict}");
    assert!(verdict.is_clean(), "{verdict}");
    // Reading every record again would take a second ledger, for which this volume is too small.
    assert!(running.stop(PATIENCE).await.unwrap().success());
    relay.home.audit(false).await.unwrap();
}
