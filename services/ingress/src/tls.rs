//! TLS of a listener: built from its secret, rebuilt when the files change, so that a new certificate serves new
//! connections and disturbs none. TLS 1.2 and 1.3, certificates of senders by setting (IHE ITI-19).

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use barid_config::document::ClientAuth;
use barid_config::settings::TlsServer;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::certificate;
use crate::secrets::Secrets;

/// What a listener's TLS is made of could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file could not be read.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// A file holds no such thing.
    #[error("{place}: {problem}")]
    Content {
        /// The secret's place.
        place: String,
        /// What is wrong and what would be right.
        problem: String,
    },
}

/// The TLS of one listener, as new connections get it.
#[derive(Default)]
pub(crate) struct Tls {
    current: ArcSwapOption<Loaded>,
}

struct Loaded {
    settings: TlsServer,
    files: Files,
    config: Arc<ServerConfig>,
    expires: Option<i64>,
}

/// The bytes it was built from.
#[derive(PartialEq, Eq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
    authorities: Option<Vec<u8>>,
}

impl Tls {
    /// Reads the files and, where they or the settings changed, builds anew. Gives whether it did. Blocking.
    ///
    /// # Errors
    /// [`TlsError`]; what was there before stays.
    pub(crate) fn load(&self, settings: &TlsServer, http: bool, secrets: &dyn Secrets) -> Result<bool, TlsError> {
        let authorities = settings.ca.as_ref().map(|file| secrets.file(file)).transpose()?;
        let files =
            Files { certificate: secrets.file(&settings.certificate)?, key: secrets.file(&settings.key)?, authorities };
        if let Some(loaded) = &*self.current.load()
            && loaded.settings == *settings
            && loaded.files == files
        {
            return Ok(false);
        }
        let (config, expires) = build(settings, &files, http)?;
        let loaded = Loaded { settings: settings.clone(), files, config: Arc::new(config), expires };
        self.current.store(Some(Arc::new(loaded)));
        Ok(true)
    }

    /// For the next connection; none where nothing was loaded.
    pub(crate) fn acceptor(&self) -> Option<TlsAcceptor> {
        self.current.load().as_ref().map(|loaded| TlsAcceptor::from(Arc::clone(&loaded.config)))
    }

    /// When its certificate expires, in seconds since 1970.
    pub(crate) fn expires(&self) -> Option<i64> {
        self.current.load().as_ref().and_then(|loaded| loaded.expires)
    }
}

fn build(settings: &TlsServer, files: &Files, http: bool) -> Result<(ServerConfig, Option<i64>), TlsError> {
    let wrong = |place: String| move |problem: String| TlsError::Content { place, problem };
    let chain = barid_pem::certificates(&files.certificate)
        .map_err(|problem| wrong(settings.certificate.to_string())(problem.to_string()))?;
    let expires = chain.first().and_then(certificate::expires);
    let key =
        barid_pem::private_key(&files.key).map_err(|problem| wrong(settings.key.to_string())(problem.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
    let fault = |error: rustls::Error| wrong(settings.certificate.to_string())(error.to_string());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&versions).map_err(fault)?;
    let builder = match verifier(settings, files, provider)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(fault)?;
    if http {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
    }
    Ok((config, expires))
}

fn verifier(
    settings: &TlsServer,
    files: &Files,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    if settings.client_auth == ClientAuth::None {
        return Ok(None);
    }
    let place = settings.ca.as_ref().map_or_else(|| "ca.crt".to_owned(), ToString::to_string);
    let wrong = |problem: String| TlsError::Content { place: place.clone(), problem };
    let Some(authorities) = &files.authorities else {
        return Err(wrong("senders are asked for certificates, but no authority is named: set `ca`".to_owned()));
    };
    let mut roots = RootCertStore::empty();
    for authority in barid_pem::certificates(authorities).map_err(|problem| wrong(problem.to_string()))? {
        roots.add(authority).map_err(|error| wrong(error.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if settings.client_auth == ClientAuth::Optional { builder.allow_unauthenticated() } else { builder };
    builder.build().map(Some).map_err(|error| wrong(error.to_string()))
}
