use std::time::Duration;

use barid_model::{MessageUid, Name, Timestamp};
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;

use super::export::{Way, batches};
use super::figures::{Times, metrics};
use super::options::{Options, Signal};
use super::post::Post;
use super::queue::{Queue, counts};
use super::{resource, spans, wire};

const TEXT: &str = "# HELP barid_seen Messages.\n# TYPE barid_seen counter\nbarid_seen_total{channel=\"a/b\"} 5\n\
    # HELP barid_way_seconds From here.\n# TYPE barid_way_seconds histogram\n# UNIT barid_way_seconds seconds\n\
    barid_way_seconds_sum{to=\"a\"} 0.5\nbarid_way_seconds_count{to=\"a\"} 3\n\
    barid_way_seconds_bucket{le=\"0.1\",to=\"a\"} 2 # {trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"} 0.05 12.5\n\
    barid_way_seconds_bucket{le=\"+Inf\",to=\"a\"} 3\n\
    barid_way_seconds_sum{to=\"b\"} 0.0\nbarid_way_seconds_count{to=\"b\"} 0\n\
    barid_way_seconds_bucket{le=\"0.1\",to=\"b\"} 0\nbarid_way_seconds_bucket{le=\"+Inf\",to=\"b\"} 0\n# EOF\n";

#[test]
fn metrics_are_told_as_otlp_counts_them() {
    let metrics = metrics(TEXT, Times { start: 1, now: 2 });
    assert_eq!(metrics.len(), 2);
    let Some(wire::Data::Sum(sum)) = &metrics[0].data else { panic!("{metrics:?}") };
    assert!(sum.is_monotonic && sum.temporality == 2);
    assert_eq!(sum.points[0].value, Some(5.0));
    assert_eq!(metrics[1].unit, "s");
    let Some(wire::Data::Histogram(histogram)) = &metrics[1].data else { panic!("{metrics:?}") };
    let [a, b] = &histogram.points[..] else { panic!("{histogram:?}") };
    assert_eq!((a.count, a.sum, &a.buckets[..], &a.bounds[..]), (3, Some(0.5), &[2, 1][..], &[0.1][..]));
    assert_eq!(a.exemplars[0].trace_id.len(), 16);
    assert_eq!((a.exemplars[0].value, a.exemplars[0].time), (Some(0.05), 12_500_000_000));
    assert_eq!(a.attributes, [wire::KeyValue::text("to", "a")]);
    assert!(b.exemplars.is_empty() && b.count == 0);
}

/// A collector that takes nothing until it is told to.
async fn collector(open: watch::Receiver<bool>) -> (String, tokio::sync::mpsc::Receiver<Vec<u8>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (bodies, taken) = tokio::sync::mpsc::channel(100);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (bodies, mut open) = (bodies.clone(), open.clone());
            tokio::spawn(async move {
                let mut read = Vec::new();
                loop {
                    let end = read.windows(4).position(|four| four == b"\r\n\r\n");
                    let head = end.map(|end| String::from_utf8_lossy(&read[..end]).to_lowercase());
                    let length = head.and_then(|head| {
                        head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok())
                    });
                    if let (Some(end), Some(length)) = (end, length)
                        && read.len() >= end + 4 + length
                    {
                        open.wait_for(|open| *open).await.unwrap();
                        bodies.send(read[end + 4..end + 4 + length].to_vec()).await.unwrap();
                        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
                        read.drain(..end + 4 + length);
                        continue;
                    }
                    if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
            });
        }
    });
    (endpoint, taken)
}

#[tokio::test]
async fn a_collector_that_hangs_never_delays_who_tells_and_what_finds_no_room_is_counted() {
    let (open, is_open) = watch::channel(false);
    let (endpoint, mut taken) = collector(is_open).await;
    let (stop, stopped) = watch::channel(false);
    let post = Post::new(&endpoint, &Options::default()).unwrap();
    let way = Way { post, resource: resource("test", None, ""), stop: stopped };
    let (queue, waiting) = Queue::new(Signal::Logs);
    let sending = tokio::spawn(batches(way, Signal::Logs, waiting, std::convert::identity, wire::LogsRequest::of));
    let before = counts(Signal::Logs).dropped.load(std::sync::atomic::Ordering::Relaxed);
    let started = std::time::Instant::now();
    for _ in 0..20_000 {
        queue.put(wire::LogRecord::default());
    }
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    let dropped = counts(Signal::Logs).dropped.load(std::sync::atomic::Ordering::Relaxed) - before;
    assert!((11_000..12_000).contains(&dropped), "{dropped}");
    open.send_replace(true);
    stop.send_replace(true);
    sending.await.unwrap();
    let mut got = 0;
    while let Ok(body) = taken.try_recv() {
        got += wire::LogsRequest::decode(&body[..]).unwrap().of[0].of[0].items.len() as u64;
    }
    assert_eq!(got + dropped, 20_000);
}

#[test]
fn a_process_says_what_it_is_and_what_it_is_told_to_say() {
    let said = resource("barid", Some("one"), "k8s.pod.name=barid-0, service.name=other,nonsense");
    let said: Vec<_> = said.attributes.iter().map(|said| said.key.as_str()).collect();
    assert_eq!(said, ["service.name", "service.version", "service.instance.id", "k8s.pod.name"]);
}

#[test]
fn a_span_is_told_with_all_it_says() {
    let uid = MessageUid::new(Timestamp::from_micros(1));
    let context = barid_trace::Context::read("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
    let mut span = barid_trace::Span {
        name: "attempt",
        kind: barid_trace::Kind::Client,
        context,
        parent: barid_trace::SpanId::new([1; 8]),
        began: 5,
        ended: 7,
        fault: Some("timeout"),
        attributes: Vec::new(),
        links: vec![context],
    };
    span.say("barid.uid", &uid);
    span.say("barid.channel", &Name::local("a"));
    let told = spans::span(span);
    assert_eq!((told.kind, told.start, told.end, told.flags), (3, 5, 7, 1));
    assert_eq!(told.status, Some(wire::Status { message: "timeout".to_owned(), code: 2 }));
    assert_eq!(told.attributes[0], wire::KeyValue::text("barid.uid", uid.to_string()));
    assert_eq!(told.attributes[1], wire::KeyValue::text("barid.channel", "default/a"));
    assert_eq!((told.parent_span_id.len(), told.links.len()), (8, 1));
}

#[test]
fn an_endpoint_or_header_that_cannot_be_used_is_an_error_with_what_to_do_and_without_the_secret() {
    let refused = |endpoint: &str, header: &str| {
        let options = Options { otlp_headers: vec![header.to_owned()], ..Options::default() };
        Post::new(endpoint, &options).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert_eq!(refused("http://collector:4318/", "authorization=Bearer x"), "");
    assert!(refused("collector:4318", "").contains("--otlp-endpoint"));
    assert!(refused("https://collector", "").contains("http://HOST:PORT"));
    let text = refused("http://collector", "bad name=secret");
    assert!(text.contains("bad name") && text.contains("--otlp-headers") && !text.contains("secret"), "{text}");
}
