//! Certificates that an engine shows to others, the soonest to expire first: a national authority needs weeks for a new
//! one. They are read from their files, so that what will serve the next connection is what is shown.

use std::path::Path;
use std::sync::Arc;

use barid_config::Snapshot;
use barid_config::settings::SecretFile;
use barid_model::Timestamp;
use barid_runtime::control::protocol::CertificateStatus;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Certificates of listeners and destinations.
pub(super) async fn all(directory: &Path, snapshot: &Arc<Snapshot>) -> Vec<CertificateStatus> {
    let (directory, snapshot) = (directory.to_owned(), Arc::clone(snapshot));
    let read = tokio::task::spawn_blocking(move || read_all(&directory, &snapshot));
    read.await.unwrap_or_default()
}

fn read_all(directory: &Path, snapshot: &Snapshot) -> Vec<CertificateStatus> {
    let listeners = snapshot.listeners.values().flat_map(|listener| {
        let owner = format!("listener {}", listener.name);
        let tls = listener.tls.iter();
        tls.flat_map(move |tls| {
            let authorities = tls.ca.iter().map(|file| (format!("senders' authority of {owner}"), file));
            [(owner.clone(), &tls.certificate)].into_iter().chain(authorities.collect::<Vec<_>>())
        })
    });
    let destinations = snapshot.destinations.values().flat_map(|destination| {
        let owner = format!("destination {}", destination.name);
        let tls = destination.tls.iter();
        tls.flat_map(move |tls| {
            let own = tls.certificate.iter().map(|(certificate, _)| (owner.clone(), certificate));
            let authority = tls.ca.iter().map(|file| (format!("authority of {owner}"), file));
            own.chain(authority).collect::<Vec<_>>()
        })
    });
    let mut all: Vec<CertificateStatus> =
        listeners.chain(destinations).filter_map(|(owner, file)| read(directory, owner, file)).collect();
    all.sort_by_key(|certificate| certificate.expires);
    all
}

/// The first certificate of a file; none where it cannot be read, which its owner tells.
fn read(directory: &Path, owner: String, file: &SecretFile) -> Option<CertificateStatus> {
    let pem = std::fs::read(file.path(directory)).ok()?;
    let der = CertificateDer::pem_slice_iter(&pem).next()?.ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    let expires = certificate.validity().not_after.timestamp();
    Some(CertificateStatus {
        owner,
        subject: certificate.subject().to_string(),
        expires: Timestamp::from_millis(expires.saturating_mul(1_000)),
    })
}
