use std::time::Instant;

use parking_lot::Mutex;

use super::*;
use crate::generate::Generator;
use crate::history::History;
use crate::receiver::{Act, Faults, Options, Protocol, Receiver, Rule, Which};

fn to(receiver: &Receiver) -> Load {
    Load { timeout: Duration::from_millis(500), ..Load::to(Target::Mllp(receiver.address().to_string())) }
}

fn to_http(receiver: &Receiver) -> Load {
    let url = format!("http://{}/", receiver.address()).parse().unwrap();
    Load { timeout: Duration::from_millis(500), ..Load::to(Target::Http(url, None)) }
}

fn made(connections: usize, each: u64) -> Arc<Made> {
    let generators = (0..connections).map(|n| Generator::new(n as u64, &format!("FAC{n}"))).collect();
    Arc::new(Made::new(generators, each))
}

async fn receiver(protocol: Protocol, faults: Faults) -> Receiver {
    Receiver::start(Options { protocol, faults, ..Options::default() }).await.unwrap()
}

/// Sends, and gives the history that both ends saw.
async fn observed(load: Load, connections: usize, each: u64, receiver: &Receiver) -> (Report, History) {
    let done = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&done);
    let observe: Observer = Arc::new(move |message| seen.lock().push(message.clone()));
    let report = run(load, made(connections, each), Some(observe)).await;
    let mut history = History::default();
    for message in done.lock().iter() {
        let facility = format!("FAC{}", message.connection);
        history.sent(message, &facility, vec![facility.clone()], &["receiver"]);
    }
    for received in receiver.received() {
        history.arrived("receiver", &received);
    }
    (report, history)
}

#[tokio::test]
async fn every_message_is_sent_once_and_acknowledged() {
    for protocol in [Protocol::Mllp, Protocol::Http] {
        let receiver = receiver(protocol, Faults::default()).await;
        let load = if protocol == Protocol::Http { to_http(&receiver) } else { to(&receiver) };
        let load = Load { connections: 3, pipeline: 8, ..load };
        let (report, history) = observed(load, 3, 50, &receiver).await;
        assert_eq!((report.accepted, report.codes.get("AA"), report.resent), (150, Some(&150), 0));
        assert!(report.failures.is_empty() && report.unexpected == 0, "{report:?}");
        assert_eq!(report.latencies.count(), 150);
        assert!(history.judge().is_clean(), "{}", history.judge());
    }
}

#[tokio::test]
async fn what_is_not_acknowledged_is_sent_again_in_order() {
    for act in ["close@every=7", "silent@every=7", "half@every=7", "reject=AE/207@every=7"] {
        let rule: Rule = act.parse().unwrap();
        let receiver = receiver(Protocol::Mllp, Faults { rules: vec![rule], ..Faults::default() }).await;
        let load =
            Load { connections: 2, pipeline: 4, resend: true, timeout: Duration::from_millis(100), ..to(&receiver) };
        let (report, mut history) = observed(load, 2, 30, &receiver).await;
        assert_eq!(report.accepted, 60, "{act}: {report:?}");
        assert!(report.resent > 0, "{act}");
        // The receiver has everything twice that it had before it failed to answer.
        for message in &history.sent {
            history.marked.insert(("receiver".into(), message.key.clone()));
        }
        assert!(history.judge().is_clean(), "{act}: {}", history.judge());
    }
}

#[tokio::test]
async fn a_refusal_for_content_is_an_answer_and_not_sent_again() {
    let rule = "reject=AE/101@every=5".parse().unwrap();
    let receiver = receiver(Protocol::Mllp, Faults { rules: vec![rule], ..Faults::default() }).await;
    let report = run(Load { resend: true, ..to(&receiver) }, made(1, 20), None).await;
    assert_eq!((report.accepted, report.codes.get("AE"), receiver.count()), (16, Some(&4), 20));
}

#[tokio::test]
async fn without_resending_a_lost_answer_ends_the_message() {
    let receiver = receiver(Protocol::Mllp, Faults::on(Which::First(1), Act::Close)).await;
    let report = run(to(&receiver), made(1, 5), None).await;
    assert_eq!((report.accepted, report.codes.get("")), (4, Some(&1)));
    assert_eq!(report.messages(), 5);
}

