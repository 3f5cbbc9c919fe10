//! Many subjects of one stream that catch up together get each their own records, whole and in order.

use std::sync::Arc;
use std::time::Duration;

use barid_log::{Log, Position, ReadLimit, Reader, Subject, Writer};
use bytes::Bytes;

use crate::support::{one, open, options};

const SUBJECTS: u64 = 8;
const RECORDS: u64 = 120;

fn subject(n: u64) -> Subject {
    Subject::new(format!("out.registry.{n:02}")).unwrap()
}

fn record(subject: u64, n: u64) -> Bytes {
    let mut bytes = format!("{subject} {n} ").into_bytes();
    bytes.resize(20_000, b'x');
    bytes.into()
}

/// Reads from `from` to the end, pausing after each batch.
async fn caught_up(log: Arc<dyn Log>, of: u64, from: u64, limit: ReadLimit, pause: Duration) {
    let mut reader = Reader::new(log, subject(of), Position(from));
    let mut expected = from;
    while expected <= RECORDS {
        let batch = tokio::time::timeout(Duration::from_secs(30), reader.next(limit)).await.unwrap().unwrap();
        assert!(batch.damaged.is_empty(), "{:?}", batch.damaged);
        for entry in batch.entries {
            assert_eq!(entry.position, Position(expected));
            assert!(entry.record == record(of, expected), "record {expected} of subject {of}");
            expected += 1;
        }
        tokio::time::sleep(pause).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subjects_that_catch_up_together_get_their_own_records_in_order_whatever_their_pace() {
    let mut options = options(one().await);
    let log: Arc<dyn Log> = Arc::new(open(&options).await);
    let mut writers = Vec::new();
    for n in 0..SUBJECTS {
        writers.push(Writer::open(Arc::clone(&log), subject(n)).await.unwrap().0);
    }
    for n in 1..=RECORDS {
        for (of, writer) in writers.iter_mut().enumerate() {
            writer.append_durable(vec![record(of as u64, n)]).await.unwrap();
        }
    }
    // Room for one pass, for plenty, and none at all: each reads for itself.
    for read_ahead in [1, 32 << 20, 0] {
        options.read_ahead = read_ahead;
        let log: Arc<dyn Log> = Arc::new(open(&options).await);
        let mut readers = Vec::new();
        for of in 0..SUBJECTS {
            let limit = ReadLimit { records: 1 + of as usize * 7, bytes: 1 << 20 };
            let pause = Duration::from_millis(if of == 3 { 20 } else { 0 });
            // One begins in the middle.
            let from = if of == 5 { 60 } else { 1 };
            readers.push(tokio::spawn(caught_up(Arc::clone(&log), of, from, limit, pause)));
        }
        for reader in readers {
            reader.await.unwrap();
        }
    }
}
