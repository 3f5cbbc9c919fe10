//! What a mapping did, step by step: for `barid try`. It holds data of the message, so it is shown, never logged.

use std::fmt;

use barid_hl7::Path;

/// Most differences kept of one run; nobody reads more, and a message has at most a million fields.
pub const CHANGES_MAX: usize = 10_000;

/// What a mapping did.
#[derive(Clone, Default)]
pub struct Trace {
    /// The steps in the order they ran; those of an applied mapping follow the step that applied it.
    pub steps: Vec<TracedStep>,
    kept: usize,
    /// Whether there were more differences than [`CHANGES_MAX`].
    pub cut: bool,
}

/// What one step did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedStep {
    /// Its place in the document, such as `transform[2].lookup`.
    pub at: String,
    /// How it went.
    pub done: Done,
    /// What it changed.
    pub changes: Vec<Change>,
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It ran, and changed something or found nothing to change.
    Ran,
    /// Its `when` was false everywhere.
    Skipped,
    /// It failed, and the mapping with it.
    Failed,
}

/// One difference: the text as it is encoded, before and after.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub path: String,
    /// What stood there.
    pub before: String,
    /// What stands there now.
    pub after: String,
}

impl Trace {
    pub(crate) fn begin(&mut self, at: &str) -> usize {
        self.steps.push(TracedStep { at: at.to_owned(), done: Done::Skipped, changes: Vec::new() });
        self.steps.len() - 1
    }

    pub(crate) fn mark(&mut self, step: usize, done: Done) {
        if let Some(step) = self.steps.get_mut(step) {
            step.done = done;
        }
    }

    pub(crate) fn change(&mut self, step: usize, path: &Path, before: String, after: String) {
        if before == after {
            return;
        }
        if self.kept >= CHANGES_MAX {
            self.cut = true;
            return;
        }
        self.kept += 1;
        let change = Change { path: path.to_string(), before, after };
        if let Some(step) = self.steps.get_mut(step) {
            step.changes.push(change);
        }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trace({} steps, {} changes)", self.steps.len(), self.kept)
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Change({})", self.path)
    }
}
