//! Findings: what is wrong or odd in a message, and where, in the terms of HL7 table 0357. Never a value of it.

use std::borrow::Cow;
use std::fmt;

use crate::Path;

/// HL7 table 0357, message error condition codes.
pub mod error_code {
    /// Message accepted; used by findings that only inform.
    pub const ACCEPTED: u16 = 0;
    /// Segments out of order, or a required segment missing.
    pub const SEGMENT_SEQUENCE: u16 = 100;
    /// A required field is missing.
    pub const REQUIRED_FIELD_MISSING: u16 = 101;
    /// A value is not of its data type.
    pub const DATA_TYPE: u16 = 102;
    /// A value is not in its table.
    pub const TABLE_VALUE: u16 = 103;
    /// A value is too long.
    pub const TOO_LONG: u16 = 104;
    /// Too few or too many repetitions (2.9).
    pub const CARDINALITY: u16 = 198;
    /// Another content error (2.9).
    pub const OTHER: u16 = 199;
    /// The message type is not supported.
    pub const MESSAGE_TYPE: u16 = 200;
    /// The event is not supported.
    pub const EVENT: u16 = 201;
    /// The processing id is not supported.
    pub const PROCESSING_ID: u16 = 202;
    /// The version is not supported.
    pub const VERSION: u16 = 203;
    /// A key is not known.
    pub const UNKNOWN_KEY: u16 = 204;
    /// A key exists already.
    pub const DUPLICATE_KEY: u16 = 205;
    /// A record is locked.
    pub const LOCKED: u16 = 206;
    /// An error of the receiving application; the sender may send again.
    pub const INTERNAL: u16 = 207;

    /// The table's own text; codes outside the table read as an internal error.
    pub fn describe(code: u16) -> &'static str {
        match code {
            ACCEPTED => "Message accepted",
            SEGMENT_SEQUENCE => "Segment sequence error",
            REQUIRED_FIELD_MISSING => "Required field missing",
            DATA_TYPE => "Data type error",
            TABLE_VALUE => "Table value not found",
            TOO_LONG => "Value too long",
            CARDINALITY => "Non-Conformant Cardinality",
            OTHER => "Other HL7 Error",
            MESSAGE_TYPE => "Unsupported message type",
            EVENT => "Unsupported event code",
            PROCESSING_ID => "Unsupported processing id",
            VERSION => "Unsupported version id",
            UNKNOWN_KEY => "Unknown key identifier",
            DUPLICATE_KEY => "Duplicate key identifier",
            LOCKED => "Application record locked",
            _ => "Application internal error",
        }
    }
}

/// How bad a finding is; the order is from mild to grave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Information,
    /// Tolerated.
    Warning,
    /// The message does not conform.
    Error,
}

impl Severity {
    /// The code of table 0516: `I`, `W` or `E`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Information => "I",
            Self::Warning => "W",
            Self::Error => "E",
        }
    }
}

/// One thing found in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Code of table 0357, see [`error_code`].
    pub code: u16,
    /// Where, if it has a place.
    pub path: Option<Path>,
    /// Line of the received text, from 1, where no path can be given.
    pub line: Option<u32>,
    /// Stable name of the rule, `group.rule`, for settings and statistics.
    pub rule: Cow<'static, str>,
    /// What is wrong, in English, ASCII, without any value of the message.
    pub text: Cow<'static, str>,
}

impl Finding {
    /// A finding without a place.
    pub fn new(
        severity: Severity,
        code: u16,
        rule: impl Into<Cow<'static, str>>,
        text: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { severity, code, path: None, line: None, rule: rule.into(), text: text.into() }
    }

    /// An error without a place.
    pub fn error(code: u16, rule: impl Into<Cow<'static, str>>, text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Severity::Error, code, rule, text)
    }

    /// A warning without a place.
    pub fn warning(code: u16, rule: impl Into<Cow<'static, str>>, text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Severity::Warning, code, rule, text)
    }

    /// The same at a path.
    #[must_use]
    pub fn at(mut self, path: Path) -> Self {
        self.path = Some(path);
        self
    }

    /// The same at a line, from 1.
    #[must_use]
    pub fn on_line(mut self, line: u32) -> Self {
        self.line = Some(line);
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.path, self.line) {
            (Some(path), _) => write!(f, "{path}: ")?,
            (None, Some(line)) => write!(f, "line {line}: ")?,
            (None, None) => {}
        }
        write!(f, "{} ({})", self.text, self.code)
    }
}
