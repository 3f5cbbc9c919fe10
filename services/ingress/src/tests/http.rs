//! HTTP: the same custody, said in status codes.

use barid_config::document::Identify;
use barid_config::settings::{FacilitySpec, HttpSettings, IdentitySettings, ListenerTransport, Secret, SecretFile};
use barid_model::Name;
use barid_validate::{FacilityRules, Identity};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::house::{House, Plan, Safe, mllp};
use super::wire::{PATIENCE, adt, msa};
use crate::AcceptError;

const TYPE: &str = "Content-Type: application/hl7-v2; charset=utf-8";

fn plan() -> Plan {
    Plan { listeners: vec![mllp("https")], ..Plan::default() }.listener(|spec| {
        spec.transport = ListenerTransport::Http(HttpSettings { paths: vec!["/hl7".to_owned()] });
    })
}

/// A response: status, head, body.
struct Got {
    status: u16,
    head: String,
    body: String,
}

async fn request(stream: &mut TcpStream, line: &str, headers: &[&str], body: &[u8]) -> Got {
    let head =
        format!("{line} HTTP/1.1\r\nHost: barid\r\nContent-Length: {}\r\n{}\r\n\r\n", body.len(), headers.join("\r\n"));
    stream.write_all(head.as_bytes()).await.unwrap();
    // A response may come before the body is read.
    stream.write_all(body).await.unwrap_or_default();
    tokio::time::timeout(PATIENCE, response(stream)).await.unwrap()
}

async fn response(stream: &mut TcpStream) -> Got {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0, "the connection ended before a response");
    };
    let head = String::from_utf8(read[..end].to_vec()).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    while read.len() < end + 4 + length {
        assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0, "the connection ended inside a response");
    }
    let body = String::from_utf8(read[end + 4..end + 4 + length].to_vec()).unwrap();
    Got { status: head.split(' ').nth(1).unwrap().parse().unwrap(), head, body }
}

async fn post(house: &House, headers: &[&str], body: &[u8]) -> Got {
    let mut stream = TcpStream::connect(house.address()).await.unwrap();
    request(&mut stream, "POST /hl7", headers, body).await
}

#[tokio::test]
async fn a_posted_message_is_acknowledged_with_200_in_its_own_content_type() {
    let house = plan().open().await;
    let mut stream = TcpStream::connect(house.address()).await.unwrap();
    for (n, media) in ["application/hl7-v2; charset=utf-8", "x-application/hl7-v2+er7"].iter().enumerate() {
        let id = format!("h{n}");
        let got = request(&mut stream, "POST /hl7", &[&format!("Content-Type: {media}")], &adt(&id)).await;
        assert_eq!((got.status, msa(&got.body)), (200, ("AA", id.as_str())));
        assert!(got.head.contains(&format!("content-type: {media}")), "{}", got.head);
    }
    assert_eq!(house.memory.control_ids(), ["h0", "h1"]);
    assert_eq!(house.listeners.connections()[0].messages, 2);
}

#[tokio::test]
async fn m13_no_200_before_the_message_is_durable() {
    let house = plan().open().await;
    house.memory.hold();
    let mut stream = TcpStream::connect(house.address()).await.unwrap();
    let asking = tokio::spawn(async move { request(&mut stream, "POST /hl7", &[TYPE], &adt("slow")).await });
    house.until("it is submitted", |house| house.memory.submitted().len() == 1).await;
    assert!(!asking.is_finished());
    house.memory.release();
    assert_eq!(asking.await.unwrap().status, 200);
}

#[tokio::test]
async fn what_we_cannot_take_is_503_with_retry_after() {
    let house = plan().open().await;
    house.memory.close(Some(AcceptError::NoSpace));
    let got = post(&house, &[TYPE], &adt("x")).await;
    assert_eq!((got.status, msa(&got.body)), (503, ("AE", "x")));
    assert!(got.head.contains("retry-after: 30"), "{}", got.head);
}

