//! Where a subject ends, for certain: by an empty block, stored by compare-and-set.
//!
//! A leader that has been deposed answers reads with what it had until it notices; it can store nothing. So what follows the last block that is known here
//! is tried with a block of no records: stored, that was the last one; refused, there is more, which is known then. A block that another writer still has on its
//! way and that follows the same one is refused from then on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use barid_log::{LogError, Position, Subject};
use tokio::sync::oneshot;

use crate::line::{Line, Pending};
use crate::link::{Stored, Which};
use crate::shared::{ASK_AGAIN, Shared};

impl Shared {
    /// The last position of a subject; reads here show everything up to it from now on.
    pub(crate) async fn proven_end(self: &Arc<Self>, subject: &Subject) -> Result<Position, LogError> {
        let line = self.line(subject);
        let deadline = Instant::now() + self.options.answer_within;
        loop {
            match self.follow_last(&line).await {
                Err(LogError::WrongLast { .. }) if Instant::now() < deadline => {}
                Err(LogError::Busy(_)) if Instant::now() < deadline && !self.closed.is_cancelled() => {
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                end => return end,
            }
        }
    }

    /// Stores an empty block behind the last one that is known, or learns of another.
    async fn follow_last(self: &Arc<Self>, line: &Arc<Line>) -> Result<Position, LogError> {
        if line.state.lock().tip.is_none() {
            self.refresh(line).await?;
        }
        let room = self.room(1).await?;
        let (done, answer) = oneshot::channel();
        let end = {
            let mut state = line.state.lock();
            if state.doubt {
                return Err(LogError::Busy("an append before it is in doubt".into()));
            }
            let end = Position(state.queued);
            let pending = Pending { first: end.next().0, pieces: VecDeque::new(), begun: false, done, room };
            self.queue(line, &mut state, pending, false);
            end
        };
        answer.await.unwrap_or_else(|_| Err(LogError::Unknown("the log ended before it answered".into())))?;
        Ok(end)
    }

    /// The next block from a sequence on, from the leader. What this process knows to be stored is not taken for gone there either.
    pub(crate) async fn next_shown(&self, line: &Line, from: u64, position: u64) -> Result<Option<Stored>, LogError> {
        self.ask(|| async {
            let next = self.link.message(&line.stream, Which::Next(&line.address, from)).await?;
            if next.is_none() && position <= line.durable.borrow().0 {
                return Err(LogError::Busy("the leader shows less than is stored".into()));
            }
            Ok(next)
        })
        .await
    }
}
