//! What was written last is read from memory, as if it were read from the files.

use super::*;

/// More than memory keeps of the newest records.
const RECORDS: u64 = 3_000;

#[tokio::test]
async fn records_read_the_same_from_memory_and_from_the_files_and_over_the_border() {
    let disk = Simulated::new();
    let (log, _) = open_on(&disk);
    let subjects = [subject("in.00"), subject("out.a.00")];
    for position in 1..=RECORDS {
        for subject in &subjects {
            append(&log, subject, position - 1, vec![record(subject, position, 3_000)]).await;
        }
    }
    for subject in &subjects {
        for from in [1, RECORDS / 2, RECORDS - 1, RECORDS] {
            let mut next = Position(from);
            while next.0 <= RECORDS {
                let batch = log.read(subject, next, ReadLimit { records: 700, bytes: 1 << 20 }).await.unwrap();
                assert!(!batch.entries.is_empty() && batch.damaged.is_empty());
                for entry in batch.entries {
                    assert_eq!(entry.position, next);
                    assert!(entry.record == record(subject, next.0, 3_000));
                    next = next.next();
                }
            }
        }
    }
}

#[tokio::test]
async fn a_read_from_memory_keeps_its_limit_and_the_trim() {
    let (log, _) = open_on(&Simulated::new());
    let s = subject("in.00");
    append(&log, &s, 0, (1..=9).map(|position| record(&s, position, 100)).collect()).await;
    let limited = |records, bytes| log.read(&s, Position(2), ReadLimit { records, bytes });
    let positions = |batch: &Batch| batch.entries.iter().map(|entry| entry.position.0).collect::<Vec<_>>();
    assert_eq!(positions(&limited(3, 1 << 20).await.unwrap()), [2, 3, 4]);
    assert_eq!(positions(&limited(9, 250).await.unwrap()), [2, 3]);
    assert_eq!(positions(&limited(9, 1).await.unwrap()), [2], "one larger record is returned alone");
    log.trim(&s, Position(6)).await.unwrap();
    let batch = limited(9, 1 << 20).await.unwrap();
    assert_eq!((positions(&batch), batch.trimmed_to), (vec![6, 7, 8, 9], Some(Position(6))));
}
