//! One HTTP slot: a kept HTTP/1.1 connection with at most one request on it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::answer::{self, Received};
use super::{AWAITED_BODY_MAX, BODY_MAX, Shared};
use crate::connect::dial::Dialed;
use crate::connect::probe::{self, Met};
use crate::connect::{Connection, Outgoing, Sent, TransportError, TransportKind};

/// Most bytes of an answer's status line and headers.
const HEAD_MAX: usize = 64 * 1024;
/// Most headers of an answer.
const HEADERS_MAX: usize = 100;

pub(super) struct Slot {
    shared: Arc<Shared>,
    live: Option<Live>,
}

struct Live {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
    shared: Arc<Shared>,
    endpoint: usize,
}

/// A request that failed, given back where none of it was written.
struct Failure {
    error: TransportError,
    unsent: Option<Request<Full<Bytes>>>,
}

impl Slot {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, live: None }
    }

    async fn send(&mut self, out: &Outgoing) -> Sent {
        let request = match self.shared.template.request(out) {
            Ok(request) => request,
            Err(sent) => return *sent,
        };
        let limit = if out.is_awaited() { AWAITED_BODY_MAX } else { BODY_MAX };
        match self.exchange(request, limit).await {
            Ok(received) => received.judge(out),
            Err(error) => Sent::Failed(error),
        }
    }

    /// One request and its answer; on a kept connection that turns out to be closed, once more on a new one.
    async fn exchange(&mut self, request: Request<Full<Bytes>>, limit: usize) -> Result<Received, TransportError> {
        let mut request = request;
        if let Some(mut live) = self.live.take().filter(Live::is_usable) {
            match live.within(request, limit).await {
                Ok(received) => return Ok(self.keep(live, received)),
                Err(Failure { unsent: Some(unsent), .. }) => request = unsent,
                Err(failure) => return Err(failure.error),
            }
        }
        let mut live = Live::open(&self.shared).await?;
        let received = live.within(request, limit).await.map_err(|failure| failure.error)?;
        Ok(self.keep(live, received))
    }

    fn keep(&mut self, live: Live, received: Received) -> Received {
        self.shared.dialer.answered(live.endpoint);
        // A body that was not read to its end stands in the way of the next answer.
        if received.is_whole && !live.sender.is_closed() {
            self.live = Some(live);
        }
        received
    }
}

impl Connection for Slot {
    fn send<'a>(&'a mut self, out: &'a Outgoing) -> BoxFuture<'a, Sent> {
        Box::pin(self.send(out))
    }

    fn close(&mut self) -> BoxFuture<'_, ()> {
        self.live = None;
        Box::pin(std::future::ready(()))
    }
}

impl Live {
    async fn open(shared: &Arc<Shared>) -> Result<Self, TransportError> {
        let dialed = shared.dialer.connect().await?;
        Self::over(dialed, shared).await
    }

    async fn over(dialed: Dialed, shared: &Arc<Shared>) -> Result<Self, TransportError> {
        let endpoint = dialed.endpoint;
        let mut builder = hyper::client::conn::http1::Builder::new();
        builder.max_buf_size(HEAD_MAX).max_headers(HEADERS_MAX);
        let (sender, connection) = builder
            .handshake(TokioIo::new(dialed))
            .await
            .map_err(|error| TransportError::new(TransportKind::Connect, error.to_string()))?;
        let driver = tokio::spawn(async move {
            // What breaks the connection is told to the request on it; between requests it concerns nobody.
            drop(connection.await);
        });
        shared.open.fetch_add(1, Ordering::Relaxed);
        Ok(Self { sender, driver, shared: Arc::clone(shared), endpoint })
    }

    fn is_usable(&self) -> bool {
        !self.sender.is_closed() && !self.shared.dialer.should_leave(self.endpoint)
    }

    /// An exchange within the time for it. Connecting has a time of its own: who cannot be reached was sent nothing.
    async fn within(&mut self, request: Request<Full<Bytes>>, limit: usize) -> Result<Received, Failure> {
        let timeout = self.shared.timeout;
        match timeout_at(Instant::now() + timeout, self.exchange(request, limit)).await {
            Ok(result) => result,
            Err(_) => {
                let text = format!("no answer within {} ms", timeout.as_millis());
                Err(Failure { error: TransportError::after_write(TransportKind::Timeout, text), unsent: None })
            }
        }
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>, limit: usize) -> Result<Received, Failure> {
        if let Err(error) = self.sender.ready().await {
            return Err(Failure { error: closed(&error), unsent: Some(request) });
        }
        match self.sender.try_send_request(request).await {
            Ok(response) => Received::read(response, limit).await.map_err(|error| Failure { error, unsent: None }),
            Err(mut failure) => {
                let unsent = failure.take_message();
                let mut error = closed(failure.error());
                error.may_have_arrived = unsent.is_none();
                Err(Failure { error, unsent })
            }
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.driver.abort();
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Received {
    async fn read(response: Response<Incoming>, limit: usize) -> Result<Self, TransportError> {
        let (head, mut body) = response.into_parts();
        let mut bytes = bytes::BytesMut::new();
        let mut is_whole = true;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| TransportError { may_have_arrived: true, ..closed(&error) })?;
            let Ok(data) = frame.into_data() else { continue };
            let room = limit.saturating_sub(bytes.len());
            bytes.extend_from_slice(data.get(..room).unwrap_or(&data));
            if data.len() > room {
                is_whole = false;
                break;
            }
        }
        Ok(Self {
            status: head.status,
            retry_after: answer::retry_after(&head.headers),
            body: bytes.freeze(),
            is_whole,
        })
    }
}

fn closed(error: &hyper::Error) -> TransportError {
    // hyper's words name the protocol state, never the content.
    TransportError::new(TransportKind::Closed, error.to_string())
}

/// Connects and asks for the options of the URL; no message is sent.
pub(super) async fn probe(shared: &Arc<Shared>) -> Vec<Met> {
    let (mut met, dialed) = probe::socket(&shared.dialer, 0).await;
    met.target.clone_from(&shared.target);
    if let Some(dialed) = dialed {
        match timeout_at(Instant::now() + shared.timeout, ask(dialed, shared)).await {
            Ok(Ok(received)) => met.facts.push(("status", received.status.to_string())),
            Ok(Err(error)) => met.problem = Some(error.to_string()),
            Err(_) => met.problem = Some(format!("no answer to OPTIONS within {} ms", shared.timeout.as_millis())),
        }
    }
    vec![met]
}

async fn ask(dialed: Dialed, shared: &Arc<Shared>) -> Result<Received, TransportError> {
    let request = shared.template.options()?;
    let mut live = Live::over(dialed, shared).await?;
    live.exchange(request, BODY_MAX).await.map_err(|failure| failure.error)
}
