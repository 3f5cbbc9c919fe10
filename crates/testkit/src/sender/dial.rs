//! Connections to the target.

use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::Load;

/// Bytes both ways, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub(super) async fn connect(address: &str, load: &Load) -> io::Result<Box<dyn Stream>> {
    timeout(load.timeout, open(address, load)).await.map_err(|_| io::ErrorKind::TimedOut)?
}

async fn open(address: &str, load: &Load) -> io::Result<Box<dyn Stream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let Some(tls) = &load.tls else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(tls.server_name.clone()).map_err(io::Error::other)?;
    Ok(Box::new(TlsConnector::from(Arc::clone(&tls.config)).connect(name, stream).await?))
}
