//! Messages that flow through a mesh while a test does something to it, and the judgement of what became of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use barid_testkit::generate::Generator;
use barid_testkit::history::History;
use barid_testkit::receiver::Receiver;
use barid_testkit::sender::{self, Load, Made, Report};
use tokio::task::JoinHandle;

use crate::process_relay::{Ended, PATIENCE, distinct};

/// What is sent without an end, and where it comes out.
pub(crate) struct Flow<'a> {
    out: &'a Receiver,
    pub(crate) ended: Ended,
    stop: Arc<AtomicBool>,
    sending: JoinHandle<Report>,
}

/// Facilities `H00`, `H01` and so on.
pub(crate) fn facilities(count: u64) -> Vec<Generator> {
    (0..count).map(|n| Generator::new(n, &format!("H{n:02}"))).collect()
}

impl<'a> Flow<'a> {
    /// Begins to send for so many facilities, each message again until it is acknowledged.
    pub(crate) fn begin(load: Load, count: u64, out: &'a Receiver) -> Self {
        let (ended, stop) = (Ended::default(), Arc::clone(&load.stop));
        let source = Arc::new(Made::new(facilities(count), u64::MAX));
        let sending = tokio::spawn(sender::run(load, source, ended.observer()));
        Self { out, ended, stop, sending }
    }

    /// Waits until so many more have come out.
    pub(crate) async fn passes(&self, more: u64) {
        let (from, begun) = (self.out.count(), Instant::now());
        while self.out.count() < from + more {
            assert!(begun.elapsed() < PATIENCE, "only {} of {more} messages passed", self.out.count() - from);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends it: all that was sent was acknowledged. What is still on its way is not waited for.
    pub(crate) async fn stop(self) -> (Ended, Report) {
        self.stop.store(true, Ordering::SeqCst);
        let report = tokio::time::timeout(PATIENCE, self.sending).await.unwrap().unwrap();
        println!("{} accepted, {} sent again, {:?}", report.accepted, report.resent, report.failures);
        assert_eq!(report.accepted, report.messages(), "not all were acknowledged: {report:?}");
        (self.ended, report)
    }

    /// Ends it, and judges: all of it came out, in order, and repeated only where that may be.
    pub(crate) async fn end(self) {
        let out = self.out;
        let (ended, report) = self.stop().await;
        distinct(out, usize::try_from(report.accepted).unwrap()).await;
        clean(&ended.history_at(&[("out", out)]));
    }
}

/// What was sent came to where it should, in order, and repeated only where that may be.
pub(crate) fn clean(history: &History) {
    let verdict = history.judge();
    println!("{verdict}");
    assert!(verdict.is_clean(), "{verdict}");
}
