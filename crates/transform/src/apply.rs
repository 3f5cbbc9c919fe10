//! The apply stage.
use barid_model::stage::{Stage, StageError};

use crate::program::{Applied, ApplyInput};

/// The apply stage: filter, transform, routes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Apply;

impl Stage for Apply {
    type Input = ApplyInput;
    type Output = Applied;

    fn apply(&self, _: &ApplyInput) -> Result<Applied, StageError> {
        Err(StageError::Unavailable("not built yet".to_owned()))
    }
}
