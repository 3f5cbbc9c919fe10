use std::path::PathBuf;
use std::sync::Arc;

use barid_custody::Channels;
use barid_custody::act::Act;
use barid_ledger::SqliteLedger;
use barid_log::Log;
use barid_log::memory::MemoryLog;
use barid_model::{Clock, LaneHasher, Partitions};
use barid_pipeline::Intake;
use barid_runtime::SystemClock;
use barid_runtime::control::protocol::By;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::*;
use crate::commands::acting::Owners;
use crate::commands::journal::Journal;

struct Nobody;

impl Owners for Nobody {
    fn knows<'a>(&'a self, _: &'a Name) -> BoxFuture<'a, CommandResult<bool>> {
        Box::pin(async { Ok(false) })
    }
    fn act<'a>(&'a self, _: &'a By, _: &'a Name, _: Act) -> BoxFuture<'a, Result<u64, Why>> {
        Box::pin(async { Err("nobody is here".to_owned()) })
    }
}

async fn acting() -> Acting {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new(16));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let history = History {
        log: Arc::clone(&log),
        ledger: Arc::new(SqliteLedger::in_memory().unwrap()),
        hasher: LaneHasher::new([7; 16]),
        channels: Arc::new(Channels::new(Arc::clone(&log))),
        clock: Arc::clone(&clock),
        data: PathBuf::new(),
    };
    Acting {
        history,
        journal: Journal::new(&log, &clock),
        intake: Arc::new(Intake::open(&log, Partitions::STANDALONE).await.unwrap()),
        admits: Box::new(|_| Ok(())),
        owners: Arc::new(Nobody),
    }
}

fn uid(number: u8) -> MessageUid {
    MessageUid::from_bytes([number; 16])
}

#[tokio::test]
async fn o5_behind_a_replayed_message_that_was_not_stored_none_is_sent() {
    let acting = acting().await;
    let by = By { actor: "amina".into(), reason: "a test".into() };
    let again = Again { acting: &acting, by: &by, cause: Cause::Replayed, answers: false };
    let replayed = Replayed::default();
    let (in_flight, chain) = (VecDeque::new(), Chain::default());
    let mut run = Run { again, revision: ReplayRevision::Now, replayed, in_flight, chain, until: None };
    let mut ends = Vec::new();
    for number in 1..=4 {
        let (end, done) = oneshot::channel();
        let at = Position(u64::from(number));
        let ticket = Durable::Sole(barid_log::Ticket::new(at, at, done));
        run.in_flight.push_back((uid(number), uid(100 + number), ticket));
        ends.push(end);
    }
    let mut ends = ends.into_iter();
    assert_eq!(run.ended(), Ok(()), "nothing is known yet");
    ends.next().unwrap().send(Ok(())).unwrap();
    assert_eq!(run.ended(), Ok(()));
    assert_eq!((run.replayed.made, run.in_flight.len()), (1, 3));
    ends.next().unwrap().send(Err(LogError::Busy("it is closing".into()))).unwrap();
    assert!(run.ended().unwrap_err().contains("one before it was not stored"));
    ends.next().unwrap().send(Err(LogError::Unknown("the connection broke".into()))).unwrap();
    assert!(run.landed().await.is_err(), "where it is waited for as well");
    let missed = &run.replayed.missed;
    assert_eq!((missed.len(), run.replayed.made), (2, 1));
    assert!(!missed[0].why.contains("may have been"), "{missed:?}");
    assert!(missed[1].id == uid(3).to_string() && missed[1].why.starts_with("it may have been sent"), "{missed:?}");
}
