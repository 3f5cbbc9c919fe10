//! A connector that sends nothing once its process may not own the destination any more.
//!
//! What is done in the log is refused to a stale owner there; a receiver cannot refuse. So it is asked just before each send
//! whether the lease holds, and a send that is under way when it ends is cut. What the network carries by then ends within
//! [`super::GUARD`], which a takeover waits.
//!
//! It is asked again before each step of a send: a process that was frozen while it dialled finds its connection open before
//! it finds its lease over, and would write the whole message then.
//!
//! A lease that has only run out, because the log answers nobody, may hold again: until then a send waits before its first byte.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use barid_model::Name;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::{Connection, Connector, Met, Outgoing, Sent, Status, TransportError, TransportKind};

/// Whether something is still owned.
pub trait Fence: Send + Sync + 'static {
    /// Whether it is now.
    fn holds(&self) -> bool;
    /// Ends when it is not any more, for now or for ever.
    fn ended(&self) -> BoxFuture<'_, ()>;
    /// Waits until it is; `false` where it never will be again.
    fn regained(&self) -> BoxFuture<'_, bool>;
}

/// A connector behind a fence.
pub struct Fenced {
    inner: Arc<dyn Connector>,
    fence: Arc<dyn Fence>,
    destination: Name,
}

impl Fenced {
    /// This connector, as long as the fence holds.
    #[must_use]
    pub fn new(inner: Arc<dyn Connector>, fence: Arc<dyn Fence>, destination: Name) -> Self {
        Self { inner, fence, destination }
    }
}

impl Connector for Fenced {
    fn open(&self) -> Box<dyn Connection> {
        let (fence, destination) = (Arc::clone(&self.fence), self.destination.clone());
        Box::new(FencedConnection { inner: self.inner.open(), fence, destination })
    }

    fn status(&self) -> Status {
        self.inner.status()
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Met>> {
        self.inner.probe()
    }
}

struct FencedConnection {
    inner: Box<dyn Connection>,
    fence: Arc<dyn Fence>,
    destination: Name,
}

fn gone(destination: &Name, may_have_arrived: bool) -> Sent {
    let text = format!("this process may not send to {destination} any more, or not now");
    Sent::Failed(TransportError { kind: TransportKind::Closed, text, may_have_arrived })
}

impl Connection for FencedConnection {
    fn send<'a>(&'a mut self, out: &'a Outgoing) -> BoxFuture<'a, Sent> {
        Box::pin(async move {
            if !self.fence.holds() && !self.fence.regained().await {
                return gone(&self.destination, false);
            }
            let mut sending = self.inner.send(out);
            let send =
                poll_fn(|cx| if self.fence.holds() { sending.poll_unpin(cx).map(Some) } else { Poll::Ready(None) });
            tokio::select! {
                biased;
                sent = send => sent.unwrap_or_else(|| gone(&self.destination, true)),
                // With the send its connection ends: no answer to it can be taken for another's.
                () = self.fence.ended() => gone(&self.destination, true),
            }
        })
    }

    fn close(&mut self) -> BoxFuture<'_, ()> {
        self.inner.close()
    }
}

#[cfg(test)]
mod tests;
