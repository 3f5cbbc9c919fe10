//! Spans of a message's way: what every stage tells of where a message is and how long that took.
//!
//! A message's trace begins at its first byte and ends at its receiver's acknowledgement. Its context travels in the envelope and in the records of the log
//! as W3C `traceparent`, and so through processes and restarts. A span is a [`Started`] that is ended: nothing is kept while it runs but ids and a time, and
//! nothing at all where no exporter is installed. Whether a trace is kept follows from its id; what failed is kept always ([`Started::end`]).
//!
//! What a span may say is a closed set of types ([`Value`]): ids, names of documents, numbers and fixed words, never text of a message (G7).
//! Left to others: how spans leave the process (`runtime`), and where they begin and end (the stages).

mod context;
mod span;
mod started;
#[cfg(test)]
mod tests;

pub use context::{Context, SpanId, TraceId};
pub use span::{Kind, Span, Text, Value};
pub use started::{Ratio, Sink, Started, install, is_on};
