//! TCP and TLS connections to a list of endpoints, with fail-over: the same for every kind that uses sockets.
//!
//! All slots of a destination share one [`Dialer`] and so agree on the endpoint in use. It is left when it cannot be
//! connected to, or when [`SILENT_MAX`] connections in a row failed on it without one answer; the next in the list
//! is tried then, round and round. From any other than the first, the first is tried again after [`RETURN_AFTER`], so
//! that a receiver that is back gets its messages back.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::tls::Tls;
use super::{ReceiverCertificate, TransportError, TransportKind};

/// Longest time to resolve, connect and agree on TLS, for one endpoint: a receiver that needs longer cannot keep up
/// with its answers either. A destination's shorter `timeout` wins.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that fail one after another without an answer before the next endpoint is tried.
pub(super) const SILENT_MAX: u32 = 3;
/// How long another endpoint than the first is kept before the first is tried again.
pub(super) const RETURN_AFTER: Duration = Duration::from_secs(300);
/// Quiet time before keep-alive probes, so that firewalls do not forget the connection.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
/// Time between keep-alive probes.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
/// Most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or address, without the brackets of IPv6.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Endpoint {
    /// Reads `host:port` or `[address]:port`.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bare {
            Some(host) => host,
            None if host.contains(':') => return None,
            None => host,
        };
        Some(Self { host: host.to_owned(), port: port.parse().ok().filter(|_| !host.is_empty())? })
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Bytes both ways, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    /// The TLS session, where there is one.
    fn session(&self) -> Option<&rustls::ClientConnection>;
}

impl Stream for TcpStream {
    fn session(&self) -> Option<&rustls::ClientConnection> {
        None
    }
}

impl Stream for tokio_rustls::client::TlsStream<TcpStream> {
    fn session(&self) -> Option<&rustls::ClientConnection> {
        Some(self.get_ref().1)
    }
}

/// An open connection and the endpoint it leads to.
pub(super) struct Dialed {
    pub(super) stream: Box<dyn Stream>,
    pub(super) endpoint: usize,
    pub(super) address: SocketAddr,
}

impl AsyncRead for Dialed {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Dialed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Where the destination's connections lead, and how.
pub(super) struct Dialer {
    endpoints: Vec<Endpoint>,
    tls: Option<Tls>,
    timeout: Duration,
    guard: Duration,
    state: Mutex<Chosen>,
    /// The certificate that each endpoint showed last.
    shown: Mutex<BTreeMap<usize, ReceiverCertificate>>,
}

#[derive(Clone, Copy)]
struct Chosen {
    endpoint: usize,
    since: Instant,
    silent: u32,
}

impl Dialer {
    pub(super) fn new(endpoints: Vec<Endpoint>, tls: Option<Tls>, timeout: Duration, guard: Duration) -> Arc<Self> {
        let state = Mutex::new(Chosen { endpoint: 0, since: Instant::now(), silent: 0 });
        Arc::new(Self { endpoints, tls, timeout: timeout.min(CONNECT_TIMEOUT), guard, state, shown: Mutex::default() })
    }

    /// All endpoints, in order of preference.
    pub(super) fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The endpoint in use, for the status.
    pub(super) fn current(&self) -> String {
        self.name(self.state.lock().endpoint)
    }

    /// The name of an endpoint, for texts.
    pub(super) fn name(&self, endpoint: usize) -> String {
        self.endpoints.get(endpoint).map(ToString::to_string).unwrap_or_default()
    }

    /// Whether a connection to this endpoint should be left for a new one: another is in use, or the first is to be
    /// tried again.
    pub(super) fn should_leave(&self, endpoint: usize) -> bool {
        let state = self.state.lock();
        state.endpoint != endpoint || (state.endpoint != 0 && state.since.elapsed() >= RETURN_AFTER)
    }

    /// An answer came: the endpoint works.
    pub(super) fn answered(&self, endpoint: usize) {
        let mut state = self.state.lock();
        if state.endpoint == endpoint {
            state.silent = 0;
        }
    }

