//! How a process ends: the closed list of exit codes, so that scripts, init systems and CI can tell one end from another.

use std::process::{ExitCode, Termination};

/// How the process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    #[default]
    Ok = 0,
    /// It did not work, for a reason that was printed.
    Failure = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The configuration is invalid.
    Configuration = 3,
    /// The engine, or the system asked for, cannot be reached or is not ready.
    Unreachable = 4,
    /// A test of the configuration failed.
    TestsFailed = 5,
    /// Storage failed: the process stopped rather than go on without durability.
    Storage = 6,
    /// The balance does not hold, or history and log differ.
    Unbalanced = 7,
    /// Told to stop, it did not drain in time, or was told twice. Nothing accepted is lost.
    Undrained = 8,
    /// What was asked for does not exist.
    NotFound = 9,
}

impl Exit {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Ok,
        Self::Failure,
        Self::Usage,
        Self::Configuration,
        Self::Unreachable,
        Self::TestsFailed,
        Self::Storage,
        Self::Unbalanced,
        Self::Undrained,
        Self::NotFound,
    ];

    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What it means, for people.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "done",
            Self::Failure => "it did not work; the reason was printed",
            Self::Usage => "the command line is wrong",
            Self::Configuration => "the configuration is invalid",
            Self::Unreachable => "the engine or the other system cannot be reached or is not ready",
            Self::TestsFailed => "a channel test failed",
            Self::Storage => "storage failed; the engine stopped rather than go on without durability",
            Self::Unbalanced => "the balance does not hold",
            Self::Undrained => "told to stop, it did not drain in time; nothing accepted is lost",
            Self::NotFound => "what was asked for does not exist",
        }
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}

/// A failure at the edge of the process: what is printed, and the code it ends with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// How the process ends.
    pub exit: Exit,
    /// What is printed: what went wrong, where, and what to do.
    pub text: String,
}

impl Failure {
    /// A failure with this code.
    #[must_use]
    pub fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, text: text.into() }
    }
}

impl From<crate::control::CommandError> for Failure {
    fn from(error: crate::control::CommandError) -> Self {
        use crate::control::ErrorKind;
        let exit = match error.kind {
            ErrorKind::NotFound => Exit::NotFound,
            ErrorKind::Invalid => Exit::Usage,
            ErrorKind::Unavailable => Exit::Unreachable,
            ErrorKind::Conflict | ErrorKind::Failed => Exit::Failure,
        };
        Self { exit, text: error.text }
    }
}
