//! What a sender that waited was told of a message that was set aside, once a person has it run again.
//!
//! A resend is answered by what has become of its message (G3), so what was said before must not stand: it is taken back,
//! and the run writes the next answer under the same key when it ends. Until then a resend waits as the first sending did.

use std::sync::Arc;

use barid_log::{Key, Log, LogError, Revision};
use barid_model::record::{AnswerRecord, Record as _};
use barid_model::{Digest, Outcome};
use barid_pipeline::subject;

/// An answer that says "set aside", as it was found.
pub(super) struct Told {
    key: Key,
    revision: Revision,
}

impl Told {
    /// The answer under this key, where it says that the message is set aside; to be asked before the run begins.
    pub(super) async fn find(log: &Arc<dyn Log>, key: Digest) -> Result<Option<Self>, LogError> {
        let key = subject::answer(key)?;
        let found = log.get(&key).await?;
        let aside = |bytes| AnswerRecord::decode(bytes).is_ok_and(|record| record.outcome == Outcome::Quarantined);
        Ok(found.filter(|(_, bytes)| aside(bytes.clone())).map(|(revision, _)| Self { key, revision }))
    }

    /// Takes it back: who asks later waits for the next. One that is there already stays.
    pub(super) async fn take_back(self, log: &Arc<dyn Log>) {
        match log.delete(&self.key, self.revision).await {
            Ok(()) | Err(LogError::WrongRevision { .. }) => {}
            Err(error) => {
                tracing::warn!(%error, "a sender that asks again hears that its message is set aside until it has run");
            }
        }
    }
}
