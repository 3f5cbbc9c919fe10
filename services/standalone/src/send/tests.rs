use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{Messages, Options, Progress, Report, Target, TlsFiles, load, run};

const MESSAGE: &str = "MSH|^~\\&|HIS|CHN|||20261122||ADT^A01|M1|P|2.5\rPID|1||A7\r";

fn messages(text: &str) -> Messages {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("m.hl7");
    std::fs::write(&path, text).unwrap();
    load(&[path], "T-").unwrap()
}

fn options(port: u16) -> Options {
    Options {
        target: Target::read(&format!("127.0.0.1:{port}")).unwrap(),
        connections: 1,
        pipeline: 1,
        rate: None,
        count: None,
        duration: None,
        timeout: Duration::from_secs(2),
        unique: false,
        tls: TlsFiles::default(),
        server_name: None,
        token: None,
        keep_answers: true,
    }
}

async fn sent(options: Options, messages: Messages) -> Report {
    run(options, messages, Arc::new(Progress::default())).await.unwrap()
}

/// A receiver that answers each frame with what `answer` makes of its control id; none closes the connection.
async fn receiver(answer: impl Fn(&str, usize) -> Option<String> + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, answer.clone()));
        }
    });
    port
}

async fn serve(mut stream: TcpStream, answer: impl Fn(&str, usize) -> Option<String>) {
    let mut buffer = Vec::new();
    let mut count = 0;
    loop {
        while let Some(end) = buffer.windows(2).position(|pair| pair == [0x1c, 0x0d]) {
            let frame: Vec<u8> = buffer.drain(..end + 2).collect();
            let text = String::from_utf8_lossy(&frame).into_owned();
            let id = text.split('|').nth(9).unwrap().to_owned();
            let Some(answer) = answer(&id, count) else { return };
            count += 1;
            stream.write_all(&[&[0x0b], answer.as_bytes(), &[0x1c, 0x0d]].concat()).await.unwrap();
        }
        if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
            return;
        }
    }
}

fn ack(code: &str, id: &str) -> String {
    format!("MSH|^~\\&|R|R|||20261122||ACK|A{id}|P|2.5\rMSA|{code}|{id}\r")
}

#[tokio::test]
async fn every_message_is_answered_and_counted_by_code() {
    let port = receiver(|id, count| Some(ack(if count == 1 { "AE" } else { "AA" }, id))).await;
    let report = sent(options(port), messages(&MESSAGE.repeat(3))).await;
    assert_eq!(
        (report.sent, report.accepted, report.refused, report.unanswered),
        (3, 2, 1, 0),
        "{:?}",
        report.troubles
    );
    assert_eq!(report.answers.get("AE"), Some(&1));
    assert_eq!(report.latency.count(), 3);
    assert_eq!(report.kept.len(), 3);
    assert!(!report.is_well());
}

#[tokio::test]
async fn a_pipeline_over_some_connections_sends_each_message_once_with_its_own_id() {
    let seen = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let port = receiver(move |id, _| {
        noted.lock().push(id.to_owned());
        Some(ack("CA", id))
    })
    .await;
    let options = Options { connections: 4, pipeline: 8, count: Some(200), unique: true, ..options(port) };
    let report = sent(options, messages(MESSAGE)).await;
    assert_eq!((report.sent, report.accepted, report.connections), (200, 200, 4), "{:?}", report.troubles);
    let mut ids = seen.lock().clone();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 200);
    assert!(ids.iter().all(|id| id.starts_with("T-")));
}

#[tokio::test]
async fn an_answer_to_another_message_is_never_taken_for_this_ones() {
    let port = receiver(|_, _| Some(ack("AA", "OTHER"))).await;
    let report = sent(options(port), messages(MESSAGE)).await;
    assert_eq!((report.accepted, report.mismatched), (0, 1));
}

#[tokio::test]
async fn a_closed_connection_leaves_its_message_unanswered_and_the_next_opens_another() {
    let port = receiver(|id, count| (count == 0 && id != "M2").then(|| ack("AA", id))).await;
    let text = ["M1", "M2", "M3"].map(|id| MESSAGE.replace("M1", id)).concat();
    let report = sent(options(port), messages(&text)).await;
    assert_eq!((report.accepted, report.unanswered, report.connections), (2, 1, 2), "{:?}", report.troubles);
}

