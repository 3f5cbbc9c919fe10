//! What is known of the past and asked of it, whether an engine runs or not: the ledger, the log behind it, and the
//! documents that run.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use barid_custody::Channels;
use barid_ledger::view::Place;
use barid_ledger::{Ledger, LedgerError, MessageView};
use barid_log::{Log, Position, ReadLimit, Subject};
use barid_model::{Clock, ErrorClass, LaneHasher, MessageUid};
use barid_runtime::control::protocol::{ExplainRequest, Explanation, SnapshotView};
use barid_runtime::control::{CommandError, CommandResult};
use bytes::Bytes;
use tokio::time::Instant;

use super::log_failed;
use crate::{feed, view};

/// How often the ledger is looked at while something waits for it.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a question about a message that the ledger does not know yet waits for it.
const UNKNOWN_WAIT: Duration = Duration::from_secs(2);
/// How long a list waits for the ledger: a person who just sent a message looks for it.
const LIST_WAIT: Duration = Duration::from_millis(500);
/// How long a command waits for the ledger before it chooses by it.
const SETTLE_WAIT: Duration = Duration::from_secs(10);

/// How long the ledger may read nothing before it is not waited for: a batch takes a fraction of that, and on a full disk
/// it would be waited for in vain.
const STUCK: Duration = Duration::from_secs(5);

/// What a place in the log holds.
pub enum Found {
    /// The record.
    Record(Bytes),
    /// It was there once: its time is over.
    Trimmed,
    /// It cannot be read; file and offset.
    Damaged(String),
}

/// What can be asked of the past.
#[derive(Clone)]
pub struct History {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The ledger that is fed from it.
    pub ledger: Arc<dyn Ledger>,
    /// What search keys are made with.
    pub hasher: LaneHasher,
    /// The documents that run.
    pub channels: Arc<Channels>,
    /// Now.
    pub clock: Arc<dyn Clock>,
    /// The data directory.
    pub data: PathBuf,
}

impl History {
    /// Asks the ledger, from a thread that may block.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Ledger) -> Result<T, LedgerError> + Send + 'static,
    ) -> CommandResult<T> {
        let ledger = Arc::clone(&self.ledger);
        match tokio::task::spawn_blocking(move || question(&*ledger)).await {
            Ok(answer) => answer.map_err(|error| ledger_failed(&error)),
            Err(error) => Err(CommandError::failed(error)),
        }
    }

    /// One message; one that the ledger has not read yet is waited for a moment.
    pub async fn message(&self, uid: MessageUid) -> CommandResult<MessageView> {
        if let Some(view) = self.ask(move |ledger| ledger.message(uid)).await? {
            return Ok(view);
        }
        self.caught_up(UNKNOWN_WAIT).await?;
        let found = self.ask(move |ledger| ledger.message(uid)).await?;
        found.ok_or_else(|| unknown(uid))
    }

    /// What stands at a place in the log.
    pub async fn read(&self, place: &Place) -> CommandResult<Found> {
        let subject = Subject::new(&place.subject).map_err(CommandError::failed)?;
        let limit = ReadLimit { records: 1, bytes: 1 };
        let batch = self.log.read(&subject, Position(place.position), limit).await.map_err(log_failed)?;
        if let Some(entry) = batch.entries.into_iter().find(|entry| entry.position.0 == place.position) {
            return Ok(Found::Record(entry.record));
        }
        let damaged = batch.damaged.into_iter().find(|lost| (lost.from.0..=lost.to.0).contains(&place.position));
        Ok(damaged.map_or(Found::Trimmed, |damage| Found::Damaged(damage.place)))
    }

    /// The record at a place, as it is needed to go on.
    pub async fn record(&self, place: &Place) -> CommandResult<Bytes> {
        match self.read(place).await? {
            Found::Record(bytes) => Ok(bytes),
            Found::Trimmed => Err(CommandError::not_found("its bytes are no longer in the log: their time is over")),
            Found::Damaged(at) => Err(CommandError::failed(format!("its bytes are damaged at {at}"))),
        }
    }

    /// Where the subjects that the ledger is a view of end now.
    pub async fn ends(&self) -> CommandResult<Vec<(Subject, u64)>> {
        let mut ends = Vec::new();
        for prefix in feed::PREFIXES {
            for subject in self.log.subjects(prefix).await.map_err(log_failed)? {
                let end = self.log.bounds(&subject).await.map_err(log_failed)?.last.0;
                ends.push((subject, end));
            }
        }
        Ok(ends)
    }

    /// How many records the ledger has not read of these.
    pub async fn behind(&self, ends: &[(Subject, u64)]) -> CommandResult<u64> {
        let read: HashMap<String, u64> = self.ask(|ledger| ledger.positions()).await?.into_iter().collect();
        let left =
            |(subject, end): &(Subject, u64)| end.saturating_sub(read.get(subject.as_str()).copied().unwrap_or(0));
        Ok(ends.iter().map(left).sum())
    }

    /// Waits until the ledger has read everything that is in the log now; gives how much is left where it takes longer, or
    /// where it does not come on at all.
    pub async fn caught_up(&self, within: Duration) -> CommandResult<u64> {
        let (ends, deadline) = (self.ends().await?, Instant::now() + within);
        let (mut least, mut moved) = (u64::MAX, Instant::now());
        loop {
            let behind = self.behind(&ends).await?;
            if behind < least {
                (least, moved) = (behind, Instant::now());
            }
            if behind == 0 || Instant::now() >= deadline.min(moved + STUCK) {
                return Ok(behind);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits a moment for the ledger before the first page of a list.
    pub async fn fresh(&self, cursor: Option<&String>) -> CommandResult<()> {
        if cursor.is_none() {
            self.caught_up(LIST_WAIT).await?;
        }
        Ok(())
    }

    /// Waits for the ledger before something is chosen by it.
    pub async fn settle(&self) -> CommandResult<()> {
        match self.caught_up(SETTLE_WAIT).await? {
            0 => Ok(()),
            behind => Err(CommandError::unavailable(format!(
                "the ledger has {behind} records still to read, so what is asked for cannot be chosen: try again when \
                 `barid status` shows none"
            ))),
        }
    }

    /// What is in effect for a document.
    pub fn explain(&self, request: &ExplainRequest) -> CommandResult<Explanation> {
        let (snapshot, document) = (self.channels.snapshot(), &request.document);
        if let Some(explanation) = view::explanation(&snapshot, document) {
            return Ok(explanation);
        }
        if document.kind != "Channel" {
            return Err(CommandError::invalid(format!(
                "only channels gather settings from elsewhere: what is in effect for {} {} stands in its document",
                document.kind,
                document.name.short()
            )));
        }
        match snapshot.invalid.get(&document.name) {
            Some(why) => {
                Err(CommandError::conflict(format!("channel {} has no good version: {why}", document.name.short())))
            }
            None => Err(CommandError::not_found(format!("no channel {} runs", document.name.short()))),
        }
    }

    /// The documents that run.
    pub fn snapshot(&self) -> SnapshotView {
        view::snapshot(&self.channels.snapshot())
    }
}

/// No such message.
pub fn unknown(uid: MessageUid) -> CommandError {
    CommandError::not_found(format!("no message {uid} is known"))
}

fn ledger_failed(error: &LedgerError) -> CommandError {
    match error.class() {
        ErrorClass::Rejected => CommandError::invalid(error.to_string()),
        ErrorClass::Retryable => CommandError::unavailable(error.to_string()),
        ErrorClass::Fatal => CommandError::failed(error),
    }
}
