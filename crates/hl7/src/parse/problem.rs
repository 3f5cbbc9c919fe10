//! Why bytes are not a message, with what an answer needs: the code, the place, and what could be read of the header.

use super::Disposition;
use crate::{DelimiterError, Finding, Header, Path, error_code};

/// Why bytes are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseProblem {
    /// Nothing, or only white space.
    #[error("the message is empty")]
    Empty,
    /// It does not begin with MSH.
    #[error("the message does not begin with an MSH segment")]
    NoHeader,
    /// UTF-16 or UTF-32.
    #[error("the message is UTF-16 or UTF-32 text, which cannot be framed safely; send UTF-8")]
    Unframable,
    /// It begins with FHS or BHS, or holds batch segments.
    #[error("this is a batch or file (FHS, BHS), not a single message")]
    Batch,
    /// MSH-1 or MSH-2 cannot be used.
    #[error("{0}")]
    Delimiters(DelimiterError),
    /// A line that is no segment.
    #[error(
        "this line is not a segment (three characters and a field separator); a line end inside a field has to be \
         escaped as \\.br\\ or \\X0D\\"
    )]
    NotASegment,
    /// A second MSH.
    #[error("a second MSH segment: two messages in one frame are not accepted as one")]
    SecondHeader,
    /// A line feed, and the setting does not accept it.
    #[error("a line feed where segments have to end with a carriage return")]
    LineFeed,
    /// More bytes than the limit.
    #[error("the message is larger than {limit} bytes")]
    TooLarge {
        /// [`Limits::message_bytes`](crate::Limits::message_bytes).
        limit: usize,
    },
    /// More segments than the limit.
    #[error("the message has more than {limit} segments")]
    TooManySegments {
        /// [`Limits::segments`](crate::Limits::segments).
        limit: usize,
    },
    /// More fields than the limit.
    #[error("the message has more than {limit} fields")]
    TooManyFields {
        /// [`Limits::fields`](crate::Limits::fields).
        limit: usize,
    },
}

/// Bytes that are not a message, with what an answer needs.
#[derive(Debug, thiserror::Error)]
#[error("{}{problem}", at_line(.line))]
pub struct ParseError {
    /// What is wrong.
    pub problem: ParseProblem,
    /// Line of the received text, from 1.
    pub line: Option<u32>,
    /// What could be read of the header.
    pub header: Box<Header>,
}

fn at_line(line: &Option<u32>) -> String {
    line.map(|line| format!("line {line}: ")).unwrap_or_default()
}

impl ParseError {
    /// The code of table 0357.
    pub fn code(&self) -> u16 {
        match self.problem {
            ParseProblem::Delimiters(error) => error.code(),
            ParseProblem::Batch => error_code::MESSAGE_TYPE,
            ParseProblem::Unframable => error_code::DATA_TYPE,
            ParseProblem::TooLarge { .. }
            | ParseProblem::TooManySegments { .. }
            | ParseProblem::TooManyFields { .. } => error_code::TOO_LONG,
            ParseProblem::Empty
            | ParseProblem::NoHeader
            | ParseProblem::NotASegment
            | ParseProblem::SecondHeader
            | ParseProblem::LineFeed => error_code::SEGMENT_SEQUENCE,
        }
    }

    /// Where, if the place has an address.
    pub fn path(&self) -> Option<Path> {
        match self.problem {
            ParseProblem::Delimiters(error) => Some(Path::msh(error.field())),
            _ => None,
        }
    }

    /// Whether to answer with an error (content) or a rejection (this is nothing we can take).
    pub fn disposition(&self) -> Disposition {
        match self.problem {
            ParseProblem::NotASegment | ParseProblem::SecondHeader | ParseProblem::LineFeed => Disposition::Error,
            _ => Disposition::Rejected,
        }
    }

    /// As a finding, for acknowledgements and the ledger.
    pub fn finding(&self) -> Finding {
        let mut finding = Finding::error(self.code(), self.rule(), self.problem.to_string());
        finding.path = self.path();
        finding.line = self.line;
        finding
    }

    fn rule(&self) -> &'static str {
        match self.problem {
            ParseProblem::Empty => "parse.empty",
            ParseProblem::NoHeader => "parse.no-header",
            ParseProblem::Unframable => "parse.unframable",
            ParseProblem::Batch => "parse.batch",
            ParseProblem::Delimiters(_) => "parse.delimiters",
            ParseProblem::NotASegment => "parse.not-a-segment",
            ParseProblem::SecondHeader => "parse.second-header",
            ParseProblem::LineFeed => "parse.line-feed",
            ParseProblem::TooLarge { .. } => "parse.too-large",
            ParseProblem::TooManySegments { .. } => "parse.too-many-segments",
            ParseProblem::TooManyFields { .. } => "parse.too-many-fields",
        }
    }
}
