//! The channels as the router finds them: by the revision a message was accepted under.
//!
//! A revision is stored in the log before any message can be stamped with it, so that after a restart, under other
//! documents, what was accepted is still routed as it was accepted.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use barid_config::{Channel, DestinationSpec, Snapshot};
use barid_log::{Log, LogError, Revision as Stored};
use barid_model::record::{AnswerRecord, InRecord};
use barid_model::{Digest, Name, Revision};
use barid_pipeline::answer::put_answer;
use barid_pipeline::{Program, Programs, subject};
use barid_transform::ApplyInput;
use bytes::Bytes;
use futures_util::future::BoxFuture;

/// The present snapshot, and every revision the log holds.
pub struct Channels {
    log: Arc<dyn Log>,
    snapshot: ArcSwap<Snapshot>,
}

impl Channels {
    /// None yet; [`Self::publish`] brings them.
    #[must_use]
    pub fn new(log: Arc<dyn Log>) -> Self {
        Self { log, snapshot: ArcSwap::default() }
    }

    /// Those of a log on which no engine runs.
    #[must_use]
    pub fn stopped(log: Arc<dyn Log>, snapshot: Arc<Snapshot>) -> Self {
        Self { log, snapshot: ArcSwap::new(snapshot) }
    }

    /// What runs now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Stores the revisions of a snapshot and how its destinations are reached, and makes it the present one.
    ///
    /// # Errors
    /// As the log; what ran before runs on.
    pub async fn publish(&self, snapshot: Arc<Snapshot>) -> Result<(), LogError> {
        crate::retired::revive(&self.log, crate::remembered::needed(&snapshot)).await?;
        for channel in snapshot.channels.values() {
            let key = subject::revision(channel.revision)?;
            if self.log.get(&key).await?.is_none() {
                match self.log.put(&key, Stored::NONE, channel.closure.clone()).await {
                    // Another process was faster: a key is the hash of its value.
                    Ok(_) | Err(LogError::WrongRevision { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        crate::remembered::remember(&self.log, &snapshot).await?;
        self.snapshot.store(snapshot);
        Ok(())
    }

    /// Destinations that are no longer declared, as they were declared last.
    ///
    /// # Errors
    /// As the log.
    pub async fn undeclared(&self) -> Result<BTreeMap<Name, Arc<DestinationSpec>>, LogError> {
        crate::remembered::undeclared(&self.log, &self.snapshot()).await
    }

    /// A channel under a revision: the present one, or as it is stored.
    ///
    /// # Errors
    /// As the log.
    pub async fn find(&self, name: &Name, revision: Revision) -> Result<Option<Arc<Channel>>, LogError> {
        let present = self.snapshot.load().channels.get(name).cloned();
        if let Some(channel) = present.filter(|channel| channel.revision == revision) {
            return Ok(Some(channel));
        }
        let Some((_, closure)) = self.log.get(&subject::revision(revision)?).await? else { return Ok(None) };
        match Channel::from_closure(&closure) {
            Ok(channel) => Ok(Some(Arc::new(channel))),
            Err(error) => {
                tracing::error!(channel = %name, %revision, %error, "a stored revision cannot be run any more");
                Ok(None)
            }
        }
    }
}

impl Programs for Channels {
    fn load<'a>(&'a self, channel: &'a Name, revision: Revision) -> BoxFuture<'a, Result<Option<Program>, LogError>> {
        Box::pin(async move { Ok(self.find(channel, revision).await?.map(program)) })
    }

    fn current(&self, channel: &Name) -> Option<Revision> {
        self.snapshot.load().channels.get(channel).map(|channel| channel.revision)
    }

    fn answer<'a>(&'a self, key: Digest, answer: AnswerRecord) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(async move { put_answer(&self.log, key, &answer).await })
    }
}

/// What the router needs of a channel's revision.
#[must_use]
pub fn program(channel: Arc<Channel>) -> Program {
    let window = channel.settings.duplicate_window;
    let input = move |record: &InRecord| {
        let sender = channel.sender(&record.envelope.facility);
        ApplyInput {
            envelope: Arc::new(record.envelope.clone()),
            raw: record.raw.clone(),
            program: Arc::clone(&channel.program),
            facility: sender.facts,
            limits: sender.limits,
            context: Bytes::new(),
        }
    };
    Program { duplicates: (!window.is_zero()).then_some(window), input: Arc::new(input) }
}
