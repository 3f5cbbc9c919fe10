//! The configuration stream (`barid.config.v1`): snapshots from where documents are compiled to where they run.
//!
//! A [`Published`] snapshot is a list of parts that nobody here looks into; what is in them is `config`'s. [`Publisher`]
//! offers the newest one to every replica that watches, those first that must understand it before others make use of it;
//! [`Subscription`] is the other end; [`LastGood`] keeps what was applied on disk, so that a replica starts without the
//! publisher.

mod kept;
mod published;
mod publisher;
mod rollout;
mod subscription;
#[cfg(test)]
mod tests;

pub use kept::{KeptError, LastGood};
pub use published::Published;
pub use publisher::{Outdated, Publisher};
pub use rollout::{ReplicaState, Stage};
pub use subscription::{Offer, Subscribe, Subscription};

/// The service, as the health protocol names it.
pub(crate) const SERVICE: &str = "barid.config.v1.Config";
