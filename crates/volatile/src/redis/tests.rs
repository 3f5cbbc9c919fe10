use std::path::Path;

use barid_testkit::servers::TlsFiles;
use barid_testkit::servers::redis::{PASSWORD, Redis as Server, Settings};

use super::*;
use crate::{Pace, Rate, Turn, contract};

/// How long something may take to be seen.
const PATIENCE: Duration = Duration::from_secs(20);

fn labels() -> Labels {
    Labels::new([1; 16], [2; 16])
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "not {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn options(server: &Server, scheme: &str) -> Options {
    Options::read(&format!("{scheme}://{}", server.address())).unwrap().password(None, Some(PASSWORD.to_owned()))
}

/// A store that connects.
fn begin(options: Options) -> Arc<Redis> {
    let redis = Arc::new(Redis::new(options, &labels()));
    let running = Arc::clone(&redis);
    tokio::spawn(async move { running.run().await });
    redis
}

async fn plain() -> Server {
    Server::start(Settings { durable: false, ..Settings::default() }).await.unwrap()
}

fn authority(folder: &Path) -> TlsFiles {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let issuer_certificate = params.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::new(params, key);
    let own = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let signed = params.signed_by(&own, &issuer).unwrap();
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    TlsFiles {
        certificate: write("tls.crt", signed.pem()),
        key: write("tls.key", own.serialize_pem()),
        authorities: write("ca.crt", issuer_certificate.pem()),
    }
}

#[tokio::test]
async fn redis_does_what_every_store_has_to_do_and_no_name_is_seen_in_it() {
    let server = plain().await;
    let redis = begin(options(&server, "redis"));
    until("connected", || redis.absence().is_none()).await;
    contract::holds(&*redis).await;
    for key in server.ask(&["KEYS", "*"]).await.unwrap().lines() {
        assert!(key.starts_with("barid:{"), "{key}");
        let said = server.ask(&["TTL", key]).await.unwrap();
        assert!(said.parse::<i64>().unwrap() > 0, "{key} never expires: {said}");
    }
}

#[tokio::test]
async fn over_tls_with_a_password_in_a_file_it_connects_and_not_to_whom_nobody_vouches_for() {
    let folder = tempfile::TempDir::new().unwrap();
    let (files, strangers) = (authority(folder.path()), tempfile::TempDir::new().unwrap());
    let stranger = authority(strangers.path()).authorities;
    let server =
        Server::start(Settings { tls: Some(files.clone()), durable: false, ..Settings::default() }).await.unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "wrong\n").unwrap();
    let url = format!("rediss://default@{}/0", server.address());
    let with = |authorities: &Path| {
        Options::read(&url).unwrap().password(Some(&password), None).tls(Some(authorities), None, None).unwrap()
    };
    let (good, bad) = (begin(with(&files.authorities)), begin(with(&stranger)));
    until("refused for its password", || good.absence().is_some_and(|absence| absence.why.contains("refuses us")))
        .await;
    until("refused for its certificate", || bad.absence().is_some_and(|absence| absence.why.contains("no TLS"))).await;
    // A file that was put right needs no restart.
    std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    until("connected", || good.absence().is_none()).await;
    assert_eq!(good.spend(&[]).await, Ok(Vec::new()));
    assert!(bad.absence().is_some());
    let shown = format!("{:?} {:?}", with(&files.authorities), good.absence());
    assert!(!shown.contains(PASSWORD), "{shown}");
}

#[tokio::test]
async fn a_killed_server_costs_nothing_and_is_used_again_when_it_is_back_with_nothing() {
    let server = plain().await;
    let redis = begin(options(&server, "redis"));
    until("connected", || redis.absence().is_none()).await;
    redis.add(&[(Label([7; 16]), 1)]).await.unwrap();
    server.kill();
    until("away", || redis.absence().is_some()).await;
    let begun = Instant::now();
    for _ in 0..1_000 {
        redis.spend(&[]).await.unwrap_err();
    }
    assert!(begun.elapsed() < Duration::from_millis(200), "{:?}", begun.elapsed());
    server.restart().unwrap();
    until("back", || redis.absence().is_none()).await;
    assert_eq!(redis.figures().await.unwrap().get(&Label([7; 16])), None);
}

#[tokio::test]
async fn a_frozen_server_is_given_up_after_a_few_calls_and_used_again_when_it_goes_on() {
    let server = plain().await;
    let redis = begin(options(&server, "redis"));
    until("connected", || redis.absence().is_none()).await;
    server.freeze().unwrap();
    let begun = Instant::now();
    let mut calls = 0;
    while redis.connection.load().is_some() {
        redis.spend(&[]).await.unwrap_err();
        calls += 1;
    }
    assert!(calls <= FAILURES_MAX, "{calls}");
    assert!(begun.elapsed() < CALL_WITHIN * (FAILURES_MAX + 5), "{:?}", begun.elapsed());
    // A new connection to a frozen server is none.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(redis.absence().is_some());
    server.thaw().unwrap();
    until("back", || redis.absence().is_none()).await;
    redis.spend(&[]).await.unwrap();
}