    /// A connection failed before its answer came.
    pub(super) fn failed(&self, endpoint: usize) {
        let mut state = self.state.lock();
        if state.endpoint != endpoint {
            return;
        }
        state.silent += 1;
        if state.silent >= SILENT_MAX && self.endpoints.len() > 1 {
            let next = (endpoint + 1) % self.endpoints.len();
            *state = Chosen { endpoint: next, since: Instant::now(), silent: 0 };
        }
    }

    /// Connects to the endpoint in use, or to the next that lets us.
    pub(super) async fn connect(&self) -> Result<Dialed, TransportError> {
        let first = self.first_to_try();
        let mut failed = TransportError::new(TransportKind::Connect, "the destination has no endpoint");
        for step in 0..self.endpoints.len() {
            let endpoint = (first + step) % self.endpoints.len();
            match self.connect_to(endpoint).await {
                Ok(dialed) => {
                    self.chose(endpoint);
                    return Ok(dialed);
                }
                Err(error) => failed = error,
            }
        }
        self.state.lock().silent = 0;
        Err(failed)
    }

    fn first_to_try(&self) -> usize {
        let mut state = self.state.lock();
        if state.endpoint != 0 && state.since.elapsed() >= RETURN_AFTER {
            // Whether it works or not, the next try is a whole period away.
            state.since = Instant::now();
            return 0;
        }
        state.endpoint
    }

    fn chose(&self, endpoint: usize) {
        let mut state = self.state.lock();
        if state.endpoint != endpoint {
            *state = Chosen { endpoint, since: Instant::now(), silent: 0 };
        }
    }

    /// Connects to one endpoint, within the time for it.
    pub(super) async fn connect_to(&self, endpoint: usize) -> Result<Dialed, TransportError> {
        let Some(at) = self.endpoints.get(endpoint) else {
            return Err(TransportError::new(TransportKind::Connect, "the destination has no such endpoint"));
        };
        match timeout(self.timeout, self.open(at, endpoint)).await {
            Ok(result) => result,
            Err(_) => {
                let text = format!("{at} did not answer within {} ms", self.timeout.as_millis());
                Err(TransportError::new(TransportKind::Connect, text))
            }
        }
    }

    async fn open(&self, at: &Endpoint, endpoint: usize) -> Result<Dialed, TransportError> {
        let (stream, address) = connect_any(at).await?;
        set_options(&stream, self.guard)
            .map_err(|error| TransportError::new(TransportKind::Connect, format!("{at}: {error}")))?;
        let Some(tls) = &self.tls else { return Ok(Dialed { stream: Box::new(stream), endpoint, address }) };
        let (connector, name) = tls.connector(&at.host)?;
        let stream = connector.connect(name, stream).await;
        let stream = stream.map_err(|error| TransportError::new(TransportKind::Tls, format!("{at}: {error}")))?;
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        if let Some((_, certificate)) = shown.and_then(|bytes| X509Certificate::from_der(bytes).ok()) {
            let (subject, expires) = (certificate.subject().to_string(), certificate.validity().not_after.timestamp());
            let shown = ReceiverCertificate { endpoint: at.to_string(), subject, expires };
            self.shown.lock().insert(endpoint, shown);
        }
        Ok(Dialed { stream: Box::new(stream), endpoint, address })
    }

    /// The certificates that the endpoints showed last.
    pub(super) fn certificates(&self) -> Vec<ReceiverCertificate> {
        self.shown.lock().values().cloned().collect()
    }
}

async fn connect_any(at: &Endpoint) -> Result<(TcpStream, SocketAddr), TransportError> {
    let refused = |error: std::io::Error| TransportError::new(TransportKind::Connect, format!("{at}: {error}"));
    let addresses = tokio::net::lookup_host((at.host.as_str(), at.port)).await.map_err(refused)?;
    let mut failed = TransportError::new(TransportKind::Connect, format!("{at}: the name has no address"));
    for address in addresses.take(ADDRESSES_MAX) {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok((stream, address)),
            Err(error) => failed = refused(error),
        }
    }
    Err(failed)
}

fn set_options(stream: &TcpStream, guard: Duration) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(guard))?;
    #[cfg(not(target_os = "linux"))]
    let _ = guard;
    Ok(())
}
