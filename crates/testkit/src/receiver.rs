//! A system that receives: MLLP or HTTP on a port, records what came, and misbehaves when asked to.
//!
//! Everything that came whole is recorded before it is answered, in the order of arrival over all connections, so that a
//! test knows what the receiver has, whatever it answered. The record is bounded: a callback sees everything, the
//! store keeps the newest.

mod answer;
mod faults;
mod http;
mod mllp;
mod record;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

pub use faults::{Act, FaultError, Faults, Rule, Which};
pub use record::{Received, Recorder, Watcher};

/// Most connections at once.
const CONNECTIONS_MAX: usize = 4096;
/// Most received messages that are kept where nothing else is asked for.
const KEEP: usize = 1_000_000;
/// How long a port may be taken by an earlier receiver of ours that just closed.
const BIND_PATIENCE: Duration = Duration::from_secs(5);

/// What a receiver speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// MLLP release 1.
    #[default]
    Mllp,
    /// MLLP release 2: a commit block before each answer.
    MllpTwo,
    /// HTTP/1.1, any path.
    Http,
}

/// How a receiver is started.
#[derive(Clone)]
pub struct Options {
    /// Where it listens; port 0: any free one.
    pub address: SocketAddr,
    /// What it speaks.
    pub protocol: Protocol,
    /// TLS, where it is used.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Largest message, in bytes.
    pub message_max: usize,
    /// Most received messages that are kept; the oldest go first.
    pub keep: usize,
    /// Whether their bytes are kept too.
    pub keep_payloads: bool,
    /// Called for each message as it arrives, before it is answered; must not block.
    pub on_message: Option<Watcher>,
    /// How it misbehaves from the start.
    pub faults: Faults,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            protocol: Protocol::Mllp,
            tls: None,
            message_max: barid_mllp::Options::MAX_PAYLOAD,
            keep: KEEP,
            keep_payloads: false,
            on_message: None,
            faults: Faults::default(),
        }
    }
}

/// A running receiver. Dropping it closes its port and its connections.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    open: watch::Sender<bool>,
    task: JoinHandle<()>,
}

struct Shared {
    protocol: Protocol,
    tls: Option<TlsAcceptor>,
    message_max: usize,
    recorder: Recorder,
    faults: ArcSwap<Faults>,
    connections: Semaphore,
}

impl Receiver {
    /// Binds and serves.
    ///
    /// # Errors
    /// Where the address cannot be bound.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = bind(options.address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            protocol: options.protocol,
            tls: options.tls.map(TlsAcceptor::from),
            message_max: options.message_max,
            recorder: Recorder::new(options.keep, options.keep_payloads, options.on_message),
            faults: ArcSwap::from_pointee(options.faults),
            connections: Semaphore::new(CONNECTIONS_MAX),
        });
        let (open, opened) = watch::channel(true);
        let task = tokio::spawn(serve(listener, address, Arc::clone(&shared), opened));
        Ok(Self { address, shared, open, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it received, the oldest first, as far as it is kept.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.shared.recorder.all()
    }

    /// How many messages it received in all.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.shared.recorder.count()
    }

    /// How many connections are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        CONNECTIONS_MAX - self.shared.connections.available_permits()
    }

    /// Misbehaves in another way from the next message on.
    pub fn set_faults(&self, faults: Faults) {
        self.shared.faults.store(Arc::new(faults));
    }

    /// Closes the port and all connections: whoever connects is refused.
    pub fn refuse(&self) {
        self.open.send_replace(false);
    }

    /// Opens the port again.
    pub fn accept(&self) {
        self.open.send_replace(true);
    }

    /// Waits until it received `count` messages in all; says whether it did within the time.
    pub async fn wait_for(&self, count: u64, within: Duration) -> bool {
        tokio::time::timeout(within, self.shared.recorder.reaches(count)).await.is_ok()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Binds again at once after a close: connections of the one before may still linger.
async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let deadline = tokio::time::Instant::now() + BIND_PATIENCE;
    loop {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        match socket.bind(address).and_then(|()| socket.listen(1024)) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            result => return result,
        }
    }
}

async fn serve(listener: TcpListener, address: SocketAddr, shared: Arc<Shared>, mut opened: watch::Receiver<bool>) {
    let mut listener = Some(listener);
    loop {
        let Some(port) = listener.take() else {
            if opened.wait_for(|open| *open).await.is_err() {
                return;
            }
            listener = bind(address).await.ok();
            continue;
        };
        // Dropped with its connections when the port closes.
        let mut serving = JoinSet::new();
        let closed = opened.wait_for(|open| !*open);
        tokio::pin!(closed);
        loop {
            tokio::select! {
                result = &mut closed => match result {
                    Ok(_) => break,
                    Err(_) => return,
                },
                accepted = port.accept() => if let Ok((stream, _)) = accepted {
                    serving.spawn(connection(stream, Arc::clone(&shared)));
                },
                Some(_) = serving.join_next() => {}
            }
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let Ok(_permit) = shared.connections.try_acquire() else { return };
    let number = shared.recorder.next_connection();
    if stream.set_nodelay(true).is_err() {
        return;
    }
    match &shared.tls {
        None => speak(stream, number, &shared).await,
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                speak(stream, number, &shared).await;
            }
        }
    }
}

async fn speak<S>(stream: S, number: u64, shared: &Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    match shared.protocol {
        Protocol::Mllp | Protocol::MllpTwo => {
            // What ends a connection is the other side's to notice.
            drop(mllp::speak(stream, number, shared).await);
        }
        Protocol::Http => http::speak(stream, number, Arc::clone(shared)).await,
    }
}
