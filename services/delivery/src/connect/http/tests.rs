use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use barid_hl7::ack::AckCode;
use barid_testkit::receiver::{Act, Faults, Options, Protocol, Receiver, Which};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::connect::secret::FileSecrets;
use crate::connect::tests::{PATIENCE, answered, awaited, failure, message, no_secrets};
use crate::connect::{AnswerClass, Outgoing, Sent, TransportKind};
use barid_config::settings::{Secret, SecretFile};

/// Short, so that tests of silence are.
const TIMEOUT: Duration = Duration::from_millis(500);

fn settings(address: SocketAddr) -> HttpSettings {
    HttpSettings {
        url: format!("http://{address}/in?from=barid").parse().unwrap(),
        method: Method::POST,
        content_type: HeaderValue::from_static(CONTENT_TYPE),
        headers: vec![],
        idempotency_header: HeaderName::from_static(IDEMPOTENCY_HEADER),
        credentials: None,
        tls: TlsClient { ca: None, certificate: None, server_name: None },
        timeout: TIMEOUT,
        guard: crate::connect::GUARD,
    }
}

fn to(address: SocketAddr) -> Http {
    Http::new(settings(address), &no_secrets()).unwrap()
}

async fn receiver(faults: Faults) -> Receiver {
    Receiver::start(Options { protocol: Protocol::Http, faults, ..Options::default() }).await.unwrap()
}

async fn send(act: Act) -> Sent {
    let receiver = receiver(Faults::always(act)).await;
    to(receiver.address()).open().send(&message("1")).await
}

/// A receiver that a test plays by hand: reads one request and gives this answer, then closes.
async fn played(answer: &'static str) -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let player = tokio::spawn(async move {
        let mut stream = listener.accept().await.unwrap().0;
        let request = read_request(&mut stream).await;
        stream.write_all(answer.as_bytes()).await.unwrap();
        request
    });
    (address, player)
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()).unwrap_or("0");
            if body.len() >= length.trim().parse::<usize>().unwrap() {
                return String::from_utf8(bytes).unwrap();
            }
        }
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "the request ended early");
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

#[tokio::test]
async fn messages_of_one_slot_share_a_connection_and_arrive_unaltered() {
    let receiver = receiver(Faults::default()).await;
    let http = to(receiver.address());
    let mut slot = http.open();
    for id in ["1", "2", "3"] {
        let out = message(id);
        let answer = answered(slot.send(&out).await);
        assert_eq!((answer.class, answer.status, answer.code.as_str()), (AnswerClass::Accepted, Some(200), "AA"));
        let last = receiver.received().pop().unwrap();
        assert_eq!((last.connection, last.digest), (0, out.record.payload.digest()));
        assert_eq!(last.idempotency_key, Some(out.id().to_string()));
        assert!(!last.is_possible_duplicate);
    }
    assert_eq!(http.status().open, 1);
}

#[tokio::test]
async fn a_possible_duplicate_is_marked_and_keeps_its_key() {
    let receiver = receiver(Faults::default()).await;
    let out = Outgoing { possible_duplicate: true, ..message("1") };
    answered(to(receiver.address()).open().send(&out).await);
    let received = receiver.received().pop().unwrap();
    assert!(received.is_possible_duplicate);
    assert_eq!(received.idempotency_key, Some(out.id().to_string()));
}

