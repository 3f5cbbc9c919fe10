//! Listeners: the one way in which a gRPC port is opened.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;

use super::io::{Io, Peer};
use super::tls::Tls;
use crate::limits;

/// Connections that are ready and not yet taken up by the server.
const READY_MAX: usize = 16;
/// Wait after an accept that failed for want of descriptors or memory: it would fail again at once.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// A port cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for calls: {source}")]
pub struct ListenError {
    address: SocketAddr,
    source: io::Error,
}

/// An open listener, from which nothing has been accepted yet.
#[derive(Debug)]
pub struct Listener {
    from: From,
    address: Option<SocketAddr>,
}

#[derive(Debug)]
enum From {
    Tcp(TcpListener, Option<Arc<Tls>>),
    #[cfg(test)]
    Pipes(mpsc::Receiver<tokio::io::DuplexStream>),
}

/// Opens a port for gRPC; with TLS, only for who shows a certificate of the same authority.
///
/// # Errors
/// Where the address is taken or not ours.
pub async fn listen(address: SocketAddr, tls: Option<Arc<Tls>>) -> Result<Listener, ListenError> {
    let fault = |source| ListenError { address, source };
    let tcp = TcpListener::bind(address).await.map_err(fault)?;
    let address = tcp.local_addr().map_err(fault)?;
    Ok(Listener { from: From::Tcp(tcp, tls), address: Some(address) })
}

/// A listener inside this process, and what a caller dials it with.
#[cfg(test)]
pub(crate) fn in_process() -> (mpsc::Sender<tokio::io::DuplexStream>, Listener) {
    let (dial, pipes) = mpsc::channel(READY_MAX);
    (dial, Listener { from: From::Pipes(pipes), address: None })
}

impl Listener {
    /// Where it listens; the port that was found where 0 was asked for. None inside the process.
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Its connections as they become ready. A handshake that is slow or fails disturbs no other.
    pub(crate) fn incoming(self) -> impl Stream<Item = io::Result<Io>> + Send + 'static {
        let (ready, connections) = mpsc::channel(READY_MAX);
        match self.from {
            From::Tcp(tcp, tls) => tokio::spawn(accept(tcp, tls, ready)),
            #[cfg(test)]
            From::Pipes(pipes) => tokio::spawn(pass_on(pipes, ready)),
        };
        unfold(connections, async |mut connections| connections.recv().await.map(|io| (Ok(io), connections)))
    }
}

#[cfg(test)]
async fn pass_on(mut pipes: mpsc::Receiver<tokio::io::DuplexStream>, ready: mpsc::Sender<Io>) {
    while let Some(pipe) = pipes.recv().await {
        if ready.send(Io::new(pipe, Peer::default())).await.is_err() {
            return;
        }
    }
}

async fn accept(tcp: TcpListener, tls: Option<Arc<Tls>>, ready: mpsc::Sender<Io>) {
    let handshakes = Arc::new(Semaphore::new(limits::HANDSHAKES_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = tcp.accept() => accepted,
            () = ready.closed() => return,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if let Err(error) = prepare(&stream) {
            tracing::debug!(%error, %address, "a connection was gone before it began");
            continue;
        }
        let peer = Peer { address: Some(address), certificate: None };
        let Some(tls) = tls.clone() else {
            if ready.send(Io::new(stream, peer)).await.is_err() {
                return;
            }
            continue;
        };
        let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await else { return };
        let ready = ready.clone();
        tokio::spawn(async move {
            match tokio::time::timeout(limits::HANDSHAKE, handshake(stream, &tls, peer)).await {
                Ok(Ok(io)) => drop(ready.send(io).await),
                Ok(Err(error)) => tracing::warn!(%address, %error, "a caller's TLS was refused"),
                Err(_) => tracing::warn!(%address, "a caller's TLS handshake took too long"),
            }
            drop(permit);
        });
    }
}

async fn handshake(stream: TcpStream, tls: &Arc<Tls>, mut peer: Peer) -> io::Result<Io> {
    let stream = TlsAcceptor::from(tls.server().await).accept(stream).await?;
    let chain = stream.get_ref().1.peer_certificates();
    peer.certificate = chain.and_then(<[_]>::first).map(|der| Arc::from(&**der));
    Ok(Io::new(stream, peer))
}

/// What every connection of ours has, at either end.
pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new().with_time(limits::KEEPALIVE.0).with_interval(limits::KEEPALIVE.1);
    socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive)
}
