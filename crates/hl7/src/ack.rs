//! Acknowledgements: which one is due, building it, and reading one that came back.
//!
//! An answer is built from the request's [`Header`](crate::Header) alone, so that a message that cannot be read to its
//! end gets one too. The caller brings the clock and the control id. Texts come from findings, which hold no values of
//! the message, so no patient data leaves by this way.

mod build;
mod err;
mod mode;
mod read;

pub use build::{Answer, missing_control_id};
pub use err::MOST_ERRORS;
pub use mode::{Mode, is_acknowledgement, mode_finding, reply};
pub use read::{Acknowledgement, MOST_CODES, ReadError, read};

use crate::error_code;
use crate::{Finding, Severity};

/// How a message was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// In safe storage.
    Accepted,
    /// Its content is at fault, or we are for the moment.
    Error,
    /// Its type, version or processing id is nothing we take, or it is no message.
    Rejected,
}

impl Disposition {
    /// What an error code of table 0357 calls for: 200 to 203 reject, all others are errors.
    pub fn of_code(code: u16) -> Self {
        match code {
            error_code::ACCEPTED => Self::Accepted,
            error_code::MESSAGE_TYPE..=error_code::VERSION => Self::Rejected,
            _ => Self::Error,
        }
    }

    /// What findings call for: the gravest of the errors among them.
    pub fn of_findings(findings: &[Finding]) -> Self {
        let mut worst = Self::Accepted;
        for finding in findings.iter().filter(|finding| finding.severity == Severity::Error) {
            match Self::of_code(finding.code) {
                Self::Rejected => return Self::Rejected,
                Self::Error | Self::Accepted => worst = Self::Error,
            }
        }
        worst
    }
}

/// MSA-1, table 0008.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AckCode {
    /// Original mode: accepted. Enhanced mode: application accept.
    AA,
    /// Application error.
    AE,
    /// Application reject.
    AR,
    /// Accept acknowledgement: commit accept.
    CA,
    /// Accept acknowledgement: commit error.
    CE,
    /// Accept acknowledgement: commit reject.
    CR,
}

impl AckCode {
    /// The two letters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AA => "AA",
            Self::AE => "AE",
            Self::AR => "AR",
            Self::CA => "CA",
            Self::CE => "CE",
            Self::CR => "CR",
        }
    }

    /// From MSA-1; case is forgiven, white space around it too.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes.trim_ascii().to_ascii_uppercase().as_slice() {
            b"AA" => Some(Self::AA),
            b"AE" => Some(Self::AE),
            b"AR" => Some(Self::AR),
            b"CA" => Some(Self::CA),
            b"CE" => Some(Self::CE),
            b"CR" => Some(Self::CR),
            _ => None,
        }
    }

    /// Whether custody passed.
    pub fn is_positive(self) -> bool {
        matches!(self, Self::AA | Self::CA)
    }

    /// Whether it is an accept (commit) acknowledgement, which may be followed by an application one.
    pub fn is_commit(self) -> bool {
        matches!(self, Self::CA | Self::CE | Self::CR)
    }

    /// The application code for a disposition.
    pub fn application(disposition: Disposition) -> Self {
        match disposition {
            Disposition::Accepted => Self::AA,
            Disposition::Error => Self::AE,
            Disposition::Rejected => Self::AR,
        }
    }

    /// The accept code for a disposition.
    pub fn commit(disposition: Disposition) -> Self {
        match disposition {
            Disposition::Accepted => Self::CA,
            Disposition::Error => Self::CE,
            Disposition::Rejected => Self::CR,
        }
    }
}

#[cfg(test)]
mod tests;
