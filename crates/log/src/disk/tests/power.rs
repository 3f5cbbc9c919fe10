//! Power cuts and kills at any moment: what was acknowledged is there, and each subject is a prefix of what was sent.

use std::sync::Arc;

use proptest::prelude::*;

use super::{options, read_all, record, subject};
use crate::disk::simulated::Simulated;
use crate::disk::{DiskLog, Options};
use crate::{Key, Log, Position, Revision, Writer};

const SUBJECTS: [&str; 4] = ["in.00", "in.01", "out.a.00", "outcome.a"];

/// What the writers know at the end: acknowledged and sent positions of each subject, and acknowledged versions of the keys.
struct Known {
    acknowledged: Vec<u64>,
    sent: Vec<u64>,
    keys: Vec<u64>,
}

/// Writes until the disk gives up: four pipelined writers, two keys, trims.
async fn work(log: &Arc<DiskLog>, from: &[u64], keys_from: &[u64], rounds: u64) -> Known {
    let mut tasks = Vec::new();
    for (n, name) in SUBJECTS.iter().enumerate() {
        let (log, mut known) = (log.clone(), from[n]);
        tasks.push(tokio::spawn(async move {
            let s = subject(name);
            let mut sent = known;
            let Ok((mut writer, _)) = Writer::open(log.clone(), s.clone()).await else { return (known, sent) };
            for round in 0..rounds {
                let mut tickets = Vec::new();
                for _ in 0..3 {
                    let next = writer.last().0 + 1;
                    let size = (next as usize * 37 % 11) * 300;
                    match writer.append(vec![record(&s, next, size), record(&s, next + 1, 20)]).await {
                        Ok(ticket) => tickets.push(ticket),
                        Err(_) => return (known, sent),
                    }
                    sent = sent.max(writer.last().0);
                }
                for ticket in tickets {
                    match ticket.await {
                        Ok(position) => known = position.0,
                        Err(_) => return (known, sent),
                    }
                }
                if n == 0 && round % 4 == 3 {
                    drop(log.trim(&s, Position(known.saturating_sub(5))).await);
                }
            }
            (known, sent)
        }));
    }
    let mut key_tasks = Vec::new();
    for (n, from) in keys_from.iter().enumerate() {
        let (log, mut version) = (log.clone(), *from);
        key_tasks.push(tokio::spawn(async move {
            let key = Key::new(format!("commit.{n}")).unwrap();
            for _ in 0..rounds {
                let Ok(now) = log.get(&key).await else { return version };
                let expect = now.map_or(Revision::NONE, |(revision, _)| revision);
                match log.put(&key, expect, (version + 1).to_string().into()).await {
                    Ok(_) => version += 1,
                    Err(_) => return version,
                }
            }
            version
        }));
    }
    let mut known = Known { acknowledged: Vec::new(), sent: Vec::new(), keys: Vec::new() };
    for task in tasks {
        let (acknowledged, sent) = task.await.unwrap();
        known.acknowledged.push(acknowledged);
        known.sent.push(sent);
    }
    for task in key_tasks {
        known.keys.push(task.await.unwrap());
    }
    known
}

/// Compares what a start serves with what the writers know; returns the ends.
async fn judge(log: &DiskLog, known: &Known) -> (Vec<u64>, Vec<u64>) {
    let mut ends = Vec::new();
    for (n, name) in SUBJECTS.iter().enumerate() {
        let s = subject(name);
        let batch = read_all(log, &s).await;
        assert!(batch.damaged.is_empty(), "{name}: {:?}", batch.damaged);
        let end = log.bounds(&s).await.unwrap().last.0;
        assert!(end >= known.acknowledged[n], "{name}: {} acknowledged, {end} there", known.acknowledged[n]);
        assert!(end <= known.sent[n], "{name}: {} sent, {end} there", known.sent[n]);
        let first = batch.entries.first().map_or(1, |e| e.position.0);
        assert!(first == 1 || n == 0, "only in.00 is trimmed");
        for (entry, position) in batch.entries.iter().zip(first..) {
            assert_eq!(entry.position.0, position);
            assert!(entry.record.starts_with(format!("{name}@{position};").as_bytes()));
        }
        assert_eq!(batch.entries.last().map_or(0, |e| e.position.0), end);
        ends.push(end);
    }
    let mut versions = Vec::new();
    for (n, acknowledged) in known.keys.iter().enumerate() {
        let value = log.get(&Key::new(format!("commit.{n}")).unwrap()).await.unwrap();
        let version = value.map_or(0, |(_, value)| std::str::from_utf8(&value).unwrap().parse().unwrap());
        assert!(
            version == *acknowledged || version == acknowledged + 1,
            "key {n}: {acknowledged} acknowledged, {version} there"
        );
        versions.push(version);
    }
    (ends, versions)
}

async fn history(freezes: &[u64], cuts: &[u64]) {
    let mut disk = Simulated::new();
    let quick = || Options { segment_bytes: 24 << 10, keep_every: std::time::Duration::from_millis(1), ..options() };
    let (mut ends, mut versions) = (vec![0; SUBJECTS.len()], vec![0; 2]);
    for (freeze, cut) in freezes.iter().zip(cuts) {
        disk.freeze_after(*freeze);
        let known = match DiskLog::open_on(Arc::new(disk.clone()), quick()) {
            Ok((log, _)) => work(&Arc::new(log), &ends, &versions, 40).await,
            // Died while it was opening.
            Err(_) => Known { acknowledged: ends.clone(), sent: ends.clone(), keys: versions.clone() },
        };
        disk = if cut % 3 == 0 { disk.after_kill() } else { disk.after_power_cut(*cut) };
        let (log, recovery) = DiskLog::open_on(Arc::new(disk.clone()), quick()).unwrap();
        assert!(recovery.damaged_places.is_empty(), "a crash is no damage: {recovery:?}");
        (ends, versions) = judge(&log, &known).await;
        // What is served once stays, even if the power goes right after.
        let served = Known { acknowledged: ends.clone(), sent: ends.clone(), keys: versions.clone() };
        let again = disk.after_power_cut(cut / 3);
        let (after, _) = DiskLog::open_on(Arc::new(again), quick()).unwrap();
        let (_, same) = judge(&after, &served).await;
        assert_eq!(same, versions);
        drop(log);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn crashes_lose_nothing_acknowledged(
        freezes in prop::collection::vec(0u64..260, 1..5),
        cuts in prop::collection::vec(any::<u64>(), 5),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(history(&freezes, &cuts));
    }
}
