//! Requests to the collector: OTLP over HTTP/1.1 with protobuf bodies.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::options::{Options, Signal};

/// How long a request may take, as the specification has it.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of an answer that are read, so that its connection can be used again.
const ANSWER_MAX: usize = 64 * 1024;

/// The endpoint or a header cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// No address of a collector.
    #[error(
        "cannot send telemetry to {0:?}: give --otlp-endpoint as http://HOST:PORT (a collector beside this process takes it on over TLS)"
    )]
    Address(String),
    /// A header that is none.
    #[error("cannot send header {0:?} with telemetry: give --otlp-headers as NAME=VALUE")]
    Header(String),
}

/// Why a request was in vain.
#[derive(Debug)]
pub(super) struct Refused {
    /// Whether the same request may be taken later.
    pub(super) later: bool,
    pub(super) why: String,
}

/// The way to the collector.
#[derive(Clone)]
pub(super) struct Post {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Post {
    pub(super) fn new(endpoint: &str, options: &Options) -> Result<Self, EndpointError> {
        let base = endpoint.trim_end_matches('/').to_owned();
        let uri: Option<Uri> = base.parse().ok();
        if uri.is_none_or(|uri| uri.scheme_str() != Some("http") || uri.host().is_none_or(str::is_empty)) {
            return Err(EndpointError::Address(endpoint.to_owned()));
        }
        let header = |text: &String| {
            let (name, value) = text.split_once('=')?;
            Some((name.trim().parse().ok()?, value.trim().parse().ok()?))
        };
        let name = |text: &String| text.split('=').next().unwrap_or_default().to_owned();
        let headers = options.otlp_headers.iter().filter(|text| !text.is_empty());
        // The value may be a secret, so an error tells the name only.
        let headers = headers.map(|text| header(text).ok_or_else(|| EndpointError::Header(name(text))));
        let headers = headers.collect::<Result<_, _>>()?;
        Ok(Self { client: Client::builder(TokioExecutor::new()).build_http(), base, headers })
    }

    pub(super) async fn send(&self, signal: Signal, body: Vec<u8>) -> Result<(), Refused> {
        let sent = tokio::time::timeout(TIMEOUT, self.request(signal, Bytes::from(body))).await;
        sent.unwrap_or_else(|_| Err(Refused { later: true, why: format!("no answer within {TIMEOUT:?}") }))
    }

    async fn request(&self, signal: Signal, body: Bytes) -> Result<(), Refused> {
        let mut request = Request::builder().method(Method::POST).uri(format!("{}/v1/{}", self.base, signal.word()));
        request = request.header(CONTENT_TYPE, "application/x-protobuf");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body));
        let request = request.map_err(|error| Refused { later: false, why: error.to_string() })?;
        let answer = self.client.request(request).await;
        let answer = answer.map_err(|error| Refused { later: true, why: words(&error) })?;
        let status = answer.status();
        // What it says is of no use; it is read so that the connection can be used again.
        drop(Limited::new(answer.into_body(), ANSWER_MAX).collect().await);
        let later = [429, 502, 503, 504].contains(&status.as_u16());
        if status.is_success() { Ok(()) } else { Err(Refused { later, why: said(status) }) }
    }
}

fn said(status: StatusCode) -> String {
    format!("HTTP status {}", status.as_u16())
}

/// An error with what caused it.
fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
