//! What retention has taken out of the log, noted before it goes: by this a ledger that is filled anew knows of what it
//! sees a part only. The log alone does not tell it, since the last record of every subject stays.

use std::collections::HashMap;
use std::sync::Arc;

use barid_log::{Key, Log, LogError, Revision};
use barid_model::record::Source;
use barid_model::{Partition, Timestamp};
use serde::{Deserialize, Serialize};

/// What is left of a partition's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trimmed {
    /// The first position of `in.<pp>` that counts.
    pub received: u64,
    /// The first position of `in.<pp>.chained` that counts.
    pub chained: u64,
    /// Everything that is gone was received before this.
    pub before: Timestamp,
}

impl Trimmed {
    fn key(partition: Partition) -> Result<Key, LogError> {
        Key::new(format!("trimmed.{partition}"))
    }

    /// Whether anything is gone.
    #[must_use]
    pub const fn is_some(&self) -> bool {
        self.received > 1 || self.chained > 1
    }

    /// Notes it, durable when this ends, and gives what is gone in all: it never comes back.
    ///
    /// # Errors
    /// As the log.
    pub async fn store(self, log: &Arc<dyn Log>, partition: Partition) -> Result<Self, LogError> {
        let key = Self::key(partition)?;
        let (revision, known) = match log.get(&key).await? {
            Some((revision, value)) => (revision, serde_json::from_slice::<Self>(&value).ok()),
            None => (Revision::NONE, None),
        };
        let all = known.map_or(self, |known| Self {
            received: self.received.max(known.received),
            chained: self.chained.max(known.chained),
            before: self.before.max(known.before),
        });
        if known.is_none_or(|known| (known.received, known.chained) != (all.received, all.chained)) {
            let value = serde_json::to_vec(&all).map_err(|error| LogError::Storage(error.to_string().into()))?;
            log.put(&key, revision, value.into()).await?;
        }
        Ok(all)
    }

    /// What is noted, by partition.
    ///
    /// # Errors
    /// As the log.
    pub async fn all(log: &dyn Log) -> Result<HashMap<u16, Self>, LogError> {
        let mut all = HashMap::new();
        for key in log.keys("trimmed.").await? {
            let Some((_, value)) = log.get(&key).await? else { continue };
            let partition = key.as_str().rsplit('.').next().and_then(|text| text.parse().ok());
            if let (Some(partition), Ok(trimmed)) = (partition, serde_json::from_slice(&value)) {
                all.insert(partition, trimmed);
            }
        }
        Ok(all)
    }

    /// The first position that counts of an IN subject, by its name; none of any other subject.
    #[must_use]
    pub fn first(all: &HashMap<u16, Self>, subject: &str) -> Option<u64> {
        let mut parts = subject.strip_prefix("in.")?.split('.');
        let trimmed = all.get(&parts.next()?.parse().ok()?)?;
        match parts.next() {
            None => Some(trimmed.received),
            Some("chained") => Some(trimmed.chained),
            Some(_) => None,
        }
    }

    /// Whether a message of this source is gone.
    #[must_use]
    pub fn has(all: &HashMap<u16, Self>, source: &Source) -> bool {
        use barid_model::record::Intake;
        all.get(&source.partition.0).is_some_and(|trimmed| match source.intake {
            Intake::Received => source.position < trimmed.received,
            Intake::Chained => source.position < trimmed.chained,
        })
    }
}
