//! The record of what people told the engine: durable before it takes effect, with who and why (G6).

use std::sync::Arc;

use barid_log::{Log, LogError, Writer};
use barid_model::Clock;
use barid_model::record::{CommandRecord, Record as _};
use barid_pipeline::joint::BATCH_BYTES;
use barid_pipeline::subject;
use barid_runtime::control::protocol::By;
use barid_runtime::control::{CommandError, CommandResult};
use bytes::Bytes;
use tokio::sync::{Mutex, MutexGuard};

use super::log_failed;
use super::turns::Turns;

/// Longest reason in characters: some sentences.
const REASON_MAX: usize = 1_000;
/// Longest actor in characters.
const ACTOR_MAX: usize = 200;
/// How often a record is written anew because somebody else has written meanwhile: commands are rare.
const TRIES: usize = 8;
/// Records appended at once.
const BATCH: usize = 1_000;

/// One thing that a person orders.
pub struct Order {
    /// `pause`, `discard` and the like.
    pub verb: &'static str,
    /// On what: a channel, destination, message, delivery or lane.
    pub target: String,
    /// Further settings, without patient data.
    pub detail: serde_json::Value,
}

impl Order {
    /// An order without further settings.
    pub fn new(verb: &'static str, target: impl ToString) -> Self {
        Self { verb, target: target.to_string(), detail: serde_json::Value::Null }
    }

    /// With further settings.
    pub fn with(self, detail: serde_json::Value) -> Self {
        Self { detail, ..self }
    }
}

/// Writes commands to the log.
pub struct Journal {
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    /// Opened with the first command.
    writer: Mutex<Option<Writer>>,
    /// Held by the one who decides on messages that nobody but the log has.
    turn: Mutex<Turns>,
}

impl Journal {
    /// Of this log.
    #[must_use]
    pub fn new(log: &Arc<dyn Log>, clock: &Arc<dyn Clock>) -> Self {
        Self { log: Arc::clone(log), clock: Arc::clone(clock), writer: Mutex::default(), turn: Mutex::default() }
    }

    /// Waits until nobody else in this process decides on messages that nobody but the log has.
    pub(super) async fn turn(&self) -> MutexGuard<'_, Turns> {
        self.turn.lock().await
    }

    /// Records orders; they are durable when this ends.
    pub async fn write(&self, by: &By, orders: Vec<Order>) -> CommandResult<()> {
        let at = self.clock.now();
        let record = |order: Order| {
            let record = CommandRecord {
                at,
                actor: by.actor.clone(),
                reason: by.reason.clone(),
                verb: order.verb.to_owned(),
                target: order.target,
                detail: if order.detail.is_null() { String::new() } else { order.detail.to_string() },
            };
            record.encode()
        };
        let records: Vec<Bytes> = orders.into_iter().map(record).collect();
        for batch in batches(records) {
            self.append(batch).await.map_err(log_failed)?;
        }
        Ok(())
    }

    async fn append(&self, records: Vec<Bytes>) -> Result<(), LogError> {
        let mut held = self.writer.lock().await;
        for _ in 1..TRIES {
            match self.try_append(&mut held, records.clone()).await {
                // In a mesh others write it too: what they wrote is before this.
                Err(LogError::WrongLast { .. }) => {}
                other => return other,
            }
        }
        self.try_append(&mut held, records).await
    }

    async fn try_append(&self, held: &mut Option<Writer>, records: Vec<Bytes>) -> Result<(), LogError> {
        let mut writer = match held.take() {
            Some(writer) => writer,
            None => self.open().await?,
        };
        let appended = match writer.append_durable(records.clone()).await {
            Err(LogError::Unsettled(_)) => {
                writer.settle().await?;
                writer.append_durable(records).await
            }
            other => other,
        };
        // One that is stale is opened anew; one in doubt is settled by the next command.
        if !matches!(appended, Err(LogError::WrongLast { .. })) {
            *held = Some(writer);
        }
        appended.map(drop)
    }

    async fn open(&self) -> Result<Writer, LogError> {
        let subject = subject::command()?;
        match Writer::open(Arc::clone(&self.log), subject.clone()).await {
            Ok((writer, _)) => Ok(writer),
            Err(LogError::Damaged(_)) => {
                let last = self.log.bounds(&subject).await?.last;
                Ok(Writer::resume(Arc::clone(&self.log), subject, last))
            }
            Err(error) => Err(error),
        }
    }
}

/// As much at once as is stored whole or not at all: what is written anew must not stand there in part already.
fn batches(records: Vec<Bytes>) -> Vec<Vec<Bytes>> {
    let (mut batches, mut bytes) = (Vec::<Vec<Bytes>>::new(), 0);
    for record in records {
        bytes += record.len();
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH && bytes <= BATCH_BYTES => batch.push(record),
            _ => {
                bytes = record.len();
                batches.push(vec![record]);
            }
        }
    }
    batches
}

/// Whether who and why are said, within bounds.
pub fn check(by: &By) -> CommandResult<()> {
    for (what, text, most) in [("who acts", &by.actor, ACTOR_MAX), ("why", &by.reason, REASON_MAX)] {
        if text.trim().is_empty() {
            return Err(CommandError::invalid(format!("it is not said {what}: others will read it")));
        }
        if text.chars().count() > most {
            return Err(CommandError::invalid(format!("{what} is said in more than {most} characters")));
        }
    }
    Ok(())
}

/// Who and why in one line, as a message made by command carries it.
pub fn line(by: &By) -> String {
    format!("{}: {}", by.actor, by.reason)
}

#[cfg(test)]
mod tests;
