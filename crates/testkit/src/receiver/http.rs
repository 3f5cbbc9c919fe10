//! The HTTP side of a receiver.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use barid_hl7::Header;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Shared;
use super::answer::Replier;
use super::faults::Act;
use super::record::Marks;

type Body = BoxBody<Bytes, io::Error>;

pub(super) async fn speak<S>(stream: S, connection: u64, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { one(request, connection, &shared).await }
    });
    // What ends a connection is the other side's to notice.
    drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

async fn one(request: Request<Incoming>, connection: u64, shared: &Shared) -> io::Result<Response<Body>> {
    if request.method() == http::Method::OPTIONS {
        return Ok(response(StatusCode::NO_CONTENT, Bytes::new()));
    }
    let text =
        |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned);
    let marks = Marks {
        is_possible_duplicate: text("barid-possible-duplicate").is_some_and(|value| value == "true"),
        idempotency_key: text("idempotency-key"),
    };
    let Ok(body) = Limited::new(request.into_body(), shared.message_max).collect().await else {
        return Ok(response(StatusCode::PAYLOAD_TOO_LARGE, Bytes::new()));
    };
    let payload = body.to_bytes();
    let order = shared.recorder.record(connection, &payload, marks);
    let header = Header::read(&payload);
    let faults = shared.faults.load_full();
    let pause = faults.read_pause;
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    answered(&Replier { header: &header, payload: &payload, order }, faults.act(order, header.control_id())).await
}

async fn answered(replier: &Replier<'_>, act: Option<&Act>) -> io::Result<Response<Body>> {
    let accepted = || response(StatusCode::OK, replier.accepted());
    Ok(match act {
        None | Some(Act::Twice | Act::Commit) => accepted(),
        Some(Act::Delay(time)) => {
            tokio::time::sleep(*time).await;
            accepted()
        }
        Some(Act::Silent) => std::future::pending().await,
        Some(Act::Close) => return Err(io::ErrorKind::ConnectionAborted.into()),
        Some(Act::WrongId) => response(StatusCode::OK, replier.of_another()),
        Some(Act::Garbage) => response(StatusCode::OK, Bytes::from_static(b"\x00garbage, no acknowledgement")),
        Some(Act::Reject(code, error)) => {
            response(StatusCode::BAD_REQUEST, replier.acknowledgement(*code, Some(*error)))
        }
        Some(Act::Status(status, after)) => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = response(status, Bytes::new());
            if *after > 0 {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(*after));
            }
            response
        }
        Some(Act::Half) => {
            let whole = replier.accepted();
            let half = whole.slice(..whole.len() / 2);
            let parts = [Ok(Frame::data(half)), Err(io::ErrorKind::ConnectionAborted.into())];
            Response::new(BoxBody::new(StreamBody::new(futures_util::stream::iter(parts))))
        }
    })
}

fn response(status: StatusCode, body: Bytes) -> Response<Body> {
    let is_empty = body.is_empty();
    let mut response = Response::new(Full::new(body).map_err(|never: Infallible| match never {}).boxed());
    *response.status_mut() = status;
    if !is_empty {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/hl7-v2"));
    }
    response
}
