//! One HTTP connection: a request is a message, its response the acknowledgement.
//!
//! The same limits, rules and answers as over MLLP; what differs is said in status codes (`response`). Requests of a
//! connection are answered one after the other, so their order is that of their sending.

mod request;
mod response;

use std::convert::Infallible;
use std::sync::Arc;

use barid_validate::Peer;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::connections::Present;
use crate::context::{Gate, Phase};
use crate::listener::closing;
use crate::reply::Replies;

/// Most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// What the requests of a connection share.
struct Conversation {
    gate: Arc<Gate>,
    peer: Peer,
    replies: Mutex<Replies>,
    present: Mutex<Option<Present>>,
}

/// Serves a connection to its end.
pub(crate) async fn serve<S>(gate: Arc<Gate>, stream: S, peer: Peer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut phase = gate.phase.subscribe();
    let limits = gate.spec.load().limits.clone();
    let replies = Mutex::new(Replies::new(&gate.shared));
    let conversation = Arc::new(Conversation { gate: Arc::clone(&gate), peer, replies, present: Mutex::new(None) });
    let service = service_fn(move |request: Request<Incoming>| {
        let conversation = Arc::clone(&conversation);
        async move { Ok::<Response<response::Body>, Infallible>(conversation.handle(request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.idle.min(limits.frame)).max_buf_size(HEAD_BYTES_MAX);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        _ = closing(&mut phase) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = closed(&mut phase) => return gate.meters.closed("deadline"),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(listener = %gate.name, %error, "HTTP connection ended with a fault");
    }
}

/// Waits until connections have to end at once.
async fn closed(phase: &mut tokio::sync::watch::Receiver<Phase>) {
    while *phase.borrow_and_update() != Phase::Closed {
        if phase.changed().await.is_err() {
            return;
        }
    }
}
