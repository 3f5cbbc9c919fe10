//! TLS towards a receiver: its name and certificate are always checked, against the destination's own authority where
//! it names one, else against the system's; a client certificate is shown where the destination has one.
//!
//! The files are read at each new connection and the settings rebuilt when they changed, so a renewed certificate
//! is used from the next connection on, and the ones that are open stay. There is no setting that skips the check.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use barid_config::settings::{Secret, SecretFile, TlsClient};
use barid_model::Digest;
use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::secret::{SecretValue, Secrets};
use super::{TransportError, TransportKind};

/// Makes TLS connections from settings and the newest files.
pub(super) struct Tls {
    settings: TlsClient,
    protocols: Vec<Vec<u8>>,
    secrets: Arc<dyn Secrets>,
    built: Mutex<Option<(Digest, Arc<ClientConfig>)>>,
}

impl Tls {
    /// `protocols` are offered by ALPN, in order of preference; none for MLLP.
    pub(super) fn new(settings: TlsClient, protocols: &[&[u8]], secrets: Arc<dyn Secrets>) -> Self {
        let protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Self { settings, protocols, secrets, built: Mutex::new(None) }
    }

    /// A connector with the newest certificates, and the name to check for an endpoint's host.
    pub(super) fn connector(&self, host: &str) -> Result<(TlsConnector, ServerName<'static>), TransportError> {
        let name = self.settings.server_name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| broken(format!("{name:?} is neither a host name nor an address; set tls.serverName")))?;
        Ok((TlsConnector::from(self.config()?), name))
    }

    fn config(&self) -> Result<Arc<ClientConfig>, TransportError> {
        let authority = self.settings.ca.as_ref().map(|at| self.secret(at)).transpose()?;
        let identity = match &self.settings.certificate {
            Some((chain, key)) => Some((self.secret(chain)?, self.secret(key)?)),
            None => None,
        };
        let stamp = stamp(authority.as_ref(), identity.as_ref());
        if let Some((known, config)) = &*self.built.lock()
            && *known == stamp
        {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.build(authority.as_ref(), identity.as_ref())?);
        *self.built.lock() = Some((stamp, Arc::clone(&config)));
        Ok(config)
    }

    fn secret(&self, at: &SecretFile) -> Result<SecretValue, TransportError> {
        self.secrets
            .read(&Secret::File(at.clone()))
            .map_err(|error| TransportError::new(TransportKind::Secret, error.to_string()))
    }

    fn build(
        &self,
        authority: Option<&SecretValue>,
        identity: Option<&(SecretValue, SecretValue)>,
    ) -> Result<ClientConfig, TransportError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| broken(error.to_string()))?
            .with_root_certificates(roots(authority)?);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate, "tls.crt")?;
                let key = PrivateKeyDer::from_pem_slice(key.bytes())
                    .map_err(|error| broken(format!("tls.key of the client certificate is no PEM key: {error}")))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| broken(format!("the client certificate cannot be used: {error}")))?
            }
        };
        config.alpn_protocols.clone_from(&self.protocols);
        Ok(config)
    }
}

fn stamp(authority: Option<&SecretValue>, identity: Option<&(SecretValue, SecretValue)>) -> Digest {
    let parts = [authority, identity.map(|pair| &pair.0), identity.map(|pair| &pair.1)];
    let mut bytes = Vec::new();
    for part in parts.into_iter().flatten() {
        bytes.extend_from_slice(&(part.bytes().len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.bytes());
    }
    Digest::of(&bytes)
}

fn roots(authority: Option<&SecretValue>) -> Result<RootCertStore, TransportError> {
    let mut roots = RootCertStore::empty();
    match authority {
        Some(bundle) => {
            for certificate in certificates(bundle, "ca.crt")? {
                roots.add(certificate).map_err(|error| broken(format!("tls.ca cannot be used: {error}")))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(broken("this system has no certificate authorities; set tls.ca".to_owned()));
            }
        }
    }
    Ok(roots)
}

fn certificates(pem: &SecretValue, key: &str) -> Result<Vec<CertificateDer<'static>>, TransportError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem.bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| broken(format!("{key} is no PEM certificate: {error}")))?;
    if found.is_empty() {
        return Err(broken(format!("{key} holds no PEM certificate")));
    }
    Ok(found)
}

fn broken(text: String) -> TransportError {
    TransportError::new(TransportKind::Tls, text)
}
