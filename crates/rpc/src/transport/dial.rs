//! Connections to a replica: dialled, encrypted where asked for, and ready for HTTP/2.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::body::Body;
use tower_service::Service;

use super::io::{Io, Peer};
use super::listener::prepare;
use super::tls::Tls;
use crate::limits;

/// HTTP/2 windows in bytes: a batch fits into one without a round trip.
const STREAM_WINDOW: u32 = 8 << 20;
const CONNECTION_WINDOW: u32 = 32 << 20;
/// Frames of HTTP/2 in bytes: fewer than the default 16 KiB makes, for large messages.
pub(crate) const FRAME_BYTES: u32 = 256 << 10;

/// How one replica is reached.
#[derive(Clone)]
pub(crate) enum Dial {
    /// Over the network.
    Tcp {
        /// Where.
        address: SocketAddr,
        /// Its name, as its certificate has it.
        host: String,
        /// With TLS.
        tls: Option<Arc<Tls>>,
    },
    /// In this process.
    #[cfg(test)]
    Pipe(tokio::sync::mpsc::Sender<tokio::io::DuplexStream>),
}

impl fmt::Display for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { address, .. } => write!(f, "{address}"),
            #[cfg(test)]
            Self::Pipe(_) => f.write_str("this process"),
        }
    }
}

/// A connection's requests. Cheap to clone; all clones use the same connection.
#[derive(Clone)]
pub(crate) struct Requests {
    sender: http2::SendRequest<Body>,
    origin: http::uri::Authority,
    secure: bool,
}

/// A connection: its requests, and what drives it until it ends.
pub(crate) type Connection = (Requests, Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>);

impl Dial {
    /// Makes a connection.
    pub(crate) async fn connect(&self) -> io::Result<Connection> {
        let connecting = async {
            let (io, host, secure) = match self {
                #[cfg(test)]
                Self::Pipe(dial) => {
                    let (own, other) = tokio::io::duplex(1 << 20);
                    dial.send(other).await.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
                    (Io::new(own, Peer::default()), "localhost", false)
                }
                Self::Tcp { address, host, tls } => (tcp(*address, host, tls.as_ref()).await?, &**host, tls.is_some()),
            };
            let origin = host.parse().map_err(io::Error::other)?;
            let (sender, connection) = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .max_frame_size(FRAME_BYTES)
                .keep_alive_interval(limits::KEEPALIVE.0)
                .keep_alive_timeout(limits::KEEPALIVE.1)
                .keep_alive_while_idle(true)
                .handshake(TokioIo::new(io))
                .await
                .map_err(io::Error::other)?;
            let connection: Connection = (Requests { sender, origin, secure }, Box::pin(connection));
            Ok(connection)
        };
        tokio::time::timeout(limits::CONNECT, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

async fn tcp(address: SocketAddr, host: &str, tls: Option<&Arc<Tls>>) -> io::Result<Io> {
    let stream = TcpStream::connect(address).await?;
    prepare(&stream)?;
    let peer = Peer { address: Some(address), certificate: None };
    let Some(tls) = tls else { return Ok(Io::new(stream, peer)) };
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let stream = TlsConnector::from(tls.client().await).connect(name, stream).await?;
    Ok(Io::new(stream, peer))
}

impl Requests {
    /// Whether the connection has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

impl Service<http::Request<Body>> for Requests {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.sender.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let scheme = if self.secure { http::uri::Scheme::HTTPS } else { http::uri::Scheme::HTTP };
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(scheme);
        parts.authority = Some(self.origin.clone());
        if let Ok(uri) = http::Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
        Box::pin(self.sender.send_request(request))
    }
}
