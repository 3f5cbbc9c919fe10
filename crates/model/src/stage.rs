//! A stage: one pure, synchronous function with two kinds of caller.
//!
//! A stage computes; it keeps nothing, waits for nothing and reads no clock, so that a call can be made again, on any
//! replica, with the same result. [`Local`] calls it in the same process; the mesh calls it over gRPC. Whoever calls
//! cannot tell, because both implement [`Call`]. Calls carry a batch, since a remote call costs more than most stages.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::error::ErrorClass;
use crate::id::Revision;

/// A pure function of its input.
pub trait Stage: Send + Sync + 'static {
    /// What it is given.
    type Input: Send + 'static;
    /// What it gives back; a rejection of the message is an output, not an error.
    type Output: Send + 'static;
    /// Computes the output of one input.
    ///
    /// # Errors
    /// [`StageError`] where no output can be given: the stage's fault or a missing revision, never the message's.
    fn apply(&self, input: &Self::Input) -> Result<Self::Output, StageError>;
}

/// A stage gave no output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StageError {
    /// It crashed on this input.
    #[error("the stage crashed on this message")]
    Crashed,
    /// It does not have this revision yet.
    #[error("revision {0} is not loaded here")]
    UnknownRevision(Revision),
    /// It cannot be reached or is not ready.
    #[error("the stage is not available: {0}")]
    Unavailable(String),
}

impl StageError {
    /// What the caller may do.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        ErrorClass::Retryable
    }
}

/// Calls a stage, wherever it runs.
pub trait Call<I, O>: Send + Sync + 'static {
    /// The outputs in the order of the inputs; each fails alone.
    fn call(&self, batch: Vec<I>) -> BoxFuture<'_, Vec<Result<O, StageError>>>;
}

/// A call's way to a stage in the same process. A panic in the stage becomes [`StageError::Crashed`].
pub struct Local<S>(Arc<S>);

impl<S: Stage> Local<S> {
    /// Calls this stage.
    #[must_use]
    pub fn new(stage: Arc<S>) -> Self {
        Self(stage)
    }

    /// Calls the stage for one input, at once.
    ///
    /// # Errors
    /// As the stage.
    pub fn one(&self, input: &S::Input) -> Result<S::Output, StageError> {
        catch_unwind(AssertUnwindSafe(|| self.0.apply(input))).unwrap_or(Err(StageError::Crashed))
    }
}

impl<S> Clone for Local<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Stage> Call<S::Input, S::Output> for Local<S> {
    fn call(&self, batch: Vec<S::Input>) -> BoxFuture<'_, Vec<Result<S::Output, StageError>>> {
        let outputs = batch.iter().map(|input| self.one(input)).collect();
        Box::pin(std::future::ready(outputs))
    }
}
