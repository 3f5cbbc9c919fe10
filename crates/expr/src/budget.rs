//! How much an evaluation, or a whole mapping, may still do.
//!
//! Time is not measured (a rerun has to give the same result, on a slower machine too): work is counted. A node, a list
//! item, a read of a field costs a step; long texts and far segments cost more, in proportion to what they take.

use crate::error::Failure;

/// Steps left.
#[derive(Debug, Clone)]
pub struct Budget {
    left: u64,
}

impl Budget {
    /// Steps of one expression evaluated by itself: a condition over each of 5,000 observations takes about 50,000, a
    /// search in a document of 16 MiB 130,000; all of these take about a tenth of a second.
    pub const EXPRESSION: u64 = 500_000;

    /// Bytes of text read or written for one step.
    const BYTES_A_STEP: u64 = 256;

    /// A budget of so many steps.
    #[must_use]
    pub const fn of(steps: u64) -> Self {
        Self { left: steps }
    }

    /// Steps left.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.left
    }

    /// Takes some steps.
    ///
    /// # Errors
    /// [`Failure::Steps`] where fewer are left; then none is left.
    pub fn take(&mut self, steps: u64) -> Result<(), Failure> {
        match self.left.checked_sub(steps) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(Failure::Steps)
            }
        }
    }

    /// Takes what so many bytes of text cost.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn take_bytes(&mut self, bytes: usize) -> Result<(), Failure> {
        self.take(bytes as u64 / Self::BYTES_A_STEP)
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::of(Self::EXPRESSION)
    }
}