#[tokio::test]
async fn a_request_carries_path_headers_and_credentials() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("secrets/default/registry");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("password"), "s3cret\n").unwrap();
    let environment = BTreeMap::from([("TOKEN".to_owned(), "abc".to_owned())]);
    let secrets: Arc<dyn Secrets> = Arc::new(FileSecrets::new(directory.path(), environment));
    let password = SecretFile { namespace: "default".into(), secret: "registry".into(), key: "password".into() };
    let basic = HttpCredentials::Basic { username: "barid".into(), password: Secret::File(password) };
    let bearer = HttpCredentials::Bearer(Secret::Env("TOKEN".into()));
    for (credentials, expected) in [(basic, "Basic YmFyaWQ6czNjcmV0"), (bearer, "Bearer abc")] {
        let (address, player) = played(OK).await;
        let header =
            |name: &'static str, source: &str| (HeaderName::from_static(name), Expression::compile(source).unwrap());
        let headers = vec![
            header("x-event", "msg.event"),
            header("x-route", "delivery.route + '/' + string(delivery.part)"),
            header("x-empty", "msg['ZZZ-1']"),
        ];
        let mut settings = settings(address);
        settings.method = Method::PUT;
        settings.headers = headers;
        settings.credentials = Some(credentials);
        settings.idempotency_header = HeaderName::from_static("x-delivery");
        let out = message("1");
        answered(Http::new(settings, &secrets).unwrap().open().send(&out).await);
        let request = player.await.unwrap();
        assert!(request.starts_with("PUT /in?from=barid HTTP/1.1\r\n"), "{request}");
        for line in [
            format!("host: {address}"),
            "content-type: application/hl7-v2".to_owned(),
            "x-event: A01".to_owned(),
            "x-route: registry/0".to_owned(),
            format!("authorization: {expected}"),
            format!("x-delivery: {}", out.id()),
        ] {
            assert!(request.contains(&format!("\r\n{line}\r\n")), "{line} is not in {request}");
        }
        assert!(!request.contains("x-empty"), "an empty value leaves its header out");
    }
}

#[tokio::test]
async fn a_missing_credential_is_a_failure_and_nothing_is_sent() {
    let receiver = receiver(Faults::default()).await;
    let mut settings = settings(receiver.address());
    settings.credentials = Some(HttpCredentials::Bearer(Secret::Env("NONE".into())));
    let http = Http::new(settings, &no_secrets()).unwrap();
    assert_eq!(failure(http.open().send(&message("1")).await).kind, TransportKind::Secret);
    assert_eq!(receiver.count(), 0);
}

#[tokio::test]
async fn m22_each_status_has_a_defined_meaning() {
    let unavailable = AnswerClass::Unavailable { retry_after: None };
    for status in [204, 301, 303, 400, 401, 403, 404, 407, 408, 409, 425, 429, 500, 502, 503] {
        let expected = match status {
            204 => AnswerClass::Accepted,
            301 | 303 | 400 | 403 | 404 | 409 => AnswerClass::Rejected,
            _ => unavailable.clone(),
        };
        let answer = answered(send(Act::Status(status, 0)).await);
        assert_eq!((answer.class, answer.status), (expected, Some(status)));
        assert_eq!(answer.answer.code, status.to_string());
    }
    let later = AnswerClass::Unavailable { retry_after: Some(Duration::from_secs(17)) };
    assert_eq!(answered(send(Act::Status(503, 17)).await).class, later);
}

#[tokio::test]
async fn a_date_in_retry_after_counts_from_the_receivers_own_clock() {
    let (address, _player) = played(
        "HTTP/1.1 503 Busy\r\ndate: Mon, 23 Nov 2026 10:00:00 GMT\r\nretry-after: Mon, 23 Nov 2026 10:01:30 GMT\r\n\
         content-length: 0\r\n\r\n",
    )
    .await;
    let answer = answered(to(address).open().send(&message("1")).await);
    assert_eq!(answer.class, AnswerClass::Unavailable { retry_after: Some(Duration::from_secs(90)) });
}

#[tokio::test]
async fn the_acknowledgement_in_the_body_is_the_receivers_word() {
    let refused = answered(send(Act::Reject(AckCode::AR, 203)).await);
    assert_eq!(refused.class, AnswerClass::Rejected);
    assert_eq!((refused.code.as_str(), refused.error.as_str(), refused.status), ("AR", "203", Some(400)));
    for (status, error, expected) in [
        ("200 OK", "101", AnswerClass::Rejected),
        ("500 Broken", "101", AnswerClass::Rejected),
        ("500 Broken", "207", AnswerClass::Unavailable { retry_after: None }),
        ("503 Busy", "101", AnswerClass::Unavailable { retry_after: None }),
    ] {
        let ack = format!("MSH|^~\\&|L|M|H|C|2026||ACK|9|P|2.5\rMSA|AE|1\rERR|||{error}|E\r");
        let text = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{ack}", ack.len());
        let (address, _player) = played(text.leak()).await;
        let answer = answered(to(address).open().send(&message("1")).await);
        assert_eq!((answer.class, answer.error.as_str()), (expected, error), "{status}");
    }
}

