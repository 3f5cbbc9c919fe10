//! An ended span, and what it may say.

use barid_model::{DeliveryId, Finding, MessageUid, Name, Revision};

use crate::context::{Context, SpanId};

/// What a span is to those beside it, in the words of OpenTelemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A step within the process.
    Internal,
    /// It serves a call or a sender.
    Server,
    /// It calls another.
    Client,
    /// It goes on with what the log holds.
    Consumer,
}

/// A value that a span may carry. There is no way from bytes of a message to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A word of the program.
    Word(&'static str),
    /// An id or a name of a document.
    Text(Text),
    /// A number: sizes, counts, codes.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}

/// Text that is an id, a document's name or a rule's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value {
    /// A sender's name: of a document as it is; what a message itself declares is left out.
    #[must_use]
    pub fn facility(name: &str) -> Self {
        if name.contains('/') { Self::Text(Text(name.to_owned())) } else { Self::Word("undeclared") }
    }

    /// The rule that a finding comes from.
    #[must_use]
    pub fn rule(finding: &Finding) -> Self {
        Self::Text(Text(finding.rule.clone()))
    }

    /// The name of a route, which stands in a document.
    #[must_use]
    pub fn route(route: &std::sync::Arc<str>) -> Self {
        Self::Text(Text(route.to_string()))
    }
}

impl From<&'static str> for Value {
    fn from(word: &'static str) -> Self {
        Self::Word(word)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

macro_rules! numbers {
    ($($type:ty),*) => { $(
        impl From<$type> for Value {
            fn from(number: $type) -> Self {
                Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
            }
        }
    )* };
}

macro_rules! texts {
    ($($type:ty),*) => { $(
        impl From<&$type> for Value {
            fn from(text: &$type) -> Self {
                Self::Text(Text(text.to_string()))
            }
        }
    )* };
}

numbers!(u16, u32, u64, usize);
texts!(Name, MessageUid, DeliveryId, Revision);

/// An ended span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// What it is called: one of a few words.
    pub name: &'static str,
    /// What it is to those beside it.
    pub kind: Kind,
    /// Itself.
    pub context: Context,
    /// The span it belongs to; none for the first of a trace.
    pub parent: Option<SpanId>,
    /// When it began, in nanoseconds since the epoch.
    pub began: u64,
    /// When it ended.
    pub ended: u64,
    /// Why it failed, where it did.
    pub fault: Option<&'static str>,
    /// What it says.
    pub attributes: Vec<(&'static str, Value)>,
    /// Spans it goes on from.
    pub links: Vec<Context>,
}

impl Span {
    /// Adds an attribute.
    pub fn say(&mut self, key: &'static str, value: impl Into<Value>) {
        self.attributes.push((key, value.into()));
    }

    /// Adds an attribute where there is a value.
    pub fn say_if<V: Into<Value>>(&mut self, key: &'static str, value: Option<V>) {
        if let Some(value) = value {
            self.say(key, value);
        }
    }
}