#[tokio::test]
async fn a_late_log_is_503_too() {
    let mut plan = plan();
    plan.bounds.durable = std::time::Duration::from_millis(100);
    let house = plan.open().await;
    house.memory.hold();
    let got = post(&house, &[TYPE], &adt("x")).await;
    assert_eq!((got.status, msa(&got.body)), (503, ("AE", "x")));
}

#[tokio::test]
async fn wrong_content_is_400_or_422_with_the_acknowledgement_that_says_why() {
    let house = plan().open().await;
    let got = post(&house, &[TYPE], b"no hl7 at all").await;
    assert_eq!((got.status, msa(&got.body).0), (400, "AR"));
    let got = post(&house, &[TYPE], &adt("")).await;
    assert_eq!((got.status, msa(&got.body).0), (422, "AE"));
    assert_eq!(post(&house, &[TYPE], b"").await.status, 400);
}

#[tokio::test]
async fn what_is_no_post_of_hl7_to_a_path_of_ours_is_told_what_would_be() {
    let house = plan().open().await;
    let mut stream = TcpStream::connect(house.address()).await.unwrap();
    let got = request(&mut stream, "GET /hl7", &[TYPE], b"").await;
    assert_eq!(got.status, 405);
    assert!(got.head.contains("allow: post"), "{}", got.head);
    assert_eq!(request(&mut stream, "POST /other", &[TYPE], b"x").await.status, 404);
    let got = post(&house, &["Content-Type: application/json"], &adt("x")).await;
    assert_eq!(got.status, 415);
    assert!(got.head.contains("application/hl7-v2"), "{}", got.head);
    assert_eq!(post(&house, &[TYPE, "Content-Encoding: gzip"], &adt("x")).await.status, 415);
    assert_eq!(house.memory.submitted().len(), 0);
}

#[tokio::test]
async fn m09_a_body_above_the_limit_is_413_declared_or_not() {
    let house = plan().open().await;
    let large = vec![b'x'; 64 * 1024 + 1];
    assert_eq!(post(&house, &[TYPE], &large).await.status, 413);
    let mut stream = TcpStream::connect(house.address()).await.unwrap();
    let head = format!("POST /hl7 HTTP/1.1\r\nHost: barid\r\n{TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&large).await.unwrap_or_default();
    let got = tokio::time::timeout(PATIENCE, response(&mut stream)).await.unwrap();
    assert_eq!(got.status, 413);
}

#[tokio::test]
async fn m10_a_request_that_trickles_is_ended() {
    let house = plan().listener(|spec| spec.limits.frame = std::time::Duration::from_millis(100)).open().await;
    let mut stream = TcpStream::connect(house.address()).await.unwrap();
    let head = format!("POST /hl7 HTTP/1.1\r\nHost: barid\r\n{TYPE}\r\nContent-Length: 500\r\n\r\nMSH");
    stream.write_all(head.as_bytes()).await.unwrap();
    let got = tokio::time::timeout(PATIENCE, response(&mut stream)).await.unwrap();
    assert_eq!(got.status, 408);
    let mut headless = TcpStream::connect(house.address()).await.unwrap();
    headless.write_all(b"POST /hl7 HT").await.unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, headless.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "a head that never ends is ended");
    assert!(house.memory.submitted().is_empty());
}

fn with_token() -> (Plan, Safe) {
    let safe = Safe::default();
    safe.put("default/lab-token/token", "s3cret");
    let mut plan = plan().listener(|spec| spec.identify = Identify::Token);
    let secret = Secret::File(SecretFile {
        namespace: "default".to_owned(),
        secret: "lab-token".to_owned(),
        key: "token".to_owned(),
    });
    plan.facilities.push(FacilityRules {
        name: Name::local("lab"),
        display_name: "Lab".into(),
        labels: Default::default(),
        identities: vec![Identity { token: Some(secret.to_string().into()), ..Identity::default() }],
        speaks_for: vec![],
        fallback_charset: None,
    });
    plan.specs.push(FacilitySpec {
        name: Name::local("lab"),
        display_name: "Lab".to_owned(),
        labels: Default::default(),
        identities: vec![IdentitySettings { token: Some(secret), ..IdentitySettings::default() }],
        speaks_for: vec![],
        fallback_charset: "windows-1252".to_owned(),
        time_zone: "UTC".to_owned(),
        expect: None,
        rate: None,
    });
    (plan, safe)
}

