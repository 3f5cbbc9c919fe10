//! An OpenTelemetry collector's door: OTLP over HTTP, read with the official definitions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::resource::v1::Resource;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Bodies that came, with their paths.
type Taken = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A span as it came.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// The process it came from.
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty of the first of a trace.
    pub(crate) parent: String,
    pub(crate) took: Duration,
    /// Why it failed, where it did.
    pub(crate) fault: Option<String>,
    pub(crate) attributes: BTreeMap<String, String>,
    /// The spans it goes on from.
    pub(crate) links: Vec<String>,
}

/// The collector, and all it was sent.
pub(crate) struct Collector {
    pub(crate) endpoint: String,
    taken: Taken,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let taken = Taken::default();
        let all = Arc::clone(&taken);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&all)));
            }
        });
        Self { endpoint, taken }
    }

    /// The bodies as they came, with their paths.
    pub(crate) fn taken(&self) -> Vec<(String, Vec<u8>)> {
        self.taken.lock().clone()
    }

    fn of<T: prost::Message + Default>(&self, path: &str) -> Vec<T> {
        let taken = self.taken.lock();
        taken.iter().filter(|(at, _)| at == path).map(|(_, body)| T::decode(&body[..]).unwrap()).collect()
    }

    /// All spans, in the order of their ends.
    pub(crate) fn spans(&self) -> Vec<Told> {
        let mut spans = Vec::new();
        for of in
            self.of::<ExportTraceServiceRequest>("/v1/traces").into_iter().flat_map(|request| request.resource_spans)
        {
            let service = attribute(of.resource.as_ref(), "service.name");
            for span in of.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                spans.push(Told {
                    service: service.clone(),
                    name: span.name,
                    trace: hex(&span.trace_id),
                    id: hex(&span.span_id),
                    parent: hex(&span.parent_span_id),
                    took: Duration::from_nanos(span.end_time_unix_nano - span.start_time_unix_nano),
                    fault: span.status.filter(|status| status.code == 2).map(|status| status.message),
                    attributes: attributes(&span.attributes),
                    links: span.links.iter().map(|link| hex(&link.span_id)).collect(),
                });
            }
        }
        spans
    }

    /// All spans, once there are some that this holds of.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&[Told]) -> bool) -> Vec<Told> {
        let begun = Instant::now();
        loop {
            let spans = self.spans();
            if holds(&spans) {
                return spans;
            }
            let names: Vec<_> = spans.iter().map(|span| (&span.service, &span.name, &span.fault)).collect();
            assert!(begun.elapsed() < super::PATIENCE, "{what}: {names:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// All metrics as they were sent last.
    pub(crate) fn metrics(&self) -> Vec<Metric> {
        let last = self.of::<ExportMetricsServiceRequest>("/v1/metrics").pop();
        let of = last.into_iter().flat_map(|request| request.resource_metrics);
        of.flat_map(|of| of.scope_metrics).flat_map(|of| of.metrics).collect()
    }

    /// The texts of all log lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        let of = self.of::<ExportLogsServiceRequest>("/v1/logs").into_iter().flat_map(|request| request.resource_logs);
        let records = of.flat_map(|of| of.scope_logs).flat_map(|of| of.log_records);
        records.filter_map(|record| record.body.and_then(|body| body.value).map(|value| text(&value))).collect()
    }
}

async fn serve(mut stream: TcpStream, taken: Taken) {
    let mut read = Vec::new();
    loop {
        let end = read.windows(4).position(|four| four == b"\r\n\r\n");
        let head = end.map(|end| String::from_utf8_lossy(&read[..end]).to_lowercase()).unwrap_or_default();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        if let (Some(end), Some(length)) = (end, length)
            && read.len() >= end + 4 + length
        {
            assert!(head.contains("content-type: application/x-protobuf"), "{head}");
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            taken.lock().push((path, read[end + 4..end + 4 + length].to_vec()));
            read.drain(..end + 4 + length);
            // An empty body is an empty answer of any of the three services.
            let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        } else if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return;
        }
    }
}

fn attribute(resource: Option<&Resource>, key: &str) -> String {
    resource.and_then(|resource| attributes(&resource.attributes).remove(key)).unwrap_or_default()
}

fn attributes(all: &[KeyValue]) -> BTreeMap<String, String> {
    let said = |said: &KeyValue| {
        let value = said.value.as_ref().and_then(|value| value.value.as_ref());
        (said.key.clone(), value.map(text).unwrap_or_default())
    };
    all.iter().map(said).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::StringValue(text) => text.clone(),
        Value::BoolValue(flag) => flag.to_string(),
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
