//! Large payloads that no block refers to: what a process left that ended between storing one and appending its block.
//!
//! Most go with the trims of their subject, because the next large payload of the subject is stored after them. Those behind the last one that is referred to
//! are looked for here, by the process that trims the subject. An append that is under way looks the same, so one is removed only after it was seen for
//! `orphans_after` by this process's own clock, and while the subject's newest block, asked of the leader then, still refers to nothing as late.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use barid_log::{LogError, Subject};
use futures_util::StreamExt as _;

use crate::line::{Line, Tip};
use crate::link::busy;
use crate::shared::Shared;

/// Looks within the time after which one is removed.
const LOOKS: u32 = 4;

/// Payloads that nothing refers to yet, by subject and id, and since when.
type Seen = HashMap<(Subject, String), Instant>;

/// Addresses of chunks, by subject and id.
type Listed = BTreeMap<Subject, BTreeMap<String, Vec<String>>>;

impl Shared {
    /// Keeps looking, until the log is closed.
    pub(crate) async fn keep_sweeping(self: Arc<Self>) {
        let mut seen = Seen::new();
        loop {
            tokio::time::sleep((self.options.orphans_after / LOOKS).max(Duration::from_millis(50))).await;
            if !self.proven() {
                continue;
            }
            if let Err(error) = self.sweep(&mut seen).await {
                tracing::debug!(%error, "large payloads that nothing refers to wait");
            }
        }
    }

    async fn sweep(&self, seen: &mut Seen) -> Result<(), LogError> {
        let trimmed = |line: &&Arc<Line>| line.state.lock().floor > 0;
        let lines: Vec<Arc<Line>> = self.lines.read().values().filter(trimmed).cloned().collect();
        if lines.is_empty() {
            return Ok(());
        }
        let listed = self.list_payloads().await?;
        seen.retain(|(subject, id), _| listed.get(subject).is_some_and(|ids| ids.contains_key(id)));
        for line in lines {
            if let Some(ids) = listed.get(&line.subject) {
                self.sweep_line(&line, ids, seen).await?;
            }
        }
        Ok(())
    }

    async fn sweep_line(
        &self,
        line: &Line,
        ids: &BTreeMap<String, Vec<String>>,
        seen: &mut Seen,
    ) -> Result<(), LogError> {
        let Some(newest) = self.newest(line).await? else { return Ok(()) };
        let referred = Tip::of(newest.sequence, &newest.header).objects;
        for (id, chunks) in ids {
            let Some(first) = chunks.first() else { continue };
            let stored = self.link.newest(&self.names.objects(), first).await?;
            let key = (line.subject.clone(), id.clone());
            if stored.is_none_or(|stored| stored.sequence <= referred) {
                // Referred to, or the next trims take it along.
                seen.remove(&key);
                continue;
            }
            let since = *seen.entry(key.clone()).or_insert_with(Instant::now);
            if since.elapsed() < self.options.orphans_after {
                continue;
            }
            tracing::info!(subject = %line.subject, chunks = chunks.len(), "a large payload that nothing refers to is removed");
            for chunk in chunks {
                self.link.purge(&self.names.objects(), chunk, u64::MAX).await?;
            }
            seen.remove(&key);
        }
        Ok(())
    }

    async fn list_payloads(&self) -> Result<Listed, LogError> {
        let stream = self.link.stream(&self.names.objects()).await?;
        let listing = stream.info_with_subjects(self.names.objects_subjects()).await;
        let mut addresses = listing.map_err(|error| busy(&error))?;
        let mut listed = Listed::new();
        while let Some(address) = addresses.next().await {
            let (address, _) = address.map_err(|error| busy(&error))?;
            if let Some((subject, id)) = self.names.of_chunk(&address) {
                listed.entry(subject).or_default().entry(id).or_default().push(address);
            }
        }
        Ok(listed)
    }
}
