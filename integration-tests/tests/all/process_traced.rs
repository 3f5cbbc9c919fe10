//! What an OpenTelemetry collector is told of a message: one trace, from its first byte to its receiver's acknowledgement.

pub(crate) mod collector;

use std::time::{Duration, Instant};

use barid_testkit::process::Home;
use barid_testkit::receiver::{Faults, Options, Receiver};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::process_relay::{PATIENCE, Relay, rows, settled, tool};
use collector::{Collector, Told};

/// What a sender takes between the first byte of a message and the rest.
const SLOW: Duration = Duration::from_millis(300);

fn message(id: &str) -> String {
    format!(
        "MSH|^~\\&|APP|FAC|BARID|MSP|20261122101500||ADT^A01|{id}|P|2.5\rEVN|A01|20261122101500\r\
         PID|1||4711^^^FAC^PI||DUPONT^MARIE\rPV1|1|I\r"
    )
}

/// Sends a message, slowly at first; gives its answer.
async fn send(port: u16, id: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let frame = format!("\x0b{}\x1c\r", message(id));
    stream.write_all(&frame.as_bytes()[..1]).await.unwrap();
    tokio::time::sleep(SLOW).await;
    stream.write_all(&frame.as_bytes()[1..]).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\x1c\r") {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "no answer to {id}");
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Its telemetry goes to this collector, with so much of all traces.
fn told_to(home: &mut Home, collector: &Collector, ratio: &str) {
    home.set("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint);
    home.set("OTEL_TRACES_SAMPLER_ARG", ratio);
    home.set("BARID_OTLP_INTERVAL", "500ms");
}

/// The spans of a trace as a tree: `name(children)`, siblings by name.
pub(crate) fn tree(spans: &[Told], parent: &str) -> String {
    let mut below: Vec<String> = spans
        .iter()
        .filter(|span| span.parent == parent)
        .map(|span| match tree(spans, &span.id) {
            children if children.is_empty() => span.name.clone(),
            children => format!("{}({children})", span.name),
        })
        .collect();
    below.sort();
    below.join(" ")
}

fn named<'a>(spans: &'a [Told], name: &str) -> &'a Told {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name}"))
}

