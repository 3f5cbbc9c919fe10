//! Torn tails and flipped bits: what was acknowledged is served or reported with its place, never garbled; what was not is served up to a prefix.

use std::sync::Arc;

use proptest::prelude::*;

use super::{Written, append, open_on, options, read_all, record, subject};
use crate::disk::DiskLog;
use crate::disk::simulated::Simulated;
use crate::{Key, Log, LogError, Position, Revision};

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// The newest segment file and its size.
fn last_segment(disk: &Simulated) -> (String, usize) {
    disk.files().into_iter().rfind(|(name, _)| name.ends_with(".seg")).unwrap()
}

/// Bytes in use of a file.
fn used(disk: &Simulated, name: &str) -> usize {
    let mut used = 0;
    disk.edit(name, |bytes| used = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1));
    used
}

/// Two groups and then one of five records of two subjects, which no group confirms.
async fn with_a_last_group(disk: &Simulated) -> (Written, usize, usize) {
    let (log, _) = open_on(disk);
    let mut written = Written::default();
    written.append(&log, "in.00", &[100, 200]).await;
    written.append(&log, "out.a.00", &[50]).await;
    let before = used(disk, &last_segment(disk).0);
    written.append(&log, "in.00", &[30, 40, 50, 60, 70]).await;
    let after = used(disk, &last_segment(disk).0);
    (written, before, after)
}

#[test]
fn a_tail_torn_at_any_byte_leaves_a_prefix() {
    run(async {
        let disk = Simulated::new();
        let (written, before, after) = with_a_last_group(&disk).await;
        // The log above was closed, which confirmed its last group; cutting there undoes that.
        let name = last_segment(&disk).0;
        let mut seen = std::collections::BTreeSet::new();
        for cut in before..after {
            for garbage in [false, true] {
                let disk = disk.after_kill();
                disk.edit(&name, |bytes| {
                    bytes[cut..].fill(0);
                    if garbage {
                        for (at, byte) in bytes[cut..after].iter_mut().enumerate() {
                            *byte = (at * 7 + cut) as u8 | 1;
                        }
                    }
                });
                let (log, recovery) = open_on(&disk);
                assert!(recovery.damaged_places.is_empty(), "cut at {cut}: {recovery:?}");
                let mut kept = written.clone();
                let in_00 = read_all(&log, &subject("in.00")).await.entries.len();
                assert!(in_00 >= 2);
                seen.insert(in_00);
                kept.0.get_mut(&subject("in.00")).unwrap().truncate(in_00);
                assert_eq!(kept.check(&log).await, 0);
                // And the log goes on from there.
                kept.append(&log, "in.00", &[10]).await;
                drop(log);
                let (log, recovery) = open_on(&disk);
                assert_eq!((recovery.torn_bytes, recovery.damaged_places.len()), (0, 0));
                assert_eq!(kept.check(&log).await, 0);
            }
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [2, 3, 4, 5, 6, 7], "every prefix of the last group occurs");
    });
}

/// A log with many groups in several segments, sealed ones and the newest, closed properly.
async fn several_segments(disk: &Simulated) -> Written {
    let (log, _) = open_on(disk);
    let mut written = Written::default();
    for n in 0..60 {
        written.append(&log, "in.00", &[3000, 10]).await;
        written.append(&log, ["out.a.00", "out.b.00", "outcome.a"][n % 3], &[4000, 500, 20]).await;
    }
    written
}

/// Nobody gets the position of what was lost, and everything else is still there for the next start.
async fn after_damage(disk: &Simulated, log: Arc<DiskLog>, written: &Written, lost: u64) {
    let mut more = written.clone();
    for (subject, records) in &mut more.0 {
        let last = records.len() as u64;
        append(&log, subject, last, vec![record(subject, last + 1, 10)]).await;
        records.push(record(subject, last + 1, 10));
    }
    drop(log);
    let (log, _) = open_on(disk);
    assert_eq!(more.check(&log).await, lost, "the same is lost after another start");
}

