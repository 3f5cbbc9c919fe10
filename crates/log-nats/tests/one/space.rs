//! A full stream pushes back, and comes back when it is trimmed.

use std::time::Duration;

use barid_log::{Log, LogError, Position, Purpose, SpaceLevel, Subject};
use bytes::Bytes;

use crate::support::{one, open, options, until};

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
