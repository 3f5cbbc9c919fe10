//! A request: is it one that carries a message, from somebody who may send it, and what becomes of the message?

use std::sync::Arc;

use barid_config::document::Identify;
use barid_config::settings::ListenerTransport;
use barid_validate::{Peer, Verdict};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::time::Instant;

use super::Conversation;
use super::response::{Body, plain, refused, reply};
use crate::context::Gate;
use crate::intake::Arrival;
use crate::pending::Pending;
use crate::room::Held;

/// Media types that are taken: the registered one and the one that older products send.
const MEDIA_TYPES: [&str; 2] = ["application/hl7-v2", "x-application/hl7-v2+er7"];
/// Slowest a body may arrive beyond the time limit, in bytes a second (as over MLLP).
const BODY_RATE_MIN: u64 = 2 * 1024;
/// W3C trace context.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Its only length.
const TRACEPARENT_BYTES: usize = 55;

/// A request that is refused before its message is read.
type Refused = Box<Response<Body>>;

impl Conversation {
    pub(super) async fn handle(&self, request: Request<Incoming>) -> Response<Body> {
        self.enter();
        match self.message(request).await {
            Ok(response) => response,
            Err(refused) => *refused,
        }
    }

    /// The first request makes the connection a sender's.
    fn enter(&self) {
        let mut present = self.present.lock();
        if present.is_none() {
            let gate = &self.gate;
            let since = gate.shared.parts.clock.now();
            let origin = Arc::clone(&self.peer.origin);
            *present = Some(gate.shared.connections.enter(gate.name.clone(), origin, since, &gate.meters.connections));
        }
    }

    async fn message(&self, request: Request<Incoming>) -> Result<Response<Body>, Refused> {
        let (gate, began) = (&self.gate, Instant::now());
        check_target(gate, &request)?;
        let content_type = check_type(request.headers())?;
        let peer = self.recognise(request.headers())?;
        let traceparent = traceparent(request.headers());
        let mut held = self.gate.shared.room.share();
        let raw = self.body(request.into_body(), &mut held).await?;
        let received = gate.shared.parts.clock.now();
        let arrival = Arrival { peer: &peer, received, read: Instant::now(), traceparent, chain: None };
        let mut item = gate.item(raw, &arrival, began);
        let verdict = gate.judge(std::slice::from_mut(&mut item), &arrival).await.pop().flatten();
        self.show(verdict.as_ref(), received);
        let mut pending = gate.admit(verdict, item, &arrival, None).await;
        self.settle(&mut pending).await;
        let answer = self.replies.lock().reply(&pending);
        let mut trace = pending.trace.take();
        if let Some(trace) = &mut trace {
            trace.answered(pending.outcome(), answer.code);
            trace.end(true);
        }
        let kept = trace.and_then(|trace| trace.kept());
        gate.meters.acknowledged(answer.code, pending.read.elapsed(), kept);
        if let Some(present) = &*self.present.lock() {
            present.answered(answer.code);
        }
        Ok(reply(&pending, answer, content_type))
    }

    /// Waits until the message is to be answered; the deadlines on the way are kept here.
    async fn settle(&self, pending: &mut Pending) {
        loop {
            let deadline = pending.deadline();
            let polled = std::future::poll_fn(|cx| pending.poll(&self.gate, cx));
            match deadline {
                None => return polled.await,
                Some(deadline) if tokio::time::timeout_at(deadline, polled).await.is_ok() => return,
                Some(_) => {}
            }
        }
    }

