//! Why a mapping failed: the step, the place in the message, the reason, and never a value.

use std::borrow::Cow;

use barid_expr::{EvalError, Failure};
use barid_hl7::{EditError, Path, error_code};
use barid_model::{ErrorClass, Finding};

/// A mapping that failed on a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{step}: {}", .finding.text)]
pub struct StepFailure {
    /// The step in its document, such as `transform[2].lookup`.
    pub step: String,
    /// What is recorded of it.
    pub finding: Finding,
}

impl StepFailure {
    /// The same message fails again under the same revision.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        ErrorClass::Rejected
    }

    pub(crate) fn new(step: &str, stop: Stop) -> Self {
        let verb = step.rsplit('.').next().unwrap_or("step");
        let path = stop.path.map(|path| path.to_string()).unwrap_or_default();
        let text = format!("{step}: {}", stop.text);
        Self { step: step.to_owned(), finding: Finding::error(stop.code, path, &format!("mapping.{verb}"), text) }
    }
}

/// Why a step stops.
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) code: u16,
    pub(crate) path: Option<Path>,
    pub(crate) text: Cow<'static, str>,
}

impl Stop {
    pub(crate) fn at(path: Path, code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, path: Some(path), text: text.into() }
    }

    /// The same with a place, where it has none.
    pub(crate) fn or_at(mut self, path: Path) -> Self {
        self.path = self.path.or(Some(path));
        self
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        let code = match failure {
            Failure::NotANumber | Failure::NotADate => error_code::DATA_TYPE,
            _ => error_code::INTERNAL,
        };
        let text = match failure {
            Failure::Steps => Cow::Borrowed("the mapping needs more steps than a message may take"),
            other => Cow::Owned(other.to_string()),
        };
        Self { code, path: None, text }
    }
}

impl From<EvalError> for Stop {
    fn from(error: EvalError) -> Self {
        let stop = Self::from(error.failure);
        if error.failure == Failure::Steps {
            return stop;
        }
        Self { text: Cow::Owned(error.to_string()), ..stop }
    }
}

impl From<EditError> for Stop {
    fn from(error: EditError) -> Self {
        let (code, path) = match &error {
            EditError::NoSegment(path) => (error_code::SEGMENT_SEQUENCE, Some(*path)),
            EditError::TooLarge { .. } | EditError::TooManySegments { .. } => (error_code::TOO_LONG, None),
            EditError::Header(path) | EditError::NoDelimiter(path) | EditError::Structure(path) => {
                (error_code::DATA_TYPE, Some(*path))
            }
            EditError::Unsuitable { path, .. } => (error_code::INTERNAL, Some(*path)),
            EditError::Text { path, .. } => (error_code::DATA_TYPE, Some(*path)),
            _ => (error_code::DATA_TYPE, None),
        };
        Self { code, path, text: Cow::Owned(error.to_string()) }
    }
}
