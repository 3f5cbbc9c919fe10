//! What acts of people work with, wherever they are given: who owns a destination may be in this process or in another.
//!
//! An act is first written to the log, with who and why, then done by whoever owns what it is about. Messages made by
//! command enter IN as a sender's would.

use std::sync::Arc;

use barid_custody::NotAdmitted;
use barid_custody::act::Act;
use barid_model::Name;
use barid_pipeline::Intake;
use barid_runtime::control::CommandResult;
use barid_runtime::control::protocol::{By, Done, Replayed, RerunRequest, Resent};
use barid_runtime::control::protocol::{DiscardRequest, ReleaseRequest, ReplayRequest, ResendRequest};
use futures_util::future::BoxFuture;

use super::history::History;
use super::journal::Journal;
use super::{decide, replay, resend};

/// Why something cannot be done, in words for a person.
pub type Why = String;

/// Whether messages of a channel are taken now.
pub type Admits = Box<dyn Fn(Option<&Name>) -> Result<(), NotAdmitted> + Send + Sync>;

/// Who owns destinations, wherever they are.
pub trait Owners: Send + Sync + 'static {
    /// Whether there is such a destination: declared, or not yet empty.
    fn knows<'a>(&'a self, destination: &'a Name) -> BoxFuture<'a, CommandResult<bool>>;

    /// Has a destination's owner do something; how many it did, durably, or why not.
    fn act<'a>(&'a self, by: &'a By, destination: &'a Name, act: Act) -> BoxFuture<'a, Result<u64, Why>>;
}

/// What acts work with.
pub struct Acting {
    /// What they choose by.
    pub history: History,
    /// Where they are recorded.
    pub journal: Journal,
    /// IN, as this process writes it.
    pub intake: Arc<Intake>,
    /// What is taken now.
    pub admits: Admits,
    /// Who acts on destinations.
    pub owners: Arc<dyn Owners>,
}

impl Acting {
    /// Sends messages again as new ones.
    ///
    /// # Errors
    /// Where it was not begun.
    pub async fn replay(&self, request: ReplayRequest) -> CommandResult<Replayed> {
        replay::replay(self, request).await
    }

    /// Sends an edited message.
    ///
    /// # Errors
    /// Where it was not sent.
    pub async fn resend(&self, request: ResendRequest) -> CommandResult<Resent> {
        resend::resend(self, request).await
    }

    /// Runs quarantined deliveries again.
    ///
    /// # Errors
    /// Where it was not begun.
    pub async fn rerun(&self, request: RerunRequest) -> CommandResult<Done> {
        decide::rerun(self, request).await
    }

    /// Gives deliveries up.
    ///
    /// # Errors
    /// Where it was not begun.
    pub async fn discard(&self, request: DiscardRequest) -> CommandResult<Done> {
        decide::discard(self, request).await
    }

    /// Lets held lanes go on.
    ///
    /// # Errors
    /// Where it was not begun, or no such lane is held.
    pub async fn release(&self, request: ReleaseRequest) -> CommandResult<Done> {
        decide::release(self, request).await
    }
}