#[tokio::test]
async fn m22_each_fault_of_a_receiver_has_a_defined_result_and_the_next_message_passes() {
    let cases = [
        (Act::WrongId, TransportKind::Mismatch),
        (Act::Half, TransportKind::Closed),
        (Act::Close, TransportKind::Closed),
        (Act::Silent, TransportKind::Timeout),
        (Act::Delay(TIMEOUT * 2), TransportKind::Timeout),
    ];
    for (act, expected) in cases {
        let receiver = receiver(Faults::on(Which::First(1), act.clone())).await;
        let mut slot = to(receiver.address()).open();
        let error = failure(slot.send(&message("1")).await);
        assert_eq!(error.kind, expected, "{act:?}: {error}");
        assert!(error.may_have_arrived, "{act:?}");
        assert_eq!(answered(slot.send(&message("1")).await).class, AnswerClass::Accepted, "{act:?}");
    }
    let no_ack = answered(send(Act::Garbage).await);
    assert_eq!((no_ack.class, no_ack.code.as_str()), (AnswerClass::Accepted, ""), "2xx accepts, whatever the body");
}

#[tokio::test]
async fn a_kept_connection_that_the_receiver_closed_costs_no_failure() {
    let receiver = receiver(Faults::default()).await;
    let mut slot = to(receiver.address()).open();
    answered(slot.send(&message("1")).await);
    receiver.refuse();
    let deadline = Instant::now() + PATIENCE;
    while receiver.connections() > 0 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    receiver.accept();
    let mut refused = 0;
    loop {
        match slot.send(&message("2")).await {
            Sent::Answered(_) => break,
            // The port opens in the background.
            Sent::Failed(error) if error.kind == TransportKind::Connect => refused += 1,
            other => panic!("{other:?}"),
        }
        assert!(Instant::now() < deadline, "{refused} times refused");
    }
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn a_body_is_read_up_to_its_bound_only() {
    let endless = "HTTP/1.1 200 OK\r\ncontent-length: 3000000\r\n\r\n";
    let body = "x".repeat(3_000_000);
    let text: &'static str = format!("{endless}{body}").leak();
    let player = |text| async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut stream = listener.accept().await.unwrap().0;
            read_request(&mut stream).await;
            drop(stream.write_all(str::as_bytes(text)).await);
        });
        address
    };
    let mut long = settings(player(text).await);
    long.timeout = PATIENCE;
    let cut = answered(Http::new(long, &no_secrets()).unwrap().open().send(&message("1")).await);
    assert_eq!((cut.class, cut.answer.bytes.len()), (AnswerClass::Accepted, barid_model::record::ANSWER_BYTES_MAX));
    let mut long = settings(player(text).await);
    long.timeout = PATIENCE;
    let whole = answered(Http::new(long, &no_secrets()).unwrap().open().send(&awaited(&message("1"))).await);
    assert_eq!(whole.answer.bytes.len(), body.len());
}

#[tokio::test]
async fn a_probe_tells_the_status_and_sends_no_message() {
    let receiver = receiver(Faults::default()).await;
    let met = to(receiver.address()).probe().await;
    assert_eq!(met.len(), 1);
    assert!(met[0].problem.is_none() && met[0].facts.iter().any(|(name, _)| *name == "status"), "{met:?}");
    assert_eq!(receiver.count(), 0);
    receiver.set_faults(Faults::always(Act::Silent));
}

#[test]
fn a_url_without_host_or_of_another_scheme_is_refused() {
    for url in ["/in", "ftp://registry/in"] {
        let settings = HttpSettings { url: url.parse().unwrap(), ..settings(SocketAddr::from(([127, 0, 0, 1], 1))) };
        assert!(Http::new(settings, &no_secrets()).is_err(), "{url}");
    }
}