#[test]
fn a_bit_flipped_in_any_byte_of_the_newest_segment_costs_one_record_at_most() {
    run(async {
        let disk = Simulated::new();
        let (log, _) = open_on(&disk);
        let mut written = Written::default();
        for sizes in [&[40, 30][..], &[20], &[50]] {
            written.append(&log, "in.00", sizes).await;
            written.append(&log, "out.a.00", sizes).await;
        }
        drop(log);
        let (name, _) = last_segment(&disk);
        for at in 0..used(&disk, &name) {
            let disk = disk.after_kill();
            disk.edit(&name, |bytes| bytes[at] ^= 1 << (at % 8));
            let (log, recovery) = open_on(&disk);
            let lost = written.check(&log).await;
            assert!(lost <= 1, "{lost} records lost by a bit at {at}");
            assert!(lost == 0 || !recovery.damaged_places.is_empty(), "bit at {at}");
            if lost > 0 || at % 16 == 0 {
                after_damage(&disk, log, &written, lost).await;
            }
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_flipped_bit_costs_one_record_at_most_and_is_reported(place in any::<prop::sample::Index>(), bit in 0u8..8) {
        run(async {
            let disk = Simulated::new();
            let written = several_segments(&disk).await;
            let files = disk.files();
            let sizes: Vec<(String, usize)> = files.into_iter().map(|(name, _)| { let used = used(&disk, &name); (name, used) }).collect();
            let mut at = place.index(sizes.iter().map(|(_, size)| size).sum());
            let (name, offset) = sizes.iter().find_map(|(name, size)| if at < *size { Some((name.clone(), at)) } else { at -= size; None }).unwrap();
            disk.edit(&name, |bytes| bytes[offset] ^= 1 << bit);

            let (log, recovery) = open_on(&disk);
            let lost = written.check(&log).await;
            assert!(lost <= 1, "{lost} records lost by a bit in {name}:{offset}");
            if lost == 1 && name == last_segment(&disk).0 {
                assert!(!recovery.damaged_places.is_empty());
            }
            after_damage(&disk, log, &written, lost).await;
        });
    }

    #[test]
    fn any_bytes_anywhere_are_survived(from in any::<prop::sample::Index>(), noise in prop::collection::vec(any::<u8>(), 1..5000)) {
        run(async {
            let disk = Simulated::new();
            let written = several_segments(&disk).await;
            let segments: Vec<String> = disk.files().into_iter().map(|(name, _)| name).filter(|name| name.ends_with(".seg")).collect();
            let name = from.get(&segments).clone();
            let used = used(&disk, &name);
            let start = from.index(used);
            disk.edit(&name, |bytes| for (byte, noise) in bytes[start..used].iter_mut().zip(&noise) { *byte = *noise });
            let (log, _) = open_on(&disk);
            // What is served is what was written, in order; how much is missing depends on the noise.
            for (subject, records) in &written.0 {
                let batch = read_all(&log, subject).await;
                for entry in batch.entries {
                    assert!(records.get(entry.position.0 as usize - 1).is_none_or(|record| *record == entry.record));
                    assert!(entry.position.0 <= records.len() as u64);
                }
            }
        });
    }
}

#[test]
fn bytes_that_imitate_the_format_are_never_taken_for_records() {
    run(async {
        // A sender puts a whole segment of another log into its message, and then the group around it is damaged.
        let other = Simulated::new();
        let (foreign, _) = open_on(&other);
        append(&foreign, &subject("in.00"), 0, vec![record(&subject("in.00"), 1, 100); 3]).await;
        let mut forged = Vec::new();
        other.edit(&last_segment(&other).0, |bytes| forged = bytes[..2000].to_vec());

        let disk = Simulated::new();
        let (log, _) = open_on(&disk);
        append(&log, &subject("in.00"), 0, vec![forged.clone().into()]).await;
        append(&log, &subject("in.00"), 1, vec![record(&subject("in.00"), 2, 10)]).await;
        drop(log);
        let name = last_segment(&disk).0;
        disk.edit(&name, |bytes| bytes[64..180].fill(0xBA));
        let (log, recovery) = open_on(&disk);
        assert!(!recovery.damaged_places.is_empty());
        let batch = read_all(&log, &subject("in.00")).await;
        assert_eq!(batch.entries.iter().map(|e| e.position.0).collect::<Vec<_>>(), [2]);
        assert_eq!(batch.damaged.len(), 1);
    });
}

#[test]
fn a_damaged_last_record_stops_its_new_owner_and_a_damaged_value_its_reader() {
    run(async {
        let disk = Simulated::new();
        let (log, _) = open_on(&disk);
        let (s, key) = (subject("out.a.00"), Key::new("commit.x").unwrap());
        append(&log, &s, 0, vec![record(&s, 1, 300)]).await;
        log.put(&key, Revision::NONE, record(&s, 7, 300)).await.unwrap();
        append(&log, &subject("in.00"), 0, vec![record(&s, 1, 10)]).await;
        drop(log);
        disk.edit(&last_segment(&disk).0, |bytes| {
            let bodies: Vec<usize> =
                bytes.windows(9).enumerate().filter(|(_, w)| *w == b"out.a.00@").map(|(at, _)| at).collect();
            for at in bodies {
                bytes[at + 100] ^= 1;
            }
        });
        let (log, recovery) = open_on(&disk);
        assert_eq!(recovery.lost.len(), 1);
        assert_eq!((recovery.lost[0].0.as_str(), recovery.lost[0].1.from), ("out.a.00", Position(1)));
        assert!(matches!(log.last(&s).await, Err(LogError::Damaged(_))));
        assert_eq!(log.bounds(&s).await.unwrap().last, Position(1));
        assert!(matches!(log.get(&key).await, Err(LogError::Damaged(place)) if place.contains("commit.x")));
        append(&log, &s, 1, vec![record(&s, 2, 300)]).await;
        assert_eq!(log.last(&s).await.unwrap().unwrap().position, Position(2));
    });
}

#[test]
fn a_missing_or_damaged_sidecar_is_made_anew() {
    run(async {
        let disk = Simulated::new();
        let written = several_segments(&disk).await;
        let sidecars: Vec<(String, usize)> =
            disk.files().into_iter().filter(|(name, _)| name.ends_with(".idx")).collect();
        assert!(sidecars.len() >= 2, "{sidecars:?}");
        type Harm = fn(&mut Vec<u8>);
        let harms: [Harm; 5] = [
            |b| b.clear(),
            |b| b.truncate(b.len() / 2),
            |b| b[60] ^= 4,
            |b| {
                let n = b.len();
                b[n - 3] ^= 4
            },
            |b| b.fill(0xFF),
        ];
        for harm in harms {
            let disk = disk.after_kill();
            for (name, _) in &sidecars {
                disk.edit(name, harm);
            }
            let (log, recovery) = open_on(&disk);
            assert_eq!((written.check(&log).await, recovery.damaged_places.len()), (0, 0));
        }
        let disk = disk.after_kill();
        for (name, _) in &sidecars {
            crate::disk::storage::Storage::remove(&disk, name).unwrap();
        }
        let (log, _) = open_on(&disk);
        assert_eq!(written.check(&log).await, 0);
        drop(log);
        let again = disk.files().into_iter().filter(|(name, _)| name.ends_with(".idx")).count();
        assert!(again >= sidecars.len());
    });
}

#[test]
fn a_long_stretch_of_damage_is_reported_whole_and_read_over() {
    run(async {
        let disk = Simulated::new();
        let (log, _) = open_on(&disk);
        let mut written = Written::default();
        for _ in 0..40 {
            written.append(&log, "in.00", &[10; 200]).await;
        }
        drop(log);
        let first = disk.files().into_iter().find(|(name, _)| name.ends_with(".seg")).unwrap().0;
        let (log, _) = open_on(&disk);
        disk.edit(&first, |bytes| bytes[1000..30_000].fill(0xAB));
        let lost = written.check(&log).await;
        assert!((400..1000).contains(&lost), "{lost}");
    });
}

#[test]
fn a_row_that_lies_while_the_log_runs_is_found_out() {
    run(async {
        let disk = Simulated::new();
        let written = several_segments(&disk).await;
        let (log, _) = DiskLog::open_on(Arc::new(disk.clone()), options()).unwrap();
        for (name, _) in disk.files().into_iter().filter(|(name, _)| name.ends_with(".idx")) {
            disk.edit(&name, |bytes| {
                let end = bytes.len();
                bytes[end - 800..].reverse();
            });
        }
        assert_eq!(written.check(&log).await, 0);
    });
}

#[test]
fn a_lost_segment_is_reported_as_a_gap() {
    run(async {
        let disk = Simulated::new();
        let written = several_segments(&disk).await;
        let first = disk.files().into_iter().find(|(name, _)| name.ends_with(".seg")).unwrap().0;
        crate::disk::storage::Storage::remove(&disk, &first).unwrap();
        let (log, _) = open_on(&disk);
        assert!(written.check(&log).await > 10);
    });
}
