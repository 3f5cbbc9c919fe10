//! The delimiters of one message: MSH-1 and the characters of MSH-2.
//!
//! Read from the message, never assumed. A delimiter that MSH-2 leaves out is not in use: nothing is split or escaped
//! by it. Characters that would make the message ambiguous (letters, line ends, the same one twice) are refused.

use crate::error_code;

/// The delimiters in use. `None`: not in use in this message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delimiters {
    /// MSH-1.
    pub field: u8,
    /// First character of MSH-2.
    pub component: Option<u8>,
    /// Second character of MSH-2.
    pub repetition: Option<u8>,
    /// Third character of MSH-2.
    pub escape: Option<u8>,
    /// Fourth character of MSH-2.
    pub subcomponent: Option<u8>,
    /// Fifth character of MSH-2, from version 2.7 on.
    pub truncation: Option<u8>,
}

/// Why MSH-1 or MSH-2 cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DelimiterError {
    /// The header ends before MSH-2.
    #[error("the header segment has no MSH-2 (encoding characters); usual is `^~\\&`")]
    Missing,
    /// A character that cannot delimit: letter, digit, quote, space, control or non-ASCII.
    #[error("MSH-{field} holds a character that cannot be a delimiter; usual are `|` and `^~\\&`")]
    Unusable {
        /// 1 or 2.
        field: u16,
    },
    /// The same character twice.
    #[error("MSH-1 and MSH-2 use the same character for two delimiters; usual are `|` and `^~\\&`")]
    Duplicate,
    /// More than five characters.
    #[error("MSH-2 has more than 5 characters; usual is `^~\\&`")]
    TooLong,
}

impl DelimiterError {
    /// The field at fault, 1 or 2.
    pub fn field(&self) -> u16 {
        match self {
            Self::Unusable { field } => *field,
            Self::Missing | Self::Duplicate | Self::TooLong => 2,
        }
    }

    /// The code of table 0357.
    pub fn code(&self) -> u16 {
        match self {
            Self::Missing => error_code::REQUIRED_FIELD_MISSING,
            Self::Unusable { .. } | Self::Duplicate | Self::TooLong => error_code::DATA_TYPE,
        }
    }
}

impl Delimiters {
    /// `|^~\&`, without truncation character.
    pub const STANDARD: Self = Self {
        field: b'|',
        component: Some(b'^'),
        repetition: Some(b'~'),
        escape: Some(b'\\'),
        subcomponent: Some(b'&'),
        truncation: None,
    };

    /// Reads them from a line that begins with a header segment's id (`MSH`, `FHS`, `BHS`).
    pub fn read(line: &[u8]) -> Result<Self, DelimiterError> {
        let field = *line.get(3).ok_or(DelimiterError::Missing)?;
        if !usable(field) {
            return Err(DelimiterError::Unusable { field: 1 });
        }
        let rest = line.get(4..).unwrap_or_default();
        let end = rest.iter().position(|&b| b == field || b == b'\r' || b == b'\n').unwrap_or(rest.len());
        Self::new(field, rest.get(..end).unwrap_or_default())
    }

    /// From MSH-1 and MSH-2.
    pub fn new(field: u8, encoding: &[u8]) -> Result<Self, DelimiterError> {
        if encoding.is_empty() {
            return Err(DelimiterError::Missing);
        }
        if encoding.len() > 5 {
            return Err(DelimiterError::TooLong);
        }
        if !usable(field) {
            return Err(DelimiterError::Unusable { field: 1 });
        }
        for (i, &byte) in encoding.iter().enumerate() {
            if !usable(byte) {
                return Err(DelimiterError::Unusable { field: 2 });
            }
            if byte == field || encoding.iter().skip(i + 1).any(|&other| other == byte) {
                return Err(DelimiterError::Duplicate);
            }
        }
        let at = |i: usize| encoding.get(i).copied();
        Ok(Self { field, component: at(0), repetition: at(1), escape: at(2), subcomponent: at(3), truncation: at(4) })
    }

    /// MSH-2.
    pub fn encoding_characters(&self) -> Vec<u8> {
        [self.component, self.repetition, self.escape, self.subcomponent, self.truncation]
            .into_iter()
            .flatten()
            .collect()
    }

    /// The letter of the escape sequence for a byte that is a delimiter (truncation excepted: it needs no escape in
    /// the middle of data).
    pub(crate) fn letter(&self, byte: u8) -> Option<u8> {
        let some = Some(byte);
        if byte == self.field {
            Some(b'F')
        } else if some == self.component {
            Some(b'S')
        } else if some == self.repetition {
            Some(b'R')
        } else if some == self.escape {
            Some(b'E')
        } else if some == self.subcomponent {
            Some(b'T')
        } else {
            None
        }
    }

    /// The delimiter an escape letter stands for.
    pub(crate) fn by_letter(&self, letter: u8) -> Option<u8> {
        match letter {
            b'F' => Some(self.field),
            b'S' => self.component,
            b'T' => self.subcomponent,
            b'R' => self.repetition,
            b'E' => self.escape,
            b'P' => self.truncation,
            _ => None,
        }
    }

    /// Whether the byte separates parts inside a field.
    pub(crate) fn splits(&self, byte: u8) -> bool {
        let some = Some(byte);
        some == self.component || some == self.repetition || some == self.subcomponent
    }
}

impl Default for Delimiters {
    fn default() -> Self {
        Self::STANDARD
    }
}

fn usable(byte: u8) -> bool {
    byte.is_ascii_punctuation() && byte != b'"'
}
