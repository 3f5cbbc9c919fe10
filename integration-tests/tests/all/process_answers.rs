//! Senders that wait for a destination's own answer: `ack.after: delivered`, and queries, over MLLP and HTTP.
//!
//! An answer of the receiver's says in its control id for which arrival it was given (`R0` for the first); one of the
//! engine's own begins with `B`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use barid_testkit::history::{Key, SentMessage};
use barid_testkit::process::{Home, free_port};
use barid_testkit::receiver::{Act, Faults, Options, Protocol, Receiver};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::process_relay::{Ended, OUT, PATIENCE, Relay, marked, rows, settled};

/// How a sender asks.
#[derive(Debug, Clone, Copy)]
enum Way {
    Wire(u16),
    Web(u16),
}

/// What a sender was told.
#[derive(Debug, Clone)]
struct Told {
    text: String,
    /// Of HTTP, with the head of the response.
    status: Option<(u16, String)>,
}

impl Way {
    /// Sends a message and waits for what is answered; none where the connection broke.
    async fn ask(self, message: &str) -> Option<Told> {
        tokio::time::timeout(PATIENCE, self.exchange(message)).await.unwrap().ok().flatten()
    }

    async fn exchange(self, message: &str) -> std::io::Result<Option<Told>> {
        let (port, bytes) = match self {
            Self::Wire(port) => (port, format!("\x0b{message}\x1c\r")),
            Self::Web(port) => (
                port,
                format!(
                    "POST /hl7 HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\
                     content-type: x-application/hl7-v2+er7; charset=utf-8\r\ncontent-length: {}\r\n\r\n{message}",
                    message.len()
                ),
            ),
        };
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(bytes.as_bytes()).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\x1c\r") && stream.read_buf(&mut answer).await? > 0 {}
        let answer = String::from_utf8_lossy(&answer).into_owned();
        Ok(match self {
            Self::Wire(_) => answer
                .strip_prefix('\x0b')
                .and_then(|text| text.strip_suffix("\x1c\r"))
                .map(|text| Told { text: text.to_owned(), status: None }),
            Self::Web(_) => answer.split_once("\r\n\r\n").and_then(|(head, body)| {
                let status = head.split(' ').nth(1)?.parse().ok()?;
                Some(Told { text: body.to_owned(), status: Some((status, head.to_ascii_lowercase())) })
            }),
        })
    }
}

impl Told {
    /// That the engine itself says: not now, with 207; HTTP: 503, with the time to try again.
    #[track_caller]
    fn is_not_now(&self, id: &str) {
        assert!(self.text.contains(&format!("MSA|AE|{id}")) && self.text.contains("|207^"), "{self:?}");
        assert!(self.text.contains("|B0"), "not the engine's own answer: {self:?}");
        if let Some((status, head)) = &self.status {
            assert_eq!((*status, head.contains("retry-after: ")), (503, true), "{self:?}");
        }
    }

    /// That it is the receiver's answer to this arrival.
    #[track_caller]
    fn is_of(&self, id: &str, code: &str, arrival: u64) {
        let wanted = format!("|R{arrival}|P|2.5\rMSA|{code}|{id}");
        assert!(self.text.contains(&wanted), "no {wanted:?} in {self:?}");
        if let Some((status, _)) = self.status {
            assert_eq!(status, if code == "AA" { 200 } else { 422 }, "{self:?}");
        }
    }

    /// That the receiver took it: the arrival it answers.
    fn taken(&self, id: &str) -> Option<u64> {
        let (head, _) = self.text.split_once(&format!("|P|2.5\rMSA|AA|{id}\r"))?;
        head.rsplit_once("|R")?.1.parse().ok()
    }
}

/// An engine whose senders wait, with both ways in.
struct Desk {
    relay: Relay,
    ways: [Way; 2],
}

