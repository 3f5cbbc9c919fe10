//! The one interface of a ledger: what feeds it, what it is asked, what keeps it small.

use barid_model::{DeliveryId, MessageUid, Timestamp};
use serde::{Deserialize, Serialize};

use crate::balance::{BalanceRange, Coverage, Violation};
use crate::view::{CommandView, Place, Quarantined, RefusedView, ReplayItem};
use crate::{
    Balance, Change, Cursor, DeliveryFilter, DeliveryView, LedgerError, MessageFilter, MessageView, Page, Paging,
    Pruned, RefusedFilter, Retention, Statistics, Story, Waiting, statistics::FacilitySeen,
};

/// What an [`Ledger::apply`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// Changes taken.
    pub taken: usize,
    /// Changes at or below the stored position of their subject: applied before.
    pub skipped: usize,
}

/// What [`Ledger::bind`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Bound {
    /// It is a view of this log, as before.
    Same,
    /// It was empty and is a view of this log from now on.
    New,
    /// It was a view of another log: it was emptied, and has to be filled from the beginning.
    Reset,
}

/// The searchable history. Calls block; all may be called from several threads at once.
pub trait Ledger: Send + Sync {
    /// Ties the ledger to the log with this incarnation, and empties it where it belonged to another.
    ///
    /// # Errors
    /// [`LedgerError`] of the storage.
    fn bind(&self, incarnation: [u8; 16]) -> Result<Bound, LedgerError>;