#[tokio::test]
async fn a_message_is_one_trace_from_its_first_byte_to_its_receivers_acknowledgement() {
    let (collector, receiver) = (Collector::start().await, Receiver::start(Options::default()).await.unwrap());
    let mut relay = Relay::mllp(&receiver);
    told_to(&mut relay.home, &collector, "1");
    let running = relay.start().await;
    assert!(send(relay.port, "ONE").await.contains("MSA|AA|ONE"));
    let spans = collector.until("the end of a delivery", |spans| spans.iter().any(|span| span.name == "deliver")).await;
    assert_eq!(tree(&spans, ""), "accept(append parse route(apply deliver(attempt outcome)))");
    let uid = rows(&relay.home, &["messages"]).await[0]["uid"].as_str().unwrap().to_owned();
    assert!(spans.iter().all(|span| span.trace == uid.replace('-', "") && span.fault.is_none()), "{spans:?}");
    assert!(spans.iter().all(|span| span.service == "barid"));
    let accept = named(&spans, "accept");
    assert!(accept.took >= SLOW, "it began with its last byte: {:?}", accept.took);
    for (key, value) in [
        ("barid.uid", uid.as_str()),
        ("barid.listener", "default/in"),
        ("barid.channel", "default/relay"),
        ("barid.acknowledgement", "AA"),
    ] {
        assert_eq!(accept.attributes.get(key).map(String::as_str), Some(value), "{key}");
    }
    // The sender is known by what its message says only, so it is not told.
    assert_eq!(accept.attributes["barid.facility"], "undeclared");
    assert_eq!(accept.attributes["barid.message.bytes"], message("ONE").len().to_string());
    let deliver = named(&spans, "deliver");
    assert_eq!(
        (deliver.attributes["barid.outcome"].as_str(), deliver.attributes["barid.destination"].as_str()),
        ("delivered", "default/out")
    );
    assert_eq!(named(&spans, "attempt").attributes["barid.answer"], "AA");
    let shown = tool(&relay.home, &["--json", "show", &uid]).await;
    assert!(shown.contains(&format!("00-{}-{}-01", accept.trace, accept.id)), "{shown}");
    // Metrics with the trace as an example, at the collector and for who asks the endpoint for OpenMetrics.
    let begun = Instant::now();
    while !collector.metrics().iter().any(|metric| metric.name == "barid_end_to_end_seconds") {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let metrics = collector.metrics();
    let way = metrics.iter().find(|metric| metric.name == "barid_end_to_end_seconds").unwrap();
    let Some(Data::Histogram(way)) = &way.data else { panic!("{way:?}") };
    assert_eq!((way.data_points[0].count, way.data_points[0].exemplars.len()), (1, 1));
    assert_eq!(way.data_points[0].exemplars[0].trace_id.len(), 16);
    let received = metrics.iter().find(|metric| metric.name == "barid_ingress_received").unwrap();
    assert!(matches!(&received.data, Some(Data::Sum(sum)) if sum.is_monotonic), "{received:?}");
    let (_, plain) = running.ask("/metrics").await.unwrap();
    assert!(!plain.contains("trace_id"), "{plain}");
    let open = asked(relay.home.admin(), "application/openmetrics-text; version=1.0.0").await;
    let example = format!("# {{trace_id=\"{}\"}}", accept.trace);
    assert_eq!(open.matches(&example).count(), 2, "{open}");
    assert!(running.stop(PATIENCE).await.unwrap().success());
    assert!(collector.lines().iter().any(|line| line == "stopped"), "{:?}", collector.lines());
}

async fn asked(address: std::net::SocketAddr, accept: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nhost: barid\r\naccept: {accept}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn what_fails_is_kept_where_nothing_else_is_and_what_waited_goes_on_in_its_trace() {
    let collector = Collector::start().await;
    let faults = Faults { rules: vec!["reject=AE/204@first=1".parse().unwrap()], ..Faults::default() };
    let receiver = Receiver::start(Options { faults, ..Options::default() }).await.unwrap();
    let mut relay = Relay::to(&format!("mllp: {{endpoints: [\"{}\"]}}\n  onReject: hold", receiver.address()));
    told_to(&mut relay.home, &collector, "0");
    let running = relay.start().await;
    assert!(send(relay.port, "HELD").await.contains("MSA|AA|HELD"));
    let held =
        |spans: &[Told]| spans.iter().any(|span| span.attributes.get("barid.parked").is_some_and(|why| why == "held"));
    let spans = collector.until("what is held", held).await;
    let mut names: Vec<_> =
        spans.iter().map(|span| (span.name.as_str(), span.fault.as_deref().unwrap_or(""))).collect();
    names.sort_unstable();
    assert_eq!(names, [("attempt", "rejected"), ("deliver", "held")]);
    tool(&relay.home, &["release", "out", "--reason", "for the test"]).await;
    let spans = collector
        .until("the end", |spans| spans.iter().any(|span| span.attributes.contains_key("barid.outcome")))
        .await;
    let first = spans.iter().find(|span| span.attributes.contains_key("barid.parked")).unwrap();
    let last = spans.iter().find(|span| span.attributes.contains_key("barid.outcome")).unwrap();
    assert_eq!((&last.trace, &last.links), (&first.trace, &vec![first.id.clone()]));
    assert_eq!(last.attributes["barid.outcome"], "delivered");
    settled(&relay.home, 1).await;
    // What goes well is not told; what is refused at the door is.
    assert!(send(relay.port, "WELL").await.contains("MSA|AA|WELL"));
    let mut stranger = TcpStream::connect(("127.0.0.1", relay.port)).await.unwrap();
    stranger.write_all(b"\x0bXSH|nonsense\r\x1c\r").await.unwrap();
    let refused = |spans: &[Told]| spans.iter().any(|span| span.name == "accept");
    let spans = collector.until("what is refused", refused).await;
    let accepts: Vec<_> = spans.iter().filter(|span| span.name == "accept").collect();
    assert_eq!(accepts.len(), 1, "{accepts:?}");
    assert_eq!(accepts[0].fault.as_deref(), Some("refused"));
    assert!(running.stop(PATIENCE).await.unwrap().success());
    assert_eq!(collector.spans().iter().filter(|span| span.name == "accept").count(), 1);
}

#[tokio::test]
async fn a_collector_that_never_answers_delays_no_message_and_no_end() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let mut relay = Relay::mllp(&receiver);
    relay.home.set("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{}", silent.local_addr().unwrap()));
    relay.home.set("OTEL_TRACES_SAMPLER_ARG", "1");
    relay.home.set("BARID_OTLP_INTERVAL", "200ms");
    let running = relay.start().await;
    for number in 0..5 {
        assert!(send(relay.port, &format!("N{number}")).await.contains("MSA|AA|N"));
    }
    assert!(receiver.wait_for(5, Duration::from_secs(20)).await, "{}", receiver.count());
    let begun = Instant::now();
    assert!(running.stop(PATIENCE).await.unwrap().success());
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}
