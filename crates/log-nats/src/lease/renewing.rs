//! Renewing the lease of this process: while it runs, when it has run out, until it is known to be removed.
//!
//! A renewal is a compare-and-set on the revision before it. Nobody else writes this key, others only delete it. So one that is refused because there is another
//! revision was preceded by one of our own whose answer was lost; and one that is refused because there is none means that the lease was removed.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use barid_log::{LogError, Revision};
use tokio::time::Instant;

use super::{Shared, Standing};

/// Pause after a renewal that failed; while the log does not answer, the log itself tries for longer.
const AGAIN: Duration = Duration::from_millis(100);

impl Shared {
    /// Renews until the lease is lost.
    pub(super) async fn keep_renewing(self: Arc<Self>) {
        let mut next = Instant::now() + self.terms.renew;
        loop {
            self.watched(tokio::time::sleep_until(next)).await;
            let revision = self.state.lock().revision;
            // From before it is sent: the renewal may be seen at any moment after.
            let (begun, renewed) = (Instant::now(), SystemTime::now());
            match self.watched(self.log.put(&self.key, revision, self.value.clone())).await {
                Ok(revision) => {
                    self.renewed(revision, begun, renewed);
                    next = begun + self.terms.renew;
                    continue;
                }
                // When that one was sent is not known any more: it lengthens nothing, the next one does.
                Err(LogError::WrongRevision { actual, .. }) if actual != Revision::NONE => {
                    self.state.lock().revision = actual;
                }
                Err(error) if error.is_fatal() || matches!(error, LogError::WrongRevision { .. }) => {
                    return self.lose();
                }
                // Nobody can remove it either while the log answers nobody.
                Err(error) => tracing::debug!(member = self.name, %error, "the lease cannot be renewed now"),
            }
            next = Instant::now() + AGAIN;
        }
    }

    /// Waits for something, and meanwhile notices that the lease has run out.
    async fn watched<T>(&self, waited_for: impl Future<Output = T>) -> T {
        tokio::pin!(waited_for);
        let until = self.state.lock().until;
        tokio::select! {
            biased;
            done = &mut waited_for => return done,
            () = tokio::time::sleep_until(until) => {}
        }
        let ran_out = self.standing.send_if_modified(|standing| {
            let held = *standing == Standing::Holds;
            *standing = Standing::RunOut;
            held
        });
        if ran_out {
            tracing::warn!(
                member = self.name,
                "the lease has run out and cannot be renewed: nothing is begun until it is"
            );
        }
        waited_for.await
    }

    fn renewed(&self, revision: Revision, begun: Instant, renewed: SystemTime) {
        let mut state = self.state.lock();
        let broken = begun >= state.until || *self.standing.borrow() != Standing::Holds;
        state.revision = revision;
        state.until = begun + self.terms.lease;
        state.renewed = renewed;
        let now = Instant::now();
        // A renewal that took longer than it holds for is followed by another at once.
        let holds = now < state.until;
        if broken && holds {
            state.back = Some(now);
        }
        drop(state);
        if broken && holds {
            tracing::info!(member = self.name, "the lease holds again");
            self.standing.send_replace(Standing::Holds);
        }
    }

    fn lose(&self) {
        self.state.lock().until = Instant::now();
        self.standing.send_replace(Standing::Lost);
        tracing::warn!(member = self.name, "the lease is lost");
    }
}
