//! Trims give space back, and take nothing else with them.

use std::sync::Arc;

use super::{Written, append, eventually, open_on, read_all, record, subject};
use crate::disk::simulated::Simulated;
use crate::{Key, Log, Position, ReadLimit, Revision};

fn segment_bytes(disk: &Simulated) -> usize {
    disk.files().iter().filter(|(name, _)| name.ends_with(".seg")).map(|(_, size)| size).sum()
}

fn segments(disk: &Simulated) -> usize {
    disk.files().iter().filter(|(name, _)| name.ends_with(".seg")).count()
}

#[tokio::test]
async fn segments_without_live_records_are_removed() {
    let disk = Simulated::new();
    let (log, _) = open_on(&disk);
    let mut written = Written::default();
    for _ in 0..100 {
        written.append(&log, "in.00", &[20_000]).await;
    }
    assert!(segments(&disk) >= 8);
    log.trim(&subject("in.00"), Position(95)).await.unwrap();
    written.append(&log, "in.00", &[20_000]).await;
    eventually("old segments are gone", async || segments(&disk) <= 3).await;
    let bounds = log.bounds(&subject("in.00")).await.unwrap();
    assert_eq!((bounds.first, bounds.last), (Position(95), Position(101)));
    drop(log);
    let (log, recovery) = open_on(&disk);
    assert!(recovery.damaged_places.is_empty());
    let batch = log.read(&subject("in.00"), Position(1), ReadLimit::default()).await.unwrap();
    assert_eq!(batch.trimmed_to, Some(Position(95)));
    assert_eq!(batch.entries.len(), 7);
    assert!(batch.entries.iter().all(|e| e.record == written.0[&subject("in.00")][e.position.0 as usize - 1]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rewriting_keeps_order_and_content_for_readers_that_are_in_the_middle() {
    let disk = Simulated::new();
    let (log, _) = open_on(&disk);
    let (trimmed, kept) = (subject("in.00"), subject("out.a.00"));
    let mut written = Written::default();
    for n in 0..120 {
        written.append(&log, "in.00", &[9_000, 100]).await;
        written.append(&log, "out.a.00", &[500, 1_000 + n % 7]).await;
    }
    let before = segment_bytes(&disk);
    let reader = {
        let (log, kept, expected) = (log.clone(), kept.clone(), written.0[&kept].clone());
        tokio::spawn(async move {
            for _ in 0..60 {
                let batch = read_all(&log, &kept).await;
                assert!(batch.damaged.is_empty(), "{:?}", batch.damaged);
                assert!(batch.entries.iter().map(|e| &e.record).eq(expected.iter()));
                tokio::task::yield_now().await;
            }
        })
    };
    for end in [60, 120, 200, 239] {
        let held = segment_bytes(&disk);
        log.trim(&trimmed, Position(end)).await.unwrap();
        append(
            &log,
            &subject("tick"),
            log.bounds(&subject("tick")).await.unwrap().last.0,
            vec![record(&trimmed, 1, 5)],
        )
        .await;
        eventually("what was trimmed is given back while others read", async || segment_bytes(&disk) < held).await;
    }
    reader.await.unwrap();
    eventually("segments are rewritten", async || segment_bytes(&disk) < before / 3).await;
    assert!(disk.files().iter().any(|(name, _)| name.contains(".0001.seg")), "{:?}", disk.files());
    drop(log);
    let (log, recovery) = open_on(&disk);
    assert!(recovery.damaged_places.is_empty());
    let batch = read_all(&log, &kept).await;
    assert!(batch.entries.iter().map(|e| &e.record).eq(written.0[&kept].iter()));
    assert_eq!(read_all(&log, &trimmed).await.entries[0].position, Position(239));
    // The rewritten segments can be scanned as well as read by their sidecars.
    drop(log);
    for (name, _) in disk.files().into_iter().filter(|(name, _)| name.ends_with(".idx")) {
        disk.edit(&name, Vec::clear);
    }
    let (log, recovery) = open_on(&disk);
    assert!(recovery.damaged_places.is_empty(), "{recovery:?}");
    let batch = read_all(&log, &kept).await;
    assert!(batch.damaged.is_empty());
    assert!(batch.entries.iter().map(|e| &e.record).eq(written.0[&kept].iter()));
}

#[tokio::test]
async fn old_values_of_keys_go_and_deleted_ones_do_not_come_back() {
    let disk = Simulated::new();
    let (log, _) = open_on(&disk);
    let (many, gone) = (Key::new("commit.many").unwrap(), Key::new("answer.gone").unwrap());
    let s = subject("in.00");
    let (mut revision, mut gone_at) = (Revision::NONE, Revision::NONE);
    for n in 0..150u64 {
        revision = log.put(&many, revision, record(&s, n, 10_000)).await.unwrap();
        if n < 5 {
            gone_at = log.put(&gone, gone_at, record(&s, n, 100)).await.unwrap();
        }
        if n == 60 {
            log.delete(&gone, gone_at).await.unwrap();
        }
    }
    eventually("old values are gone", async || segment_bytes(&disk) < 700_000).await;
    for _ in 0..2 {
        assert!(log.get(&gone).await.unwrap().is_none());
        drop(open_on(&disk.after_kill()));
    }
    drop(log);
    let (log, _) = open_on(&disk);
    assert!(log.get(&gone).await.unwrap().is_none());
    assert_eq!(log.get(&many).await.unwrap(), Some((revision, record(&s, 149, 10_000))));
    let next = log.put(&gone, Revision::NONE, record(&s, 1, 1)).await.unwrap();
    assert!(next > revision);
}

#[tokio::test]
async fn the_last_record_of_an_idle_subject_outlives_everything_around_it() {
    let disk = Simulated::new();
    let (log, _) = open_on(&disk);
    let (idle, busy) = (subject("out.idle.00"), subject("in.00"));
    append(&log, &idle, 0, (1..=10).map(|n| record(&idle, n, 2_000)).collect()).await;
    log.trim(&idle, Position(100)).await.unwrap();
    for n in 0..200u64 {
        append(&log, &busy, n, vec![record(&busy, n + 1, 10_000)]).await;
        log.trim(&busy, Position(n)).await.unwrap();
    }
    eventually("busy records are gone", async || segment_bytes(&disk) < 900_000).await;
    assert_eq!(log.last(&idle).await.unwrap().unwrap().record, record(&idle, 10, 2_000));
    drop(log);
    let (log, _) = open_on(&disk);
    assert_eq!(log.last(&idle).await.unwrap().unwrap().record, record(&idle, 10, 2_000));
    append(&log, &idle, 10, vec![record(&idle, 11, 10)]).await;
}

#[tokio::test]
async fn compaction_reports_what_damage_it_meets() {
    let disk = Simulated::new();
    let (log, _) = open_on(&disk);
    let mut written = Written::default();
    for _ in 0..40 {
        written.append(&log, "in.00", &[9_000]).await;
        written.append(&log, "out.a.00", &[300, 310]).await;
    }
    drop(log);
    // One body and one header in the first segment.
    let first = disk.files().into_iter().find(|(name, _)| name.ends_with(".seg")).unwrap().0;
    disk.edit(&first, |bytes| {
        let bodies: Vec<usize> =
            bytes.windows(9).enumerate().filter(|(_, w)| *w == b"out.a.00@").map(|(at, _)| at).collect();
        bytes[bodies[2] + 40] ^= 1;
        bytes[bodies[5] - 10] ^= 1;
    });
    let (log, _) = open_on(&disk);
    log.trim(&subject("in.00"), Position(40)).await.unwrap();
    append(&log, &subject("tick"), 0, vec![record(&subject("tick"), 1, 5)]).await;
    eventually("the segment is rewritten", async || {
        disk.files().iter().any(|(name, _)| name.starts_with("000000000001.0001."))
    })
    .await;
    let mut expected = Written::default();
    expected.0.insert(subject("out.a.00"), written.0[&subject("out.a.00")].clone());
    assert_eq!(expected.check(&log).await, 2);
    drop(log);
    for (name, _) in disk.files().into_iter().filter(|(name, _)| name.ends_with(".idx")) {
        disk.edit(&name, Vec::clear);
    }
    let (log, _) = open_on(&disk);
    assert_eq!(expected.check(&log).await, 2);
    drop(Arc::clone(&log));
}
