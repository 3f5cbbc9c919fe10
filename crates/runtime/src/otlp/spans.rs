//! Spans as OTLP has them.

use barid_trace::{Context, Kind, Sink, Span, Value};

use super::queue::Queue;
use super::wire;

/// Takes ended spans into the queue.
pub(super) struct Spans(pub(super) Queue<Span>);

impl Sink for Spans {
    fn take(&self, span: Span) {
        self.0.put(span);
    }
}

pub(super) fn span(span: Span) -> wire::Span {
    let Span { name, kind, context, parent, began, ended, fault, attributes, links } = span;
    let status = fault.map(|fault| wire::Status { message: fault.to_owned(), code: 2 });
    wire::Span {
        trace_id: context.trace.as_bytes().to_vec(),
        span_id: context.span.as_bytes().to_vec(),
        parent_span_id: parent.map(|parent| parent.as_bytes().to_vec()).unwrap_or_default(),
        name: name.to_owned(),
        kind: match kind {
            Kind::Internal => 1,
            Kind::Server => 2,
            Kind::Client => 3,
            Kind::Consumer => 5,
        },
        start: began,
        end: ended,
        attributes: attributes.into_iter().map(|(key, said)| wire::KeyValue::new(key, value(said))).collect(),
        links: links.iter().map(link).collect(),
        status,
        flags: u32::from(context.sampled),
    }
}

fn link(context: &Context) -> wire::Link {
    wire::Link {
        trace_id: context.trace.as_bytes().to_vec(),
        span_id: context.span.as_bytes().to_vec(),
        flags: u32::from(context.sampled),
    }
}

fn value(value: Value) -> wire::Any {
    match value {
        Value::Word(word) => wire::Any::Text(word.to_owned()),
        Value::Text(text) => wire::Any::Text(text.as_str().to_owned()),
        Value::Number(number) => wire::Any::Number(number),
        Value::Flag(flag) => wire::Any::Flag(flag),
    }
}