#[tokio::test]
async fn a_frozen_server_that_nobody_asks_is_noticed_all_the_same() {
    let server = plain().await;
    let redis = begin(options(&server, "redis"));
    until("connected", || redis.absence().is_none()).await;
    server.freeze().unwrap();
    until("away", || redis.absence().is_some()).await;
}

#[tokio::test]
async fn keys_that_hold_something_else_are_written_over_and_a_server_that_refuses_counts_as_away() {
    let server = plain().await;
    let redis = begin(options(&server, "redis"));
    until("connected", || redis.absence().is_none()).await;
    let (label, second) = (Label([9; 16]), Duration::from_secs(1));
    let spend = [Spend { label, cost: second, most: 20 * second }];
    let key = format!("{}:rate:{label}", redis.prefix);
    for value in ["nonsense", "nan", "inf", "-5", "1e300"] {
        server.ask(&["SET", &key, value]).await.unwrap();
        let said = redis.spend(&spend).await.unwrap();
        assert!(said[0] >= second && said[0] <= 20 * second, "{value}: {said:?}");
    }
    server.ask(&["DEL", &key]).await.unwrap();
    server.ask(&["LPUSH", &key, "1"]).await.unwrap();
    assert_eq!(redis.spend(&spend).await.unwrap(), [second]);
    redis.add(&[(label, 1)]).await.unwrap();
    let figures = server.ask(&["KEYS", "*:figures:*"]).await.unwrap();
    for figure in figures.lines() {
        server.ask(&["DEL", figure]).await.unwrap();
        server.ask(&["SET", figure, "x"]).await.unwrap();
    }
    assert!(redis.figures().await.unwrap().is_empty());
    redis.add(&[(label, 2)]).await.unwrap();
    assert_eq!(redis.figures().await.unwrap().get(&label), Some(&2));
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]).await.unwrap();
    let begun = Instant::now();
    while redis.absence().is_none() {
        assert!(begun.elapsed() < PATIENCE);
        redis.spend(&spend).await.unwrap_err();
        tokio::task::yield_now().await;
    }
    until("told why", || redis.absence().is_some_and(|absence| absence.why.contains("OOM"))).await;
    server.ask(&["CONFIG", "SET", "maxmemory", "0"]).await.unwrap();
    until("back", || redis.absence().is_none()).await;
}

#[tokio::test]
async fn two_paces_over_one_server_give_one_rate() {
    let server = plain().await;
    let redis = begin(options(&server, "redis"));
    until("connected", || redis.absence().is_none()).await;
    let paces = [Arc::new(Pace::default()), Arc::new(Pace::default())];
    for pace in &paces {
        let (pace, redis) = (Arc::clone(pace), Arc::clone(&redis));
        tokio::spawn(async move { pace.share(&*redis, &labels()).await });
    }
    let (rate, facility): (Rate, Arc<str>) = (Rate::new(50, 50), Arc::from("default/chn"));
    let (begun, mut at_once) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_secs(2) {
        for pace in &paces {
            let turn = pace.ask(&facility, &rate, Instant::now());
            at_once += u32::from(turn == Turn::Now);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // A burst of 50 and 50 a second are empty after a second of hundred a second; each by itself would let all pass at once.
    assert!((70..=130).contains(&at_once), "{at_once}");
}

#[test]
fn an_address_is_read_and_what_is_wrong_with_it_is_said() {
    let read = |url: &str| Options::read(url).map(|options| (options.place(), options.user));
    assert_eq!(read("redis://h").unwrap(), ("redis://h:6379/0".to_owned(), None));
    assert_eq!(read("rediss://amina@h:7/3").unwrap(), ("rediss://h:7/3".to_owned(), Some("amina".to_owned())));
    assert_eq!(read("redis://[::1]:7").unwrap().0, "redis://[::1]:7/0");
    assert_eq!(read("redis://u:secret@h"), Err(OptionsError::Password));
    assert_eq!(read("redis://:secret@h"), Err(OptionsError::Password));
    for wrong in ["h:6379", "redis://", "redis://h:x", "redis://h/x", "redis://[::1", "http://h"] {
        assert!(matches!(read(wrong), Err(OptionsError::Address(_))), "{wrong}");
    }
    let tls = Options::read("rediss://h").unwrap();
    assert_eq!(tls.clone().tls(None, None, None).unwrap_err(), OptionsError::Authorities);
    let file = Path::new("x");
    assert_eq!(tls.tls(Some(file), Some(file), None).unwrap_err(), OptionsError::Certificate);
}
