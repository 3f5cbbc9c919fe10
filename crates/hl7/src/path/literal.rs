//! Reading path literals. People write them in channel documents, so each error says where and what would be right.

use super::{Index, Path, SegmentId};

/// A path that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is not an HL7 path: {problem} (column {column})")]
pub struct PathError {
    /// The literal, shortened to [`PathError::SHOWN`] characters.
    pub path: String,
    /// Where, in characters from 1.
    pub column: usize,
    /// What is wrong, and what to write instead.
    pub problem: String,
}

impl PathError {
    /// How many characters of the literal an error repeats.
    pub const SHOWN: usize = 60;
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

pub(super) fn parse(text: &str) -> Result<Path, PathError> {
    let mut reader = Reader { text, at: 0 };
    let mut path = Path::of_segment(reader.segment()?);
    path.occurrence = reader.index("segment")?;
    if reader.done() {
        return Ok(path);
    }
    reader.dash()?;
    path.field = reader.number("field", Path::MAX_FIELD)?;
    path.repetition = reader.index("repetition")?;
    if reader.done() {
        return Ok(path);
    }
    reader.dot()?;
    path.component = reader.number("component", Path::MAX_COMPONENT)?;
    if reader.done() {
        return Ok(path);
    }
    reader.dot()?;
    path.subcomponent = reader.number("subcomponent", Path::MAX_COMPONENT)?;
    if reader.done() {
        return Ok(path);
    }
    Err(reader.error("it ends after the subcomponent; remove the rest"))
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn done(&self) -> bool {
        self.at >= self.text.len()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn error(&self, problem: impl Into<String>) -> PathError {
        let column = self.text.get(..self.at).unwrap_or(self.text).chars().count() + 1;
        PathError { path: self.text.chars().take(PathError::SHOWN).collect(), column, problem: problem.into() }
    }

    fn segment(&mut self) -> Result<SegmentId, PathError> {
        const RULE: &str = "it starts with a segment id of 3 characters, such as `PID-3`";
        let id = match self.text.as_bytes() {
            [] => return Err(self.error("it is empty; write for instance `PID-3.1`")),
            [a, b, c, ..] => [*a, *b, *c],
            _ => return Err(self.error(RULE)),
        };
        match SegmentId::new(id) {
            Some(segment) => {
                self.at = 3;
                Ok(segment)
            }
            None => match SegmentId::of_line(&id) {
                Some(upper) => Err(self.error(format!("segment ids are upper case; write `{upper}`"))),
                None => Err(self.error(RULE)),
            },
        }
    }

    fn dash(&mut self) -> Result<(), PathError> {
        match self.peek() {
            Some(b'-') => {
                self.at += 1;
                Ok(())
            }
            Some(b'.' | b'/' | b':') => {
                let id = self.text.get(..3).unwrap_or("PID");
                Err(self.error(format!("write `-` between segment and field, as in `{id}-3.1`")))
            }
            Some(b'(') => Err(self.error("write an index in square brackets, as in `OBX[2]-5`")),
            _ => Err(self.error("write `-` and a field number after the segment, as in `PID-3`")),
        }
    }

    fn dot(&mut self) -> Result<(), PathError> {
        match self.peek() {
            Some(b'.') => {
                self.at += 1;
                Ok(())
            }
            Some(b'-') => Err(self.error("write `.` before a component, as in `PID-3.1`")),
            Some(b'[') => Err(self.error("only segments and fields have an index, as in `OBX[2]-5[1].1`")),
            Some(b'(') => Err(self.error("write an index in square brackets, as in `PID-3[2]`")),
            _ => Err(self.error("write `.` and a number for a component or subcomponent, as in `PID-3.4.1`")),
        }
    }

    fn number(&mut self, what: &str, max: u16) -> Result<u16, PathError> {
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        let text = self.rest().get(..digits).unwrap_or_default();
        let value = match text {
            "" => return Err(self.error(format!("a {what} number is missing here"))),
            _ if text.starts_with('0') => {
                return Err(self.error(format!("{what} numbers count from 1, without leading zeros")));
            }
            _ => text.parse::<u16>().ok().filter(|n| *n <= max),
        };
        let value = value.ok_or_else(|| self.error(format!("the highest {what} number is {max}")))?;
        self.at += digits;
        Ok(value)
    }

    fn index(&mut self, what: &str) -> Result<Index, PathError> {
        if self.peek() != Some(b'[') {
            return Ok(Index::First);
        }
        let Some(close) = self.rest().find(']') else {
            return Err(self.error("the `[` has no `]`"));
        };
        let inner = self.rest().get(1..close).unwrap_or_default().to_owned();
        let index = match inner.as_str() {
            "*" => Index::All,
            "" => return Err(self.error(format!("the {what} index is empty; write `[1]` or `[*]`"))),
            "0" => return Err(self.error("indexes count from 1; the first is `[1]`")),
            _ if inner.starts_with('0') || !inner.bytes().all(|b| b.is_ascii_digit()) => {
                return Err(self.error(format!("a {what} index is a number from 1, or `*`")));
            }
            _ => match inner.parse::<u32>().ok().filter(|n| *n <= Path::MAX_INDEX) {
                Some(n) => Index::At(n),
                None => return Err(self.error(format!("the highest {what} index is {}", Path::MAX_INDEX))),
            },
        };
        self.at += close + 1;
        Ok(index)
    }
}
