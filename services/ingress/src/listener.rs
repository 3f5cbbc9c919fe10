//! One listening socket: accepts connections within the listener's bound, secures them, and gives each its task.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use barid_config::settings::ListenerTransport;
use barid_validate::Peer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::certificate;
use crate::context::{Gate, Open, Phase};
use crate::{http, mllp, socket};

/// How long is waited when the system has no more file descriptors, until the next connection is accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until the phase ends; then the socket is closed.
pub(crate) async fn accept(gate: Arc<Gate>, listener: TcpListener) {
    let mut phase = gate.phase.subscribe();
    let mut troubled = false;
    let mut full = false;
    while *phase.borrow_and_update() == Phase::Open {
        let accepted = tokio::select! {
            _ = phase.changed() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                troubled = false;
                full = admit(&gate, stream, address, full);
            }
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                if !std::mem::replace(&mut troubled, true) {
                    tracing::error!(listener = %gate.name, %error, "connections cannot be accepted");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Starts a connection's task; gives whether the listener is full.
fn admit(gate: &Arc<Gate>, stream: TcpStream, address: SocketAddr, was_full: bool) -> bool {
    let Some(open) = Open::take(gate) else {
        gate.meters.closed("limit");
        if !was_full {
            let most = gate.spec.load().limits.connections;
            tracing::warn!(listener = %gate.name, most, "connection refused: the listener's bound is reached");
        }
        return true;
    };
    if let Err(error) = socket::prepare(&stream) {
        tracing::debug!(listener = %gate.name, %error, "connection ended before it began");
        return false;
    }
    let task = serve(Arc::clone(gate), stream, address);
    gate.tasks.spawn(async move {
        task.await;
        drop(open);
    });
    false
}

/// The peer gave up between connecting and being accepted: nobody's fault.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

async fn serve(gate: Arc<Gate>, stream: TcpStream, address: SocketAddr) {
    let mut peer =
        Peer { address: Some(address.ip().to_canonical()), origin: address.to_string().into(), ..Peer::default() };
    if gate.spec.load().tls.is_none() {
        return speak(gate, stream, peer).await;
    }
    let Some(acceptor) = gate.tls.acceptor() else { return };
    let handshake = tokio::time::timeout(gate.bounds().handshake, acceptor.accept(stream));
    let mut phase = gate.phase.subscribe();
    let shaken = tokio::select! {
        shaken = handshake => shaken,
        _ = closing(&mut phase) => return,
    };
    match shaken {
        Ok(Ok(stream)) => {
            let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
            peer.certificate = shown.and_then(certificate::facts).map(Arc::new);
            if let (Some(facts), Some(certificate)) = (&peer.certificate, shown) {
                let now = gate.shared.parts.clock.now();
                gate.shared.shown.note(&gate.name, certificate, facts, now);
            }
            speak(gate, stream, peer).await;
        }
        // A balancer that looks whether the port is open.
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {}
        Ok(Err(error)) => {
            gate.meters.closed("tls");
            tracing::info!(listener = %gate.name, peer = %peer.origin, %error, "TLS handshake failed");
        }
        Err(_) => {
            gate.meters.closed("tls");
            tracing::info!(listener = %gate.name, peer = %peer.origin, "TLS handshake took too long");
        }
    }
}

async fn speak<S>(gate: Arc<Gate>, stream: S, peer: Peer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let is_mllp = matches!(gate.spec.load().transport, ListenerTransport::Mllp(_));
    if is_mllp {
        Box::pin(mllp::serve(gate, stream, Arc::new(peer))).await;
    } else {
        Box::pin(http::serve(gate, stream, peer)).await;
    }
}

/// Waits until connections should end.
pub(crate) async fn closing(phase: &mut watch::Receiver<Phase>) -> Phase {
    while *phase.borrow_and_update() == Phase::Open {
        if phase.changed().await.is_err() {
            return Phase::Closed;
        }
    }
    *phase.borrow()
}
