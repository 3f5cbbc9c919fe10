//! The ledger: the searchable history of every message, a view over the log and never the truth.
//!
//! A reader of the log hands over what it read ([`Change`]) together with how far it read; both are stored in one
//! transaction ([`Ledger::apply`]), so that a restart goes on where the view stands. Everything folds by key: a change
//! applied again changes nothing, and it does not matter whether a message's OUTCOME is applied before its IN. So the
//! ledger can be thrown away and rebuilt from the log at any time, which is also the remedy for every damage to it.
//!
//! Payloads and answers stay in the log; the ledger keeps their places. Sensitive search values arrive as keyed hashes.
//! [`SqliteLedger`] is the implementation of the one-process engine; another one, in a crate of its own, is made of what
//! [`store`] has and passes the same `contract`.
//! The interface is synchronous: call it from a thread that may block.

pub mod balance;
mod change;
mod choose;
mod codes;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod error;
pub mod filter;
mod fold;
mod gather;
mod key;
mod ledger;
mod retention;
mod span;
mod sqlite;
mod state;
pub mod statistics;
pub mod store;
pub mod story;
mod tell;
pub mod view;
pub mod waiting;

pub use balance::Balance;
pub use change::{Change, Entry, GivenUp};
pub use error::LedgerError;
pub use filter::{Cursor, DeliveryFilter, MessageFilter, Page, Paging, RefusedFilter};
pub use ledger::{Applied, Bound, Ledger};
pub use retention::{Pruned, Retention};
pub use sqlite::SqliteLedger;
pub use state::State;
pub use statistics::Statistics;
pub use story::Story;
pub use view::{DeliveryView, MessageView};
pub use waiting::{Waiting, WaitingAt};