#[tokio::test]
async fn a_bearer_token_is_a_facilitys_identity_and_without_a_known_one_it_is_401() {
    let (plan, safe) = with_token();
    let house = plan.open_with(safe.clone()).await;
    let got = post(&house, &[TYPE, "Authorization: bearer s3cret"], &adt("t")).await;
    assert_eq!((got.status, msa(&got.body)), (200, ("AA", "t")));
    let envelope = house.memory.submitted()[0].0.clone();
    assert_eq!((&*envelope.facility.name, envelope.facility.verified), ("default/lab", true));
    for headers in [&[TYPE][..], &[TYPE, "Authorization: Bearer wrong"], &[TYPE, "Authorization: Basic czNjcmV0"]] {
        let got = post(&house, headers, &adt("no")).await;
        assert_eq!(got.status, 401);
        assert!(got.head.contains("www-authenticate: bearer"), "{}", got.head);
    }
    let refused = house.memory.refusals();
    assert_eq!(refused.len(), 3, "each is among the refused, so that people can see who is turned away");
    for record in &refused {
        assert_eq!((record.code.as_str(), record.findings[0].rule.as_str()), ("401", "sender.token"));
        assert!(record.origin.starts_with("127.0.0.1:") && record.raw.is_empty(), "{record:?}");
    }
    assert!(refused[1].findings[0].text.contains("not known"), "{:?}", refused[1].findings);
    safe.put("default/lab-token/token", "rotated\n");
    house.listeners.refresh().await;
    assert_eq!(post(&house, &[TYPE, "Authorization: Bearer s3cret"], &adt("old")).await.status, 401);
}

#[tokio::test]
async fn m21_a_drain_answers_the_request_in_hand_and_closes() {
    let house = plan().open().await;
    house.memory.hold();
    let mut stream = TcpStream::connect(house.address()).await.unwrap();
    let asking = tokio::spawn(async move {
        let got = request(&mut stream, "POST /hl7", &[TYPE], &adt("last")).await;
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        (got.status, ended.is_ok())
    });
    house.until("it is submitted", |house| house.memory.submitted().len() == 1).await;
    let listeners = std::sync::Arc::clone(&house.listeners);
    let drain = tokio::spawn(async move { listeners.drain(tokio::time::Instant::now() + PATIENCE).await });
    house.until("it drains", |house| house.listeners.address(&Name::local("https")).is_none()).await;
    house.memory.release();
    assert_eq!(asking.await.unwrap(), (200, true));
    assert_eq!(drain.await.unwrap().cut, 0);
}

#[tokio::test]
async fn g8_a_facility_that_is_too_fast_gets_429_with_when_to_come_again() {
    let mut plan = plan();
    plan.specs.push(super::house::chn(Some(barid_config::settings::RateSettings { per_second: 1, burst: 1 })));
    plan.facilities.push(super::house::chn_rules());
    let house = plan.open().await;
    let mut waiting = Vec::new();
    for n in 0..11 {
        let (mut stream, body) = (TcpStream::connect(house.address()).await.unwrap(), adt(&format!("h{n}")));
        let head = format!("POST /hl7 HTTP/1.1\r\nHost: barid\r\nContent-Length: {}\r\n{TYPE}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
        waiting.push(stream);
    }
    house.until("as many are taken as may wait", |house| house.memory.submitted().len() == 11).await;
    let got = post(&house, &[TYPE], &adt("late")).await;
    assert_eq!((got.status, msa(&got.body)), (429, ("AE", "late")));
    assert!(got.head.contains("retry-after: 10") && got.body.contains("207"), "{}", got.head);
    assert_eq!(house.memory.submitted().len(), 11);
}