#[tokio::test]
async fn http_comes_again_after_503_and_not_after_400() {
    let rules = ["status=503/1@first=3", "status=400@every=10"].map(|rule| rule.parse().unwrap()).to_vec();
    let receiver = receiver(Protocol::Http, Faults { rules, ..Faults::default() }).await;
    let report = run(Load { resend: true, ..to_http(&receiver) }, made(1, 20), None).await;
    assert_eq!(report.messages(), 20);
    assert_eq!(report.codes.get("400"), Some(&2), "{report:?}");
    assert_eq!(report.accepted, 18);
}

#[tokio::test]
async fn nobody_there_ends_after_the_patience() {
    let receiver = receiver(Protocol::Mllp, Faults::default()).await;
    let load = Load { resend: true, give_up: Duration::from_millis(300), ..to(&receiver) };
    receiver.refuse();
    let start = Instant::now();
    let report = run(load, made(1, 2), None).await;
    assert_eq!(report.accepted + report.codes.get("").copied().unwrap_or(0), 2, "{report:?}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_rate_is_kept_and_latency_counts_from_when_a_message_was_due() {
    let receiver = receiver(Protocol::Mllp, Faults::on(Which::First(1), Act::Delay(Duration::from_millis(300)))).await;
    let report = run(Load { rate: Some(100.0), ..to(&receiver) }, made(1, 40), None).await;
    assert!(report.elapsed >= Duration::from_millis(390), "{:?}", report.elapsed);
    assert_eq!(report.accepted, 40);
    // Some 30 messages were due while the first one was answered late.
    assert!(report.latencies.at(0.5) > Duration::from_millis(50), "{:?}", report.latencies.at(0.5));
}

#[tokio::test]
async fn files_are_split_repeated_and_given_new_ids() {
    let directory = tempfile::tempdir().unwrap();
    let two = "\u{feff}MSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.5\nPID|1\n\nMSH|^~\\&|A|B|C|D|2026||ADT^A01|2|P|2.5\r\nPID|2\r\n";
    std::fs::write(directory.path().join("b.hl7"), two).unwrap();
    std::fs::write(directory.path().join("a.hl7"), b"\x0bMSH|^~\\&|A|B|C|D|2026||ADT^A01|0|P|2.5\r\x1c\r").unwrap();
    std::fs::write(directory.path().join(".hidden"), "MSH|hidden").unwrap();
    let files = Files::read(&[directory.path().to_owned()]).unwrap();
    let sent: Vec<_> = std::iter::from_fn(|| files.next(0)).collect();
    let ids: Vec<_> = sent.iter().map(|message| message.control_id.clone()).collect();
    assert_eq!(ids, ["0", "1", "2"]);
    assert_eq!(sent[2].bytes, "MSH|^~\\&|A|B|C|D|2026||ADT^A01|2|P|2.5\rPID|2\r");
    let files = Files::read(&[directory.path().join("b.hl7")]).unwrap().count(5).fresh_ids("X");
    let ids: Vec<_> = std::iter::from_fn(|| files.next(0)).map(|message| message.control_id).collect();
    assert_eq!(ids, ["X00000000", "X00000001", "X00000002", "X00000003", "X00000004"]);
    assert!(matches!(Files::read(&[directory.path().join("none")]), Err(FilesError::Read { .. })));
    std::fs::write(directory.path().join("a.hl7"), "nothing").unwrap();
    assert!(matches!(Files::read(&[directory.path().join("a.hl7")]), Err(FilesError::Empty)));
}

#[test]
fn percentiles_are_right_within_three_percent() {
    let mut latencies = Latencies::default();
    for micros in 1..=100_000 {
        latencies.record(Duration::from_micros(micros));
    }
    for (share, exact) in [(0.5, 50_000.0), (0.9, 90_000.0), (0.99, 99_000.0), (1.0, 100_000.0)] {
        let found = latencies.at(share).as_micros() as f64;
        assert!((found - exact).abs() / exact < 0.032, "{share}: {found}");
    }
    assert_eq!(latencies.max(), Duration::from_millis(100));
    assert_eq!(latencies.mean(), Duration::from_micros(50_000));
    latencies.record(Duration::from_secs(1_000_000));
    assert_eq!(latencies.at(1.0), Duration::from_secs(1_000_000).min(latencies.max()));
    assert_eq!(Latencies::default().at(0.5), Duration::ZERO);
}
