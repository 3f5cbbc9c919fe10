//! The contract suite: one function per rule of [`Log`], run against every implementation.
//!
//! Whoever uses the trait may rely on exactly these rules; an implementation that passes is exchangeable for another. [`log_contract!`](crate::log_contract)
//! makes one test of each rule. What only one implementation can show (torn writes, full disks, lost nodes) is tested beside it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation is what a test suite is for"
)]

mod appends;
mod keys;
mod reads;
mod writers;

use std::sync::Arc;

use bytes::Bytes;

pub use self::appends::*;
pub use self::keys::*;
pub use self::reads::*;
pub use self::writers::*;
use crate::{Batch, BoxFuture, Key, Log, Position, ReadLimit, Subject};

/// Makes logs of one implementation for the suite. A fresh harness stands for fresh storage.
pub trait Harness: Send + Sync {
    /// Opens the storage; called once, unless followed by `restart`.
    fn open(&self) -> BoxFuture<'_, Arc<dyn Log>>;
    /// The process dies as it is and another one opens the same storage.
    fn restart(&self, log: Arc<dyn Log>) -> BoxFuture<'_, Arc<dyn Log>>;
}

/// Runs every rule of the contract as a test of its own: `log_contract!(MyHarness::new())`. Use it once a module; needs tokio's test macros.
#[macro_export]
macro_rules! log_contract {
    ($harness:expr) => {
        $crate::log_contract!($harness;
            a_ticket_ends_when_its_records_are_durable, positions_are_dense_from_one, a_stale_writer_is_refused, pipelined_appends_keep_their_order,
            subjects_do_not_mix, a_dropped_ticket_does_not_take_the_append_back, large_records_come_back_whole, what_is_too_large_is_refused,
            many_records_in_one_append_are_one_ticket, what_nobody_waits_for_is_durable_by_itself_and_in_its_place, an_empty_record_is_a_record, the_identity_stays, reads_stop_at_the_limit, a_read_at_the_end_is_empty,
            a_reader_waits_for_the_next_record, concurrent_readers_see_only_durable_records_in_order, trimmed_records_are_gone_and_it_is_said,
            the_last_record_outlives_a_trim, bounds_follow_appends_and_trims, subjects_are_listed_by_prefix, a_value_is_durable_when_put_returns,
            a_put_with_a_stale_revision_is_refused, of_many_puts_one_wins, revisions_are_never_used_twice, deleted_keys_are_gone,
            keys_are_listed_by_prefix, watchers_of_a_key_wake, watchers_of_a_prefix_wake, a_writer_goes_on_after_a_restart,
            the_older_of_two_writers_is_stale, a_proven_end_is_behind_all_that_was_appended_and_takes_no_position,
            ends_can_be_asked_for_while_others_append, many_writers_at_once_lose_nothing,
        );
    };
    ($harness:expr; $($rule:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                let harness = $harness;
                $crate::contract::$rule(&harness).await;
            }
        )*
    };
}

fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

/// A record that shows which one it is.
fn record(of: &str, number: u64) -> Bytes {
    Bytes::from(format!("{of}#{number}"))
}

/// All that is readable from `from` on, in as many reads as it takes.
async fn read_all(log: &Arc<dyn Log>, subject: &Subject, from: Position) -> Batch {
    let mut all = Batch { next: from, ..Batch::default() };
    loop {
        let batch = log.read(subject, all.next, ReadLimit::default()).await.unwrap();
        all.trimmed_to = all.trimmed_to.or(batch.trimmed_to);
        let end = batch.entries.is_empty() && batch.damaged.is_empty();
        all.next = batch.next;
        all.entries.extend(batch.entries);
        all.damaged.extend(batch.damaged);
        if end {
            return all;
        }
    }
}

/// Checks that exactly these records are readable, in this order, from the first position on.
async fn expect_records(log: &Arc<dyn Log>, subject: &Subject, records: &[Bytes]) {
    let batch = read_all(log, subject, Position::START).await;
    assert!(batch.damaged.is_empty(), "damage in {subject}: {:?}", batch.damaged);
    let positions: Vec<u64> = batch.entries.iter().map(|e| e.position.0).collect();
    assert_eq!(positions, (1..=records.len() as u64).collect::<Vec<_>>(), "positions of {subject}");
    for (entry, record) in batch.entries.iter().zip(records) {
        assert!(entry.record == *record, "record {} of {subject} is not what was appended", entry.position);
    }
}