    /// Who sends: the connection's peer, with the token that the request shows.
    fn recognise(&self, headers: &HeaderMap) -> Result<Arc<Peer>, Refused> {
        let challenge = |text: &'static str| {
            self.gate.refuse_sender(&self.peer, text);
            if let Some(present) = &*self.present.lock() {
                present.refused();
            }
            refused(StatusCode::UNAUTHORIZED, text, Some((header::WWW_AUTHENTICATE, "Bearer")))
        };
        let needed = self.gate.spec.load().identify == Identify::Token && self.peer.certificate.is_none();
        match headers.get(header::AUTHORIZATION) {
            None if needed => Err(challenge("this listener asks for a bearer token")),
            None => Ok(Arc::new(self.peer.clone())),
            Some(shown) => {
                let token = shown.as_bytes().split_first_chunk::<7>();
                let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer ")).map(|(_, token)| token);
                let rules = self.gate.shared.rules.load();
                let tokens = token.map(|token| rules.tokens.places(token.trim_ascii())).unwrap_or_default();
                if tokens.is_empty() {
                    return Err(challenge("this bearer token is not known"));
                }
                Ok(Arc::new(Peer { tokens, ..self.peer.clone() }))
            }
        }
    }

    /// The message, within the listener's limits of size and time.
    async fn body(&self, mut body: Incoming, held: &mut Held) -> Result<Bytes, Refused> {
        let limits = self.gate.spec.load().limits.clone();
        let too_large = || {
            self.gate.meters.discarded("too_large");
            let text = format!("the message is larger than {} bytes", limits.message_bytes);
            refused(StatusCode::PAYLOAD_TOO_LARGE, &text, None)
        };
        if body.size_hint().lower() > limits.message_bytes as u64 {
            return Err(too_large());
        }
        let started = Instant::now();
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        loop {
            let read = (first.len() + rest.len()) as u64;
            let deadline = started + limits.frame + std::time::Duration::from_secs(read / BODY_RATE_MIN);
            let frame = match tokio::time::timeout_at(deadline, body.frame()).await {
                Err(_) => {
                    return Err(refused(StatusCode::REQUEST_TIMEOUT, "the message took too long to arrive", None));
                }
                Ok(Some(Err(_))) => {
                    return Err(refused(StatusCode::BAD_REQUEST, "the message did not arrive whole", None));
                }
                Ok(None) => break,
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(data) = frame.into_data() else { continue };
            let size = first.len() + rest.len() + data.len();
            if size > limits.message_bytes {
                return Err(too_large());
            }
            if !held.fit(size) {
                let text = "too many large messages arrive at once: send it again";
                return Err(refused(StatusCode::SERVICE_UNAVAILABLE, text, Some((header::RETRY_AFTER, "5"))));
            }
            if first.is_empty() && rest.is_empty() {
                first = data;
            } else {
                if rest.is_empty() {
                    rest.extend_from_slice(&std::mem::take(&mut first));
                }
                rest.extend_from_slice(&data);
            }
        }
        let raw = if rest.is_empty() { first } else { rest.freeze() };
        if raw.is_empty() {
            self.gate.meters.discarded("empty");
            return Err(refused(StatusCode::BAD_REQUEST, "the request has no message in its body", None));
        }
        Ok(raw)
    }

    fn show(&self, verdict: Option<&Verdict>, received: barid_model::Timestamp) {
        let present = self.present.lock();
        let Some(present) = &*present else { return };
        present.received(1, received);
        let facility = match verdict {
            Some(Verdict::Accept(accepted)) => Some(&accepted.envelope.facility.name),
            Some(Verdict::Reject(rejected)) => {
                present.refused();
                rejected.facility.as_ref()
            }
            Some(Verdict::NoReply(_)) | None => None,
        };
        if let Some(facility) = facility.filter(|facility| present.facility(facility)) {
            self.gate.shared.shown.recognised(&self.peer, facility);
        }
    }
}

fn check_target(gate: &Gate, request: &Request<Incoming>) -> Result<(), Refused> {
    let spec = gate.spec.load();
    let ListenerTransport::Http(http) = &spec.transport else {
        return Err(plain(StatusCode::NOT_FOUND, "nothing is here"));
    };
    if !http.paths.iter().any(|path| path == request.uri().path()) {
        return Err(plain(StatusCode::NOT_FOUND, "nothing is here"));
    }
    if request.method() != Method::POST {
        let text = "messages are sent with POST";
        return Err(refused(StatusCode::METHOD_NOT_ALLOWED, text, Some((header::ALLOW, "POST"))));
    }
    Ok(())
}

/// The content type, to answer with, where it is one of HL7 v2.
fn check_type(headers: &HeaderMap) -> Result<HeaderValue, Refused> {
    let unsupported = |text| {
        let accept = HeaderName::from_static("accept-post");
        refused(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            text,
            Some((accept, "application/hl7-v2, x-application/hl7-v2+er7")),
        )
    };
    if headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(unsupported("send the message without a content encoding"));
    }
    let value = headers.get(header::CONTENT_TYPE);
    let media =
        value.and_then(|value| value.to_str().ok()).map(|text| text.split(';').next().unwrap_or_default().trim());
    match (value, media) {
        (Some(value), Some(media)) if MEDIA_TYPES.iter().any(|known| media.eq_ignore_ascii_case(known)) => {
            Ok(value.clone())
        }
        _ => Err(unsupported("send HL7 v2 as application/hl7-v2")),
    }
}

fn traceparent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(TRACEPARENT)?.to_str().ok()?;
    let valid = text.len() == TRACEPARENT_BYTES && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit());
    valid.then(|| text.to_owned())
}
