use std::collections::HashSet;

use barid_log::memory::{Fault, MemoryLog};

use super::*;

fn subject() -> Subject {
    Subject::new("in.00").unwrap()
}

async fn stored(log: &Arc<dyn Log>) -> Vec<Bytes> {
    let limit = ReadLimit { records: 100_000, bytes: 64 << 20 };
    log.read(&subject(), Position(1), limit).await.unwrap().entries.into_iter().map(|entry| entry.record).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_processes_write_is_one_order_with_each_of_their_records_once() {
    const EACH: usize = 500;
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new(1));
    let write = |name: &'static str| {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            let joint = Joint::new(log, subject());
            let mut positions = Vec::new();
            for number in 0..EACH / 5 {
                let mut answers = Vec::new();
                for part in 0..5 {
                    let record = Bytes::from(format!("{name} {}", number * 5 + part));
                    answers.push(joint.submit(record).await.unwrap());
                }
                for answer in answers {
                    positions.push(answer.await.unwrap().unwrap());
                }
            }
            positions
        })
    };
    let (one, two) = (write("one"), write("two"));
    let (one, two) = (one.await.unwrap(), two.await.unwrap());
    let stored = stored(&log).await;
    assert_eq!(stored.len(), 2 * EACH);
    assert_eq!(stored.iter().collect::<HashSet<_>>().len(), 2 * EACH);
    for (name, positions) in [("one", one), ("two", two)] {
        assert!(positions.is_sorted(), "the order of one process holds");
        for (number, position) in positions.iter().enumerate() {
            assert_eq!(stored[position.0 as usize - 1], format!("{name} {number}"), "an answer names its own place");
        }
    }
}

#[tokio::test]
async fn what_is_in_doubt_and_stored_is_accepted_and_not_stored_twice() {
    let memory = Arc::new(MemoryLog::new(1));
    let log: Arc<dyn Log> = Arc::clone(&memory) as Arc<dyn Log>;
    let joint = Joint::new(Arc::clone(&log), subject());
    for (doubtful_is_stored, fault) in [(true, Fault::UnknownStored), (false, Fault::UnknownLost)] {
        memory.fail_next(fault);
        let answer = joint.submit(Bytes::from(format!("doubt {doubtful_is_stored}"))).await.unwrap();
        answer.await.unwrap().unwrap();
    }
    assert_eq!(stored(&log).await, ["doubt true", "doubt false"]);
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_not_written() {
    let memory = Arc::new(MemoryLog::new(1));
    let log: Arc<dyn Log> = Arc::clone(&memory) as Arc<dyn Log>;
    let joint = Joint::new(Arc::clone(&log), subject());
    drop(joint.submit(Bytes::from_static(b"given up")).await.unwrap());
    joint.submit(Bytes::from_static(b"waited for")).await.unwrap().await.unwrap().unwrap();
    assert_eq!(stored(&log).await, ["waited for"]);
}

async fn submit(joint: &Joint, text: &'static str, chain: Option<&Chain>) -> Answer {
    joint.submit_in(Bytes::from_static(text.as_bytes()), chain).await.unwrap()
}

#[tokio::test]
async fn behind_what_was_refused_nothing_of_its_chain_is_written() {
    let memory = Arc::new(MemoryLog::new(1));
    let log: Arc<dyn Log> = Arc::clone(&memory) as Arc<dyn Log>;
    let joint = Joint::new(Arc::clone(&log), subject());
    let chain = Chain::default();
    submit(&joint, "first", Some(&chain)).await.await.unwrap().unwrap();
    memory.fail_next(Fault::NoSpace);
    submit(&joint, "refused", Some(&chain)).await.await.unwrap().unwrap_err();
    let (behind, other) = (submit(&joint, "behind", Some(&chain)).await, submit(&joint, "another", None).await);
    assert!(behind.await.unwrap().unwrap_err().to_string().contains("one before it was not stored"));
    other.await.unwrap().unwrap();
    assert_eq!(stored(&log).await, ["first", "another"]);
}

#[test]
fn of_what_cannot_be_read_back_it_is_not_said_that_it_is_not_stored() {
    let (ours, other) = (Bytes::from_static(b"ours"), Bytes::from_static(b"another's"));
    let entry = |position, record: &Bytes| Entry { position: Position(position), record: record.clone() };
    let of = |entries: &[Entry]| found(entries, Position(3), [&ours].into_iter());
    assert!(matches!(of(&[]), Err(LogError::Busy(_))), "a replica that is behind shows nothing");
    assert!(matches!(of(&[entry(4, &other)]), Err(LogError::Busy(_))), "it was trimmed, or is damaged");
    assert_eq!((of(&[entry(3, &ours)]).unwrap(), of(&[entry(3, &other)]).unwrap()), (1, 0));
}
