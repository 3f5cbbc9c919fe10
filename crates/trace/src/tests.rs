use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use barid_model::{MessageUid, Timestamp};

use super::{Context, Ratio, Sink, Span, SpanId, Started, TraceId, Value, install};

const HEADER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

struct Kept;

static KEPT: OnceLock<Mutex<Vec<Span>>> = OnceLock::new();

impl Sink for Kept {
    fn take(&self, span: Span) {
        KEPT.get_or_init(Mutex::default).lock().unwrap().push(span);
    }
}

/// What was kept of a trace, in a process whose ratio is a half.
fn kept(trace: TraceId) -> Vec<Span> {
    let all = KEPT.get_or_init(Mutex::default).lock().unwrap();
    all.iter().filter(|span| span.context.trace == trace).cloned().collect()
}

/// A message whose trace is kept, or is not.
fn message(is_kept: bool) -> MessageUid {
    install(Box::new(Kept), Ratio::new(0.5));
    loop {
        let uid = MessageUid::new(Timestamp::from_micros(1_700_000_000_000_000));
        if Started::of("accept", None, uid).unwrap().is_kept() == is_kept {
            return uid;
        }
    }
}

#[test]
fn a_context_is_read_as_it_is_written() {
    let context = Context::read(HEADER).unwrap();
    assert!(context.sampled);
    assert_eq!(context.header(), HEADER);
    let not_kept = Context { sampled: false, ..context }.header();
    assert_eq!(not_kept, HEADER.replace("-01", "-00"));
    assert_eq!(Context::read(&not_kept).unwrap(), Context { sampled: false, ..context });
}

#[test]
fn what_is_no_context_is_not_read() {
    for wrong in [
        "",
        "00",
        "00-1-2-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473600f067aa0ba902b7--01",
        "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
    ] {
        assert_eq!(Context::read(wrong), None, "{wrong}");
    }
    assert!(Context::read("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more").is_some());
}

#[test]
fn a_trace_is_kept_or_not_by_its_id_alone_in_the_ratio_asked_for() {
    let ids = || (0..4_000).map(|_| TraceId::new(*MessageUid::new(Timestamp::from_micros(1)).as_bytes()).unwrap());
    let share = |ratio: f64| ids().filter(|id| Ratio::new(ratio).keeps(*id)).count();
    assert_eq!(share(0.0), 0);
    assert_eq!(share(1.0), 4_000);
    assert!((800..1_200).contains(&share(0.25)), "{}", share(0.25));
    let id = ids().next().unwrap();
    assert_eq!(Ratio::new(0.5).keeps(id), Ratio::new(0.5).keeps(id));
}

#[test]
fn a_message_without_a_context_begins_a_trace_named_after_it_and_children_belong_to_it() {
    let uid = message(true);
    let root = Started::of("accept", None, uid).unwrap().begun(Duration::from_millis(5));
    assert_eq!(root.context().trace.as_bytes(), uid.as_bytes());
    let child = Started::child("append", &root.context()).unwrap();
    child.end(None, |span| span.say("barid.bytes", 12_usize));
    root.end(None, |_| {});
    let spans = kept(root.context().trace);
    assert_eq!(spans.iter().map(|span| span.name).collect::<Vec<_>>(), ["append", "accept"]);
    assert_eq!(spans[0].parent, Some(spans[1].context.span));
    assert_eq!(spans[0].attributes, [("barid.bytes", Value::Number(12))]);
    assert_eq!(spans[1].parent, None);
    assert!(spans[1].ended - spans[1].began >= 5_000_000);
}

#[test]
fn a_trace_that_is_not_kept_costs_nothing_until_something_fails_and_what_fails_is_kept_in_it() {
    let uid = message(false);
    let root = Started::of("accept", None, uid).unwrap();
    root.end(None, |_| panic!("nobody asks what it says"));
    assert!(kept(root.context().trace).is_empty());
    let mut deliver = Started::child("deliver", &root.context()).unwrap();
    let attempt = Started::child("attempt", &deliver.context()).unwrap();
    attempt.end(Some("timeout"), |_| {});
    deliver.keep();
    deliver.end(None, |_| {});
    let spans = kept(root.context().trace);
    assert_eq!(spans.iter().map(|span| span.name).collect::<Vec<_>>(), ["attempt", "deliver"]);
    assert_eq!(spans[0].parent, Some(spans[1].context.span));
    assert_eq!(spans[1].parent, Some(root.context().span));
}

#[test]
fn a_senders_context_is_gone_on_with_and_its_decision_kept() {
    let uid = message(false);
    let span = Started::of("accept", Some(HEADER), uid).unwrap();
    assert_eq!(span.context().trace, Context::read(HEADER).unwrap().trace);
    assert!(span.is_kept());
    let span = Started::of("accept", Some("nonsense"), uid).unwrap();
    assert_eq!(span.context().trace.as_bytes(), uid.as_bytes());
}

#[test]
fn what_a_message_calls_its_sender_is_no_attribute() {
    assert_eq!(Value::facility("DUPONT"), Value::Word("undeclared"));
    assert!(matches!(Value::facility("default/chn"), Value::Text(text) if text.as_str() == "default/chn"));
}

#[test]
fn span_ids_differ() {
    let ids: std::collections::HashSet<SpanId> = (0..10_000).map(|_| SpanId::random()).collect();
    assert_eq!(ids.len(), 10_000);
}