/// `ack`: what stands in the channel's `ack` besides `after`; `timeout`: how long the destination may take.
fn desk(receiver: &Receiver, protocol: Protocol, ack: &str, timeout: &str) -> Desk {
    let address = receiver.address();
    let relay = match protocol {
        Protocol::Http => Relay::to(&format!("http: {{url: \"http://{address}/hl7\", connections: 4}}")),
        _ => Relay::to(&format!("mllp: {{endpoints: [\"{address}\"], connections: 4}}")),
    };
    let web = free_port().unwrap();
    let path = relay.home.documents().join("relay.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("[{name: in}]", "[{name: in}, {name: web}]").replace("timeout: 1s", timeout);
    let text = text.replace("  order:", &format!("  ack: {{after: delivered{ack}}}\n  order:"));
    let listener = format!(
        "---\nkind: Listener\nmetadata: {{name: web}}\nspec:\n  \
         https: {{port: {web}, address: 127.0.0.1, paths: [/hl7]}}\n  unknownFacility: accept\n"
    );
    std::fs::write(&path, text + &listener).unwrap();
    let ways = [Way::Wire(relay.port), Way::Web(web)];
    Desk { relay, ways }
}

/// An admission; the control id begins with the facility.
fn admission(id: &str) -> String {
    let facility = id.split('-').next().unwrap();
    format!(
        "MSH|^~\\&|APP|{facility}|||20261122101500||ADT^A01^ADT_A01|{id}|P|2.5\rEVN|A01|20261122101500\r\
         PID|1||1^^^CLIENT^PI||Diallo^Aissata||19700101|F\rPV1|1|I\r"
    )
}

/// A query, its tag made of the control id.
fn query(id: &str) -> String {
    let facility = id.split('-').next().unwrap();
    format!(
        "MSH|^~\\&|APP|{facility}|||20261122101500||QBP^Q22^QBP_Q21|{id}|P|2.5\r\
         QPD|Q22^Find Candidates^HL7|T{id}|@PID.3.1^7\rRCP|I\r"
    )
}

async fn start(protocol: Protocol, faults: Faults) -> Receiver {
    Receiver::start(Options { protocol, faults, ..Options::default() }).await.unwrap()
}

/// One rule, as `barid receive --fault` reads it.
fn faults(rule: &str) -> Faults {
    Faults { rules: vec![rule.parse().unwrap()], ..Faults::default() }
}

/// Waits until a figure of the balance is this.
async fn reaches(home: &Home, words: &str, count: u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let balance = home.audit(false).await.unwrap();
        if balance.count(words) == Some(count) {
            return;
        }
        assert!(Instant::now() < deadline, "{words} is not {count}:\n{balance}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_answer_of_the_receiver_is_the_answer_to_the_sender() {
    for protocol in [Protocol::Mllp, Protocol::Http] {
        let receiver = start(protocol, Faults::default()).await;
        let desk = desk(&receiver, protocol, "", "timeout: 10s");
        let running = desk.relay.start().await;
        let mut arrival = 0;
        for (way, site) in desk.ways.into_iter().zip(["WIRE", "WEB"]) {
            let (told, asked) = (format!("{site}-1"), format!("{site}-2"));
            way.ask(&admission(&told)).await.unwrap().is_of(&told, "AA", arrival);
            let response = way.ask(&query(&asked)).await.unwrap();
            response.is_of(&asked, "AA", arrival + 1);
            let (kind, tag) = ("|RSP^K22^RSP_K22|", format!("\rQAK|T{asked}|NF\rQPD|"));
            assert!(response.text.contains(kind) && response.text.contains(&tag), "{response:?}");
            // A sender that missed its answer asks again, on any way, and is told the same without another delivery.
            for way in desk.ways {
                way.ask(&query(&asked)).await.unwrap().is_of(&asked, "AA", arrival + 1);
            }
            arrival += 2;
        }
        assert_eq!(receiver.count(), 4);
        let balance = settled(&desk.relay.home, 4).await;
        assert_eq!(balance.count("duplicate"), Some(4), "{balance}");
        running.end(PATIENCE).await.unwrap();
    }
}

#[tokio::test]
async fn a_control_id_that_a_mapping_changes_comes_back_as_the_sender_wrote_it() {
    let receiver = start(Protocol::Mllp, Faults::default()).await;
    let desk = desk(&receiver, Protocol::Mllp, "", "timeout: 10s");
    let path = desk.relay.home.documents().join("relay.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let step = "  transform: [{set: {path: MSH-10, to: \"'X' + msg['MSH-10']\"}}]\n  routes:";
    std::fs::write(&path, text.replace("  routes:", step)).unwrap();
    let running = desk.relay.start().await;
    for (way, arrival) in desk.ways.into_iter().zip(0..) {
        let id = format!("SITE-{arrival}");
        way.ask(&admission(&id)).await.unwrap().is_of(&id, "AA", arrival);
        assert_eq!(receiver.received()[arrival as usize].control_id, format!("X{id}").as_bytes());
    }
    running.end(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_rejection_goes_to_the_sender_that_waits_and_its_resend_is_a_new_message() {
    for protocol in [Protocol::Mllp, Protocol::Http] {
        let receiver = start(protocol, faults("reject=AE/204")).await;
        let desk = desk(&receiver, protocol, "", "timeout: 10s");
        let running = desk.relay.start().await;
        for (way, n) in desk.ways.into_iter().zip(0..) {
            let id = format!("SITE-{n}");
            way.ask(&admission(&id)).await.unwrap().is_of(&id, "AE", n);
        }
        reaches(&desk.relay.home, "rejected", 2).await;
        let balance = desk.relay.home.audit(false).await.unwrap();
        assert_eq!(["quarantined", "in flight"].map(|words| balance.count(words)), [Some(0); 2], "{balance}");
        assert!(rows(&desk.relay.home, &["messages", "--parked"]).await.is_empty());
        receiver.set_faults(Faults::default());
        for (way, n) in desk.ways.into_iter().zip(0..) {
            let id = format!("SITE-{n}");
            way.ask(&admission(&id)).await.unwrap().is_of(&id, "AA", 2 + n);
        }
        reaches(&desk.relay.home, "delivered", 2).await;
        running.end(PATIENCE).await.unwrap();
    }
}

#[tokio::test]
async fn a_rejection_that_comes_when_the_sender_has_left_is_quarantined() {
    let receiver = start(Protocol::Mllp, faults("reject=AR/200")).await;
    receiver.refuse();
    let desk = desk(&receiver, Protocol::Mllp, ", timeout: 1s", "timeout: 10s");
    let running = desk.relay.start().await;
    for (way, n) in desk.ways.into_iter().zip(0..) {
        let id = format!("SITE-{n}");
        way.ask(&admission(&id)).await.unwrap().is_not_now(&id);
    }
    receiver.accept();
    reaches(&desk.relay.home, "quarantined", 2).await;
    assert_eq!(rows(&desk.relay.home, &["messages", "--parked", "--why", "quarantined"]).await.len(), 2);
    let balance = desk.relay.home.audit(false).await.unwrap();
    assert_eq!(balance.count("rejected"), Some(0), "{balance}");
    running.end(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_receiver_slower_than_the_senders_patience_is_answered_207_and_the_resend_gets_the_later_answer() {
    let receiver = start(Protocol::Mllp, Faults::always(Act::Delay(Duration::from_millis(2500)))).await;
    let desk = desk(&receiver, Protocol::Mllp, ", timeout: 1s", "timeout: 20s");
    let running = desk.relay.start().await;
    let mut resends = 0;
    for (way, arrival) in desk.ways.into_iter().zip(0..) {
        let (id, begun) = (format!("SITE-{arrival}"), Instant::now());
        way.ask(&admission(&id)).await.unwrap().is_not_now(&id);
        let took = begun.elapsed();
        assert!((1000..2400).contains(&took.as_millis()), "answered after {} ms", took.as_millis());
        // As a sender does that was told 207: again, until it is taken.
        let answer = loop {
            resends += 1;
            let told = way.ask(&admission(&id)).await.unwrap();
            if told.taken(&id).is_some() {
                break told;
            }
            told.is_not_now(&id);
            assert!(begun.elapsed() < PATIENCE);
        };
        answer.is_of(&id, "AA", arrival);
    }
    let balance = settled(&desk.relay.home, 2).await;
    assert_eq!((receiver.count(), balance.count("duplicate")), (2, Some(resends)), "{balance}");
    running.end(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_query_whose_caller_left_is_not_sent_and_asked_again_it_is_a_new_one() {
    let receiver = start(Protocol::Mllp, Faults::default()).await;
    receiver.refuse();
    let desk = desk(&receiver, Protocol::Mllp, ", timeout: 1s", "timeout: 10s");
    let running = desk.relay.start().await;
    for (way, n) in desk.ways.into_iter().zip(0..) {
        let (asked, told) = (format!("SITE-Q{n}"), format!("SITE-A{n}"));
        way.ask(&query(&asked)).await.unwrap().is_not_now(&asked);
        way.ask(&admission(&told)).await.unwrap().is_not_now(&told);
    }
    receiver.accept();
    // The admissions went on, the queries are over.
    let balance = settled(&desk.relay.home, 2).await;
    assert_eq!(balance.count("expired"), Some(2), "{balance}");
    assert!(receiver.received().iter().all(|one| one.control_id.starts_with(b"SITE-A")), "{:?}", receiver.received());
    for (way, n) in desk.ways.into_iter().zip(0..) {
        let asked = format!("SITE-Q{n}");
        way.ask(&query(&asked)).await.unwrap().is_of(&asked, "AA", 2 + n);
    }
    running.end(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_caller_that_asks_again_while_its_query_expires_is_told_to_ask_again() {
    let receiver = start(Protocol::Mllp, Faults::default()).await;
    receiver.refuse();
    let desk = desk(&receiver, Protocol::Mllp, ", timeout: 1s", "timeout: 10s");
    let running = desk.relay.start().await;
    let [way, _] = desk.ways;
    let asks = (0..2).map(|n| async move {
        // The second asks while the first still waits, so it outlives the query.
        tokio::time::sleep(Duration::from_millis(700 * n)).await;
        way.ask(&query("SITE-1")).await.unwrap()
    });
    for told in futures_util::future::join_all(asks).await {
        told.is_not_now("SITE-1");
    }
    receiver.accept();
    way.ask(&query("SITE-1")).await.unwrap().is_of("SITE-1", "AA", 0);
    running.end(PATIENCE).await.unwrap();
}

/// Callers that wait while the engine is killed.
const CALLERS: u64 = 8;
/// Messages of each.
const EACH: u64 = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_callers_wait_each_gets_the_right_answer_and_is_delivered_once_or_marked() {
    let receiver = start(Protocol::Mllp, Faults::always(Act::Delay(Duration::from_millis(40)))).await;
    let desk = desk(&receiver, Protocol::Mllp, ", timeout: 60s", "timeout: 20s");
    let begun = Instant::now();
    let (left, asked) = (Arc::new(AtomicU64::new(CALLERS)), Arc::new(AtomicU64::new(0)));
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let (left, asked, ways) = (Arc::clone(&left), Arc::clone(&asked), desk.ways);
        callers.spawn(async move {
            let mut told = Vec::new();
            for n in 0..EACH {
                told.push(until_taken(ways[(caller + n) as usize % 2], caller, n, begun, &asked).await);
            }
            left.fetch_sub(1, Ordering::Relaxed);
            told
        });
    }
    let mut running = desk.relay.start().await;
    let (mut kills, mut moment) = (0, u64::from(std::process::id()));
    while left.load(Ordering::Relaxed) > 0 {
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        tokio::time::sleep(Duration::from_millis(150 + (moment >> 33) % 400)).await;
        running.alive().unwrap();
        running.kill().unwrap();
        kills += 1;
        running = desk.relay.start().await;
    }
    let told: Vec<(SentMessage, u64)> = callers.join_all().await.into_iter().flatten().collect();
    settled(&desk.relay.home, CALLERS * EACH).await;
    let received = receiver.received();
    for (sent, arrival) in &told {
        let of = String::from_utf8_lossy(&received[*arrival as usize].control_id).into_owned();
        assert_eq!(of, sent.key.control_id, "the answer to another message was passed on");
    }
    let mut history = Ended::default().history(&receiver);
    history.sent = told.into_iter().map(|(sent, _)| sent).collect();
    history.marked = marked(&desk.relay.home).await;
    let verdict = history.judge();
    println!("{kills} kills, {} asked\n{verdict}", asked.load(Ordering::Relaxed));
    assert!(kills > 0 && verdict.is_clean(), "{kills} kills\n{verdict}");
    running.end(PATIENCE).await.unwrap();
}

/// Asks with the same bytes until the receiver's answer comes; gives what the history has to know, and which arrival
/// the answer is for.
async fn until_taken(way: Way, caller: u64, n: u64, begun: Instant, asked: &AtomicU64) -> (SentMessage, u64) {
    let id = format!("C{caller}-{n:03}");
    let message = if n.is_multiple_of(2) { admission(&id) } else { query(&id) };
    let now = || u64::try_from(begun.elapsed().as_micros()).unwrap();
    let sent = now();
    loop {
        asked.fetch_add(1, Ordering::Relaxed);
        if let Some(told) = way.ask(&message).await {
            if let Some(arrival) = told.taken(&id) {
                assert!(n.is_multiple_of(2) || told.text.contains(&format!("QAK|T{id}|")), "{told:?}");
                let key = Key::new(format!("C{caller}"), id);
                let (lanes, destinations) = (vec![key.facility.clone()], vec![OUT.to_owned()]);
                let acknowledged = Some(now());
                let history = SentMessage {
                    key,
                    lanes,
                    connection: caller,
                    sequence: n,
                    sent,
                    acknowledged,
                    destinations,
                    expected: None,
                };
                return (history, arrival);
            }
            told.is_not_now(&id);
        }
        assert!(begun.elapsed() < PATIENCE, "{id} was not taken");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
