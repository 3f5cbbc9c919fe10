//! What a store does for replicas. Every call may fail, and whoever calls goes on without it.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::{Known, Label};

/// Most spends of one call: one round trip of some ten kilobytes.
pub const SPENDS_MAX: usize = 256;
/// How far back figures go, in minutes: the one that runs and those before it.
pub const FIGURES_FOR: u64 = 5;

/// What was taken out of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spend {
    /// The bucket.
    pub label: Label,
    /// How long the messages may take at the rate.
    pub cost: Duration,
    /// Longest backlog that is kept: beyond it nothing is let in anyway.
    pub most: Duration,
}

/// The store has not answered, or not as it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what replicas share is away: {0}")]
pub struct Away(pub String);

/// Since when a store is away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absence {
    /// For so long.
    pub lasts: Duration,
    /// Why, in words without data.
    pub why: String,
}

/// What replicas share.
pub trait Store: Send + Sync + 'static {
    /// Takes out of buckets; gives for each how long until what was taken by all is due. At most [`SPENDS_MAX`].
    ///
    /// # Errors
    /// [`Away`]: it may have been counted or not.
    fn spend<'a>(&'a self, spends: &'a [Spend]) -> BoxFuture<'a, Result<Vec<Duration>, Away>>;

    /// Adds to the figures of this minute. At most 1,024 at once.
    ///
    /// # Errors
    /// [`Away`]: it may have been counted or not.
    fn add<'a>(&'a self, counts: &'a [(Label, u64)]) -> BoxFuture<'a, Result<(), Away>>;

    /// The figures of the last [`FIGURES_FOR`] minutes.
    ///
    /// # Errors
    /// [`Away`].
    fn figures(&self) -> BoxFuture<'_, Result<HashMap<Label, u64>, Away>>;

    /// Remembers messages for a while, each under a label with what tells its bytes; says for each whether one of that
    /// label was known. What was known first stays.
    ///
    /// # Errors
    /// [`Away`].
    fn remember<'a>(&'a self, messages: &'a [(Label, Label)]) -> BoxFuture<'a, Result<Vec<Known>, Away>>;

    /// Since when it is away; none where it is there.
    fn absence(&self) -> Option<Absence>;

    /// Whether others see it as well.
    fn is_shared(&self) -> bool;
}
