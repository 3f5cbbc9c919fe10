//! Log lines as OTLP has them: the same that standard error shows, as a layer beside it.

use std::fmt::Write as _;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::queue::Queue;
use super::{now, wire};

/// Longest text of a line or field, in bytes; a longer one is cut.
const TEXT_MAX: usize = 4 * 1024;

/// A layer that sends log lines.
pub(crate) struct Lines(Queue<wire::LogRecord>);

impl Lines {
    pub(super) const fn new(queue: Queue<wire::LogRecord>) -> Self {
        Self(queue)
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        // What sending itself logs, deep in its libraries, would be sent again, for ever.
        if !metadata.target().starts_with("barid") && *metadata.level() > Level::WARN {
            return;
        }
        let mut record = wire::LogRecord { time: now(), ..wire::LogRecord::default() };
        record.observed = record.time;
        (record.severity, record.severity_text) = severity(*metadata.level());
        event.record(&mut Fields(&mut record));
        record.attributes.push(wire::KeyValue::text("target", metadata.target()));
        self.0.put(record);
    }
}

fn severity(level: Level) -> (i32, String) {
    let number = match level {
        Level::TRACE => 1,
        Level::DEBUG => 5,
        Level::INFO => 9,
        Level::WARN => 13,
        Level::ERROR => 17,
    };
    (number, level.to_string())
}

struct Fields<'a>(&'a mut wire::LogRecord);

impl Fields<'_> {
    fn add(&mut self, field: &Field, value: wire::Any) {
        if field.name() == "message" {
            self.0.body = Some(wire::AnyValue { value: Some(value) });
        } else {
            self.0.attributes.push(wire::KeyValue::new(field.name(), value));
        }
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let mut text = String::new();
        // Writing to a string cannot fail.
        write!(text, "{value:?}").unwrap_or_default();
        self.add(field, wire::Any::Text(cut(text)));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, wire::Any::Text(cut(value.to_owned())));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, wire::Any::Number(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, wire::Any::Number(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, wire::Any::Flag(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, wire::Any::Double(value));
    }
}

fn cut(mut text: String) -> String {
    let mut end = TEXT_MAX.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}
