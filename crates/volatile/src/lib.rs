//! What replicas know together and may lose: how fast a facility sends, what came lately, what was sent before.
//!
//! One rule keeps it harmless: no message waits for any of it, and nothing of it says that a message is durable. [`Pace`]
//! and [`Resends`] decide from what this process knows and tell the others a moment later over a [`Store`]: [`Memory`] for
//! a process that is alone, Redis (`redis`) for several. Where the store is away, each replica goes on by itself.
//!
//! Left to others: what is done with a facility that is too fast, and the certain judge of duplicates, which is the owner of
//! a partition. Names and control ids go to a store as keyed hashes only ([`Labels`]).

#[cfg(test)]
mod contract;
mod label;
mod memory;
mod pace;
#[cfg(feature = "redis")]
pub mod redis;
mod resends;
mod store;

pub use label::{Label, Labels};
pub use memory::Memory;
pub use pace::{HOLD_MAX, Pace, Rate, Turn};
pub use resends::{Known, Remembering, Resends};
pub use store::{Absence, Away, FIGURES_FOR, SPENDS_MAX, Spend, Store};
