//! Speaks TLS in front of a server that does not, and passes on what it hears.
//!
//! A connection ends on both sides when either does, so that the client of a server that was killed learns it at once.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::servers::{ServerError, TlsFiles};

/// Most connections at once; a test has a few.
const MOST: usize = 1024;

/// What listens. Dropping it ends its connections.
#[derive(Debug)]
pub(super) struct Front {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Front {
    pub(super) async fn start(files: &TlsFiles, port: u16, behind: SocketAddr) -> Result<Self, ServerError> {
        let failed = |error| ServerError::System("TLS in front", error);
        let acceptor = TlsAcceptor::from(Arc::new(config(files).map_err(failed)?));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        Ok(Self { address, task: tokio::spawn(listen(listener, acceptor, behind)) })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn config(files: &TlsFiles) -> std::io::Result<ServerConfig> {
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(&files.certificate).map_err(std::io::Error::other)?.collect();
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(std::io::Error::other)?;
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            let chain = chain.map_err(|error| rustls::Error::General(error.to_string()))?;
            builder.with_no_client_auth().with_single_cert(chain, key)
        })
        .map_err(std::io::Error::other)
}

async fn listen(listener: TcpListener, acceptor: TlsAcceptor, behind: SocketAddr) {
    let mut open = JoinSet::new();
    loop {
        while open.try_join_next().is_some() {}
        if open.len() >= MOST {
            open.join_next().await;
        }
        if let Ok((client, _)) = listener.accept().await {
            // Whichever side ends it, the other sees it; there is nobody to tell more.
            let acceptor = acceptor.clone();
            open.spawn(async move { drop(pass(client, acceptor, behind).await) });
        }
    }
}

async fn pass(client: TcpStream, acceptor: TlsAcceptor, behind: SocketAddr) -> std::io::Result<()> {
    let server = TcpStream::connect(behind).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = tokio::io::split(acceptor.accept(client).await?);
    let (mut from_server, mut to_server) = server.into_split();
    tokio::select! {
        done = copy(&mut from_client, &mut to_server) => done,
        done = copy(&mut from_server, &mut to_client) => done,
    }
}

async fn copy(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
    to: &mut (impl tokio::io::AsyncWrite + Unpin),
) -> std::io::Result<()> {
    tokio::io::copy(from, to).await.map(drop)
}
