//! A response: the acknowledgement with the status that says the same.
//!
//! 2xx means what AA and CA mean: the message is ours. 503 with Retry-After means 207: it is not, and the same message
//! may be sent again; 429 the same, of a facility that is too fast. Other 4xx: it will not be taken as it is.

use barid_hl7::ack::AckCode;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use crate::accept::{AcceptError, AnswerForSender};
use crate::pending::{Pending, Settled};
use crate::reply::Reply;

/// A whole body.
pub(super) type Body = Full<Bytes>;

/// Seconds after which a sender whose destination has not answered should ask again.
const NO_ANSWER_RETRY: u64 = 30;

/// The response to a settled message.
pub(super) fn reply(pending: &Pending, reply: Reply, content_type: HeaderValue) -> Response<Body> {
    let (status, retry) = match pending.outcome() {
        Some(Settled::Accepted | Settled::Answered(AnswerForSender::Accepted)) => (StatusCode::OK, None),
        Some(Settled::Answered(_)) => (by_code(reply.code), None),
        Some(Settled::Refused { unreadable: true, .. }) => (StatusCode::BAD_REQUEST, None),
        Some(Settled::Refused { .. }) => (StatusCode::UNPROCESSABLE_ENTITY, None),
        Some(Settled::NoAnswer) => (StatusCode::SERVICE_UNAVAILABLE, Some(NO_ANSWER_RETRY)),
        Some(Settled::Ours(error @ AcceptError::TooFast)) => (StatusCode::TOO_MANY_REQUESTS, Some(error.retry_after())),
        Some(Settled::Ours(error)) => (StatusCode::SERVICE_UNAVAILABLE, Some(error.retry_after())),
        Some(Settled::Silent) | None => (StatusCode::NO_CONTENT, None),
    };
    let status = if status == StatusCode::OK && reply.bytes.is_empty() { StatusCode::NO_CONTENT } else { status };
    let mut response = Response::new(Full::new(reply.bytes.clone()));
    *response.status_mut() = status;
    if !reply.bytes.is_empty() {
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    }
    if let Some(seconds) = retry {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn by_code(code: Option<AckCode>) -> StatusCode {
    match code {
        Some(code) if code.is_positive() => StatusCode::OK,
        None => StatusCode::NO_CONTENT,
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

/// A response in words.
pub(super) fn plain(status: StatusCode, text: &str) -> Box<Response<Body>> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{text}\n"))));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Box::new(response)
}

/// A refusal in words, with the header that tells what would be right.
pub(super) fn refused(status: StatusCode, text: &str, more: Option<(HeaderName, &'static str)>) -> Box<Response<Body>> {
    let mut response = plain(status, text);
    if let Some((name, value)) = more {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
