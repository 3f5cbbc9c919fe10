//! The way to the target's host: TCP, and TLS where it is asked for.

use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Job;
use crate::tls::{TlsError, TlsFiles};

/// How TLS is spoken.
#[derive(Clone)]
pub(super) struct Client {
    connector: TlsConnector,
    name: ServerName<'static>,
}

/// A connection, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// From these files; the server's certificate is for `name`, else for `host`.
pub(super) fn client(files: &TlsFiles, name: Option<&str>, host: &str) -> Result<Client, TlsError> {
    let name = name.unwrap_or(host).to_owned();
    let name = ServerName::try_from(name.clone()).map_err(|_| TlsError::Name(name))?;
    Ok(Client { connector: TlsConnector::from(crate::tls::client(files)?), name })
}

/// Opens a connection to the target, within the timeout. The error is in words.
pub(super) async fn connect(job: &Job) -> Result<Box<dyn Stream>, String> {
    let target = &job.options.target;
    let timeout: Duration = job.options.timeout;
    let opening = async {
        let tcp = TcpStream::connect((target.host(), target.port()))
            .await
            .map_err(|error| format!("cannot connect: {error}"))?;
        tcp.set_nodelay(true).map_err(|error| format!("cannot connect: {error}"))?;
        let stream: Box<dyn Stream> = match &job.tls {
            None => Box::new(tcp),
            Some(tls) => {
                let stream = tls
                    .connector
                    .connect(tls.name.clone(), tcp)
                    .await
                    .map_err(|error| format!("TLS failed: {error}"))?;
                Box::new(stream)
            }
        };
        Ok(stream)
    };
    match tokio::time::timeout(timeout, opening).await {
        Ok(result) => result,
        Err(_) => Err("cannot connect: no answer in time".to_owned()),
    }
}