#[tokio::test]
async fn no_answer_in_time_is_said_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let report = sent(Options { timeout: Duration::from_millis(100), ..options(port) }, messages(MESSAGE)).await;
    assert_eq!((report.sent, report.unanswered), (1, 1));
    assert!(report.troubles.contains_key("no answer in time"), "{:?}", report.troubles);
}

#[tokio::test]
async fn nobody_there_leaves_all_unsent() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let report = sent(options(port), messages(&MESSAGE.repeat(2))).await;
    assert_eq!((report.sent, report.unsent), (0, 2), "{:?}", report.troubles);
}

#[tokio::test]
async fn a_rate_is_kept_and_latency_counts_from_when_a_message_was_due() {
    let port = receiver(|id, _| Some(ack("AA", id))).await;
    let options = Options {
        rate: Some(100.0),
        duration: Some(Duration::from_millis(500)),
        unique: true,
        pipeline: 4,
        ..options(port)
    };
    let report = sent(options, messages(MESSAGE)).await;
    assert_eq!(report.accepted, 50, "{:?}", report.troubles);
    assert!(report.elapsed >= Duration::from_millis(450), "{:?}", report.elapsed);
}

#[tokio::test]
async fn http_sends_the_bytes_and_reads_status_and_acknowledgement() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for code in ["AA", "AE"] {
            let mut buffer = Vec::new();
            while !buffer.ends_with(b"PID|1||A7\r") {
                assert_ne!(stream.read_buf(&mut buffer).await.unwrap(), 0);
            }
            assert!(String::from_utf8_lossy(&buffer).to_lowercase().contains("authorization: bearer secret"));
            let body = ack(code, "M1");
            let status = if code == "AA" { "200 OK" } else { "422 Unprocessable" };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let target = Target::read(&format!("http://127.0.0.1:{port}/hl7")).unwrap();
    let options = Options { target, token: Some("secret".into()), ..options(port) };
    let report = sent(options, messages(&MESSAGE.repeat(2))).await;
    assert_eq!((report.accepted, report.refused), (1, 1), "{:?}", report.troubles);
    assert_eq!(report.answers.keys().collect::<Vec<_>>(), ["200 AA", "422 AE"]);
}

#[test]
fn a_file_may_hold_several_messages_framed_or_in_a_batch_with_any_line_end() {
    let batch =
        "FHS|^~\\&|\nBHS|^~\\&|\nMSH|^~\\&|A||||||ADT|1|P|2.5\nPID|1\n\nMSH|^~\\&|B||||||ADT|2|P|2.5\nBTS|2\nFTS|1\n";
    let found = messages(batch);
    assert_eq!(found.len(), 2);
    assert_eq!(found.prepare(0, false).unwrap().raw, "MSH|^~\\&|A||||||ADT|1|P|2.5\rPID|1\r");
    assert_eq!(found.prepare(1, false).unwrap().raw, "MSH|^~\\&|B||||||ADT|2|P|2.5\r");
    assert_eq!(found.prepare(2, false).unwrap().control_id, "1", "they go round");
    let framed = format!("\x0b{MESSAGE}\x1c\r\x0b{MESSAGE}\x1c\r");
    let found = messages(&framed);
    assert_eq!((found.len(), &*found.prepare(1, false).unwrap().raw), (2, MESSAGE.as_bytes()));
}

#[test]
fn an_id_of_its_own_changes_no_other_byte() {
    let prepared = messages(MESSAGE).prepare(41, true).unwrap();
    assert_eq!(prepared.control_id, "T-41");
    assert_eq!(prepared.raw, MESSAGE.replace("|M1|", "|T-41|"));
}

#[test]
fn a_file_without_a_message_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("notes.txt"), "nothing").unwrap();
    let text = load(&[directory.path().to_owned()], "T-").unwrap_err().to_string();
    assert!(text.contains("notes.txt"), "{text}");
}

#[test]
fn targets_are_read_in_all_their_forms_and_nothing_else() {
    let read = |text: &str| Target::read(text).map(|target| target.to_string());
    assert_eq!(read("localhost:2575").unwrap(), "mllp://localhost:2575");
    assert_eq!(read("mllps://[::1]:2576").unwrap(), "mllps://[::1]:2576");
    assert_eq!(read("https://hie.example.mr/hl7?x=1").unwrap(), "https://hie.example.mr:443/hl7?x=1");
    for wrong in ["localhost", "ftp://x:1", "mllp://x:1/path", "mllp://:2575", "x:99999", ""] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}
