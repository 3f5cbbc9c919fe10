//! A full stream pushes back, and comes back when it is trimmed.

use std::time::Duration;

use barid_log::{Log, LogError, Position, Purpose, SpaceLevel, Subject};
use bytes::Bytes;

use crate::support::{one, open, options, until};
use barid_log_nats::{NatsLog, Sizes};
use barid_testkit::servers::nats::{NatsServers, Settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_intake_is_refused_until_it_is_trimmed_and_outcomes_go_on() {
    let mut options = options(one().await);
    options.sizes.intake = 2 << 20;
    options.look_every = Duration::from_millis(100);
    options.trim_every = Duration::from_millis(100);
    let log = open(&options).await;
    let (subject, outcome) = (Subject::new("in.03").unwrap(), Subject::new("outcome.x").unwrap());
    let record = Bytes::from(vec![7; 100_000]);
    let mut last = Position::START;
    let refused = loop {
        assert!(last.0 < 30, "more than the limit was taken");
        match log.append(&subject, last, vec![record.clone()]).await {
            Ok(ticket) => match ticket.await {
                Ok(position) => last = position,
                Err(error) => break error,
            },
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, LogError::NoSpace(Purpose::Intake)), "{refused}");
    assert!(last.0 >= 15);
    assert_eq!(*log.space().borrow(), SpaceLevel::NoIntake);
    log.append(&outcome, Position::START, vec![record.clone()]).await.unwrap().await.unwrap();
    let end = log.last(&subject).await.unwrap().unwrap().position;
    assert_eq!(end, last, "what was refused is not stored");
    log.trim(&subject, last).await.unwrap();
    until("free again", Duration::from_secs(10), async || *log.space().borrow() == SpaceLevel::Free).await;
    log.append(&subject, last, vec![record]).await.unwrap().await.unwrap();
}

/// Appends one small record where the subject ends.
async fn append(log: &NatsLog, name: &str) -> Result<Position, LogError> {
    let subject = Subject::new(name).unwrap();
    let last = log.bounds(&subject).await?.last;
    log.append(&subject, last, vec![Bytes::from_static(b"x")]).await?.await
}

async fn allowed(log: &NatsLog) -> [bool; 4] {
    let mut taken = [false; 4];
    for (taken, name) in taken.iter_mut().zip(["in.00", "out.x.00", "park.x", "outcome.x"]) {
        *taken = match append(log, name).await {
            Ok(_) => true,
            Err(LogError::NoSpace(_)) => false,
            Err(error) => panic!("{name}: {error}"),
        };
    }
    taken
}

/// Whatever else is stored beside the log uses up what the account or the server may store: first senders are refused, then routers, then all.
async fn three_levels(settings: Settings) {
    let servers = NatsServers::start(Settings { count: 1, ..settings }).await.unwrap();
    let mut options = options(&servers);
    options.sizes = Sizes::each(2 << 20);
    options.look_every = Duration::from_millis(100);
    let log = open(&options).await;
    assert_eq!(allowed(&log).await, [true; 4]);
    let client = async_nats::ConnectOptions::new()
        .user_and_password("barid".into(), "barid-secret".into())
        .connect(servers.addresses())
        .await
        .unwrap();
    let context = async_nats::jetstream::new(client);
    let other = async_nats::jetstream::stream::Config {
        name: "other".into(),
        subjects: vec!["other".into()],
        ..Default::default()
    };
    context.create_stream(other).await.unwrap();
    let levels = [
        (83, SpaceLevel::NoIntake, [false, true, true, true]),
        (93, SpaceLevel::NoRouting, [false, false, true, true]),
    ];
    let mut megabytes = 0;
    for (percent, level, taken) in levels {
        while megabytes < percent {
            let megabyte = vec![0; (1 << 20) - 200];
            context.publish("other", megabyte.into()).await.unwrap().await.unwrap();
            megabytes += 1;
        }
        // Servers tell of their storage every ten seconds.
        until("seen", Duration::from_secs(90), async || *log.space().borrow() == level).await;
        assert_eq!(allowed(&log).await, taken, "at {percent} %");
    }
    context.delete_stream("other").await.unwrap();
    until("free again", Duration::from_secs(90), async || *log.space().borrow() == SpaceLevel::Free).await;
    assert_eq!(allowed(&log).await, [true; 4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn near_the_limit_of_the_account_senders_are_refused_first_then_routers() {
    let accounts = "accounts {
      BARID { jetstream: { max_file: 100MB }, users: [{ user: barid, password: barid-secret }] }
      SYS { users: [{ user: system, password: system-secret }] }
    }
    system_account: SYS
    ";
    three_levels(Settings { accounts: Some(accounts.into()), ..Settings::default() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn near_the_limit_of_a_server_senders_are_refused_first_then_routers() {
    three_levels(Settings { file_store: 100 << 20, ..Settings::default() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parked_messages_that_fill_their_stream_stop_neither_outcomes_nor_commits() {
    let mut options = options(one().await);
    options.sizes.park = 2 << 20;
    options.look_every = Duration::from_millis(100);
    let log = open(&options).await;
    let park = Subject::new("park.dead").unwrap();
    let record = Bytes::from(vec![7; 100_000]);
    let mut last = Position::START;
    let refused = loop {
        match log.append(&park, last, vec![record.clone()]).await.unwrap().await {
            Ok(position) => last = position,
            Err(error) => break error,
        }
        assert!(last.0 < 30, "more than the limit was taken");
    };
    assert!(matches!(refused, LogError::NoSpace(Purpose::Delivery)), "{refused}");
    assert_ne!(*log.space().borrow(), SpaceLevel::Exhausted);
    append(&log, "outcome.live").await.unwrap();
    let key = barid_log::Key::new("commit.delivery.live").unwrap();
    log.put(&key, barid_log::Revision::NONE, record).await.unwrap();
    let held = log.held("park.").await.unwrap();
    assert_eq!(
        held.iter().map(|(subject, bounds)| (subject.as_str(), bounds.records(), bounds.bytes)).collect::<Vec<_>>(),
        [("park.dead", last.0, last.0 * 100_000)]
    );
}