    /// Takes changes, and how far the reader has come in each subject, in one transaction. Changes of one subject come
    /// in their order; what was applied before changes nothing. Good batches have 500 to 5,000 changes.
    ///
    /// # Errors
    /// [`LedgerError::Invalid`] where a position is 0 or beyond 2^63, else of the storage; nothing was applied then.
    fn apply(&self, batch: &[Change<'_>], positions: &[(&str, u64)]) -> Result<Applied, LedgerError>;

    /// How far each subject was applied: where its reader goes on.
    ///
    /// # Errors
    /// [`LedgerError`] of the storage.
    fn positions(&self) -> Result<Vec<(String, u64)>, LedgerError>;

    /// Forgets everything, positions too: the log is to be applied from its beginning. What the log no longer holds is
    /// lost then, and [`Ledger::incomplete_before`] should be told.
    ///
    /// # Errors
    /// [`LedgerError`] of the storage.
    fn reset(&self) -> Result<(), LedgerError>;

    /// Says that the log no longer held everything from before this time when the ledger was filled: a message from
    /// before that is known by its later records alone is no violation, and a re-run ordered before it is believed to
    /// have made its message. It only ever moves forward. What [`Ledger::prune`] removes does not say it.
    ///
    /// # Errors
    /// [`LedgerError`] of the storage.
    fn incomplete_before(&self, time: Timestamp) -> Result<(), LedgerError>;

    /// Messages, newest first.
    ///
    /// # Errors
    /// [`LedgerError::Invalid`] for a cursor of another question, else of the storage.
    fn search(&self, filter: &MessageFilter, paging: &Paging) -> Result<Page<MessageView>, LedgerError>;

    /// One message with its deliveries; none where nothing is known of it.
    ///
    /// # Errors
    /// [`LedgerError`] of the storage.
    fn message(&self, uid: MessageUid) -> Result<Option<MessageView>, LedgerError>;

    /// Everything known of one message, in the order of time; none where nothing is.
    ///
    /// # Errors
    /// [`LedgerError`] of the storage.
    fn follow(&self, uid: MessageUid) -> Result<Option<Story>, LedgerError>;

    /// The delivery with this identity.
    ///
    /// # Errors
    /// [`LedgerError`] of the storage.
    fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryView>, LedgerError>;

    /// Deliveries, those of the newest messages first.
    ///
    /// # Errors
    /// As [`Ledger::search`].
    fn deliveries(&self, filter: &DeliveryFilter, paging: &Paging) -> Result<Page<DeliveryView>, LedgerError>;

    /// What waits for a person: messages set aside before routing on which nobody has decided, and quarantined
    /// deliveries that were not run again; newest first. `states` and `latest_run` of the filter are not used.
    ///
    /// # Errors
    /// As [`Ledger::search`].
    fn quarantine(&self, filter: &DeliveryFilter, paging: &Paging) -> Result<Page<Quarantined>, LedgerError>;

    /// How much waits, by the definition of [`crate::waiting`].
    ///
    /// # Errors
    /// [`LedgerError`] of the storage.
    fn waiting(&self) -> Result<Waiting, LedgerError>;

    /// For each IN subject that has one, the first message that waits for a person and whose payload stands in IN alone: it was
    /// set aside before routing, or for a route to another channel nothing was made of it.
    ///
    /// # Errors
    /// [`LedgerError`] of the storage.
    fn set_aside(&self) -> Result<Vec<Place>, LedgerError>;

    /// Messages that were not accepted, newest first.
    ///
    /// # Errors
    /// As [`Ledger::search`].
    fn refused(&self, filter: &RefusedFilter, paging: &Paging) -> Result<Page<RefusedView>, LedgerError>;

    /// What people told the engine to do, newest first; `target` narrows it to what was said about one thing.
    ///
    /// # Errors
    /// As [`Ledger::search`].
    fn commands(&self, target: Option<&str>, paging: &Paging) -> Result<Page<CommandView>, LedgerError>;

    /// The messages a filter selects, oldest first, and within a facility in the order they were accepted, so that a
    /// replay keeps the order of every lane (O5). Duplicates are left out unless the filter asks for them, chained and
    /// split messages unless it names their channel or cause: their parents make them again.
    ///
    /// # Errors
    /// As [`Ledger::search`].
    fn select_for_replay(&self, filter: &MessageFilter, paging: &Paging) -> Result<Page<ReplayItem>, LedgerError>;

    /// Counts and latencies of the messages received in a window, the newest [`crate::statistics::SAMPLE_MAX`] at most.
    ///
    /// # Errors
    /// [`LedgerError`] of the storage.
    fn statistics(&self, from: Timestamp, to: Timestamp) -> Result<Statistics, LedgerError>;

    /// When each facility last sent a message: how a silent sender is noticed.
    ///
    /// # Errors
    /// [`LedgerError`] of the storage.
    fn last_seen(&self) -> Result<Vec<FacilitySeen>, LedgerError>;

    /// Counts every message and delivery of a range once more, from the rows, and lists what breaks the balance (G4).
    ///
    /// While the engine runs, a violation may only mean that one subject was read further than another. To be sure,
    /// take the last positions of all subjects from the log, wait until [`Ledger::positions`] has reached them, and
    /// [`Ledger::confirm`].
    ///
    /// # Errors
    /// [`LedgerError`] of the storage.
    fn balance(&self, range: &BalanceRange) -> Result<Balance, LedgerError>;

    /// Which of these violations still hold.
    ///
    /// # Errors
    /// [`LedgerError`] of the storage.
    fn confirm(&self, violations: &[Violation]) -> Result<Vec<Violation>, LedgerError>;

    /// For each IN subject, how many messages of it the ledger has and in which positions, to compare with the log.
    ///
    /// # Errors
    /// [`LedgerError`] of the storage.
    fn coverage(&self) -> Result<Vec<Coverage>, LedgerError>;

    /// Removes messages past the retention of what is known about them, with all that belongs to them; never one with
    /// a delivery in flight, held or quarantined. Looks at `rows` messages at most and says where to go on; a sweep is
    /// over when it says nothing.
    ///
    /// # Errors
    /// As [`Ledger::search`].
    fn prune(&self, retention: &Retention, after: Option<&Cursor>, rows: usize) -> Result<Pruned, LedgerError>;

    /// Says that payloads received before these times are past their retention: what has ended shows as expired.
    ///
    /// # Errors
    /// [`LedgerError`] of the storage.
    fn expire_payloads(&self, retention: &Retention) -> Result<(), LedgerError>;

    /// Nobody works for now: what was put off is done, so that what stands on the disk is one whole. What cannot be done
    /// is done another time; nothing depends on it.
    fn rest(&self) {}
}
