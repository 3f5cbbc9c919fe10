//! Leaders go: leases that run out meanwhile hold again, and what others append is heard soon after.

use std::sync::Arc;
use std::time::{Duration, Instant};

use barid_log::{Log, Position, ReadLimit, Reader, Subject, Writer};
use barid_log_nats::{Claiming, Member, NatsLog, Terms};
use bytes::Bytes;

use super::faults::ALONE;
use crate::support::{open, options, start, until};

/// How long servers may take to agree on a leader (4 to 9 s), on a machine that does other things as well.
const ELECTION: Duration = Duration::from_secs(20);
/// How soon what is appended is heard of when the server with the consumer is gone: the client's own takes ten seconds and more.
const HEARD: Duration = Duration::from_secs(6);

async fn leader(log: &NatsLog, of: &str) -> usize {
    let mut found = None;
    until("a leader known", ELECTION, async || {
        let status = log.status();
        let stream = status.streams.iter().find(|stream| stream.name.starts_with(of));
        found = stream.and_then(|stream| stream.leader.as_ref()?.trim_start_matches('n').parse::<usize>().ok());
        found.is_some()
    })
    .await;
    found.unwrap() - 1
}

async fn claimed(member: &Member, item: &str) -> u64 {
    match member.claim(item).await.unwrap() {
        Claiming::Ours(claim) => claim.epoch,
        held => panic!("{held:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_leader_of_the_keys_ends_nobodys_lease_and_moves_nothing() {
    let _alone = ALONE.lock().await;
    let servers = start(3).await;
    let options = options(&servers);
    let (a, b) = (Arc::new(open(&options).await), Arc::new(open(&options).await));
    let join = async |log: &Arc<NatsLog>, name: &str| {
        Member::join(Arc::clone(log) as Arc<dyn Log>, "test", name, Terms::default()).await.unwrap()
    };
    let (one, two) = (join(&a, "one").await, join(&b, "two").await);
    let epochs = (claimed(&one, "p").await, claimed(&two, "q").await);
    until("both seen", ELECTION, async || one.members().borrow().len() == 2 && two.members().borrow().len() == 2).await;
    let victim = leader(&a, "KV_").await;
    let begun = Instant::now();
    servers.kill(victim);
    // The election takes as long as their leases, or longer: then they run out.
    let ran_out = tokio::time::timeout(ELECTION, async { tokio::join!(one.run_out(), two.run_out()) }).await.is_ok();
    let after = begun.elapsed();
    if ran_out {
        for member in [&one, &two] {
            assert!(tokio::time::timeout(ELECTION, member.regained()).await.unwrap(), "{} is lost", member.name());
        }
        println!("run out after {after:?}, hold again after {:?}", begun.elapsed());
    }
    servers.restart(victim).unwrap();
    servers.ready().await.unwrap();
    // Longer than anybody waits who thinks another silent.
    let settled = Instant::now() + Terms::default().lease + Terms::default().guard;
    while Instant::now() < settled {
        assert!(!one.is_lost() && !two.is_lost());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!((claimed(&one, "p").await, claimed(&two, "q").await), epochs);
    assert!(matches!(one.claim("q").await.unwrap(), Claiming::Held { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_append_is_heard_soon_whichever_server_is_gone() {
    let _alone = ALONE.lock().await;
    let servers = start(3).await;
    let options = options(&servers);
    let (reads, writes): (Arc<dyn Log>, Arc<dyn Log>) =
        (Arc::new(open(&options).await), Arc::new(open(&options).await));
    // Not intake, which waits for the proof of durability besides.
    let subject = Subject::new("out.x.03").unwrap();
    let (mut writer, _) = Writer::open(writes, subject.clone()).await.unwrap();
    let mut reader = Reader::new(reads, subject, Position::START);
    let mut number = 0;
    let mut round = async |within: Duration| {
        number += 1;
        let record = Bytes::from(format!("record {number}"));
        let appending = Instant::now();
        while let Err(error) = writer.append_durable(vec![record.clone()]).await {
            assert!(appending.elapsed() < ELECTION * 2, "record {number} is not taken: {error}");
            // Where it is not known what became of it, a second copy does no harm here.
            if let Err(error) = writer.settle().await {
                println!("record {number}: not settled: {error}");
            }
        }
        let (taken, begun) = (appending.elapsed(), Instant::now());
        loop {
            let left = within.saturating_sub(begun.elapsed());
            let batch = tokio::time::timeout(left, reader.next(ReadLimit::default())).await;
            let batch = batch.unwrap_or_else(|_| panic!("record {number} is not heard within {within:?}")).unwrap();
            if batch.entries.iter().any(|entry| entry.record == record) {
                break;
            }
        }
        println!("record {number}: taken after {taken:?}, heard {:?} later", begun.elapsed());
    };
    round(HEARD).await;
    // One of them has the consumer, another the connection.
    for number in 0..servers.count() {
        servers.kill(number);
        round(HEARD).await;
        servers.restart(number).unwrap();
        servers.ready().await.unwrap();
    }
    round(HEARD).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn intake_goes_on_without_a_server_that_died_just_after_another_was_started_again() {
    let _alone = ALONE.lock().await;
    let servers = start(3).await;
    let log: Arc<dyn Log> = Arc::new(open(&options(&servers)).await);
    let (mut writer, _) = Writer::open(log, Subject::new("in.03").unwrap()).await.unwrap();
    let mut taken = async |within: Duration| {
        let begun = Instant::now();
        while let Err(error) = writer.append_durable(vec![Bytes::from_static(b"record")]).await {
            assert!(begun.elapsed() < within, "not taken: {error}");
            drop(writer.settle().await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        println!("taken after {:?}", begun.elapsed());
    };
    taken(ELECTION).await;
    servers.kill(0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    servers.restart(0).unwrap();
    servers.ready().await.unwrap();
    // What was proven has ended with the new one, and the dead one cannot be asked.
    servers.kill(1);
    tokio::time::sleep(Duration::from_secs(1)).await;
    taken(ELECTION).await;
}
