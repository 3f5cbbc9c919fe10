//! Without a proof of durability senders are not acknowledged, and all else goes on.

use std::time::Duration;

use barid_log::{Log, LogError, Position, Subject};
use barid_log_nats::{NatsLog, Proof};
use barid_testkit::servers::nats::{NatsServers, Settings};
use bytes::Bytes;

use crate::support::{one, open, options, start, until};

const WITHIN: Duration = Duration::from_secs(20);

async fn append(log: &dyn Log, name: &str) -> Result<Position, LogError> {
    let subject = Subject::new(name).unwrap();
    let last = log.bounds(&subject).await?.last;
    log.append(&subject, last, vec![Bytes::from_static(b"x")]).await?.await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn intake_waits_for_servers_that_sync_before_they_acknowledge() {
    let servers = start(1).await;
    servers.kill(0);
    servers.restart_with(0, "2m").unwrap();
    servers.ready().await.unwrap();
    let log = open(&options(&servers)).await;
    let refused = append(&log, "in.00").await.unwrap_err();
    assert!(matches!(&refused, LogError::Busy(why) if why.contains("sync_interval: always")), "{refused}");
    assert!(refused.is_retryable());
    append(&log, "out.x.00").await.unwrap();
    append(&log, "outcome.x").await.unwrap();
    assert!(!log.status().durable);

    servers.kill(0);
    servers.restart_with(0, "always").unwrap();
    servers.ready().await.unwrap();
    until("proven", WITHIN, async || log.status().durable).await;
    append(&log, "in.00").await.unwrap();

    // A restarted server ends the proof, whatever the last one was.
    servers.kill(0);
    servers.restart_with(0, "2m").unwrap();
    servers.ready().await.unwrap();
    until("disproven", WITHIN, async || !log.status().durable).await;
    assert!(append(&log, "in.00").await.is_err());
    append(&log, "outcome.x").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_are_part_of_the_proof() {
    let mut options = options(one().await);
    let log = open(&options).await;
    assert!(log.status().durable && log.status().proof.is_valid());
    options.replicas = 3;
    let log = open(&options).await;
    let Proof::Unproven(reasons) = log.status().proof else { panic!("one copy is not three") };
    assert!(reasons.iter().all(|reason| reason.contains("has 1 replicas, 3 are needed")), "{reasons:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_system_user_nothing_is_proven_unless_it_need_not_be() {
    let mut options = options(one().await);
    options.system = None;
    let refused = NatsLog::open(options.clone()).await.err().unwrap().to_string();
    assert!(refused.contains("--nats-system-seed") && refused.contains("--nats-unproven"), "{refused}");
    options.system = Some(options.connect.clone());
    let refused = NatsLog::open(options.clone()).await.err().unwrap().to_string();
    assert!(refused.contains("is not of the system account"), "{refused}");
    options.system = None;
    options.strict = false;
    let log = open(&options).await;
    append(&log, "in.00").await.unwrap();
    assert!(log.status().durable && !log.status().proof.is_valid());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_with_a_small_max_payload_are_refused_at_the_start_with_the_setting_and_its_value() {
    let settings = Settings { count: 1, max_payload: "1MB".into(), ..Settings::default() };
    let servers = NatsServers::start(settings).await.unwrap();
    let refused = NatsLog::open(options(&servers)).await.err().unwrap().to_string();
    assert!(refused.contains("max_payload: 2MB"), "{refused}");
}
