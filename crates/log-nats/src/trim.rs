//! Trims on the servers: a purge of a subject's blocks before the first that is still needed, then of the large payloads they referred to.
//!
//! A trim holds for readers of this process at once; the servers hear of it a little later, of the furthest one only. The block with the subject's last record
//! always stays. While durability is not proven nothing is removed: what follows from it may not be durable either.

use std::collections::HashMap;
use std::sync::Arc;

use barid_log::{LogError, Position, Subject};
use parking_lot::Mutex;

use crate::line::{Line, Tip};
use crate::link::Which;
use crate::object;
use crate::shared::Shared;

/// Trims that the servers have not heard of.
#[derive(Default)]
pub(crate) struct Trims(Mutex<HashMap<Subject, Arc<Line>>>);

impl Shared {
    /// Drops what is before a position, for readers here at once.
    pub(crate) async fn trim(&self, subject: &Subject, before: Position) -> Result<(), LogError> {
        let line = self.line(subject);
        let known = line.state.lock().tip.is_some_and(|tip| before.0 <= tip.end);
        if !known {
            self.refresh(&line).await?;
        }
        let further = {
            let mut state = line.state.lock();
            let floor = before.0.min(state.tip.unwrap_or_default().end);
            let further = floor > state.floor.max(1);
            if further {
                state.floor = floor;
            }
            further
        };
        if further {
            self.trims.0.lock().insert(subject.clone(), line);
        }
        Ok(())
    }

    /// Carries trims out, until the log is closed.
    pub(crate) async fn keep_trimming(self: Arc<Self>) {
        loop {
            tokio::time::sleep(self.options.trim_every).await;
            if !self.proven() {
                continue;
            }
            let due: Vec<_> = self.trims.0.lock().drain().collect();
            for (subject, line) in due {
                if let Err(error) = self.purge(&line).await {
                    tracing::debug!(%subject, %error, "a trim waits");
                    self.trims.0.lock().entry(subject).or_insert(line);
                }
            }
        }
    }

    /// Removes a line's blocks before the one with its floor.
    async fn purge(&self, line: &Line) -> Result<(), LogError> {
        let floor = {
            let state = line.state.lock();
            if state.floor <= state.kept {
                // Still in the block where the last purge ended: there is no whole block to remove.
                return Ok(());
            }
            state.floor
        };
        // Another process may be the writer, so the tip is asked for.
        let Some(newest) = self.newest(line).await? else { return Ok(()) };
        let tip = Tip::of(newest.sequence, &newest.header);
        let from = self.sequence_of(line, floor).await?;
        let mut next = from;
        let kept = loop {
            let Some(stored) = self.link.message(&line.stream, Which::Next(&line.address, next)).await? else {
                return Ok(());
            };
            let block = self.decode(line, &stored)?;
            if block.header.last() >= floor || block.sequence >= tip.records_at {
                break block;
            }
            next = block.sequence + 1;
        };
        self.link.purge(&line.stream, &line.address, kept.sequence).await?;
        let objects = kept.header.objects_before;
        if objects > line.state.lock().removed {
            object::remove(&self.link, &self.names, &line.subject, objects).await?;
        }
        let mut state = line.state.lock();
        state.removed = state.removed.max(objects);
        state.kept = kept.header.last();
        state.marks.note(kept.header.first, kept.sequence);
        Ok(())
    }
}
