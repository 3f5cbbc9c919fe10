//! Certificates that an engine shows to others and those that others showed to it, the soonest to expire first: a national authority needs weeks for a new
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

use crate::engine::commands::Engine;

/// Most certificates of one file: a bundle of all public authorities has some 150.
const OF_A_FILE_MAX: usize = 256;

/// Certificates of listeners, destinations, senders and receivers.
pub(super) async fn all(engine: &Engine, snapshot: &Arc<Snapshot>) -> Vec<CertificateStatus> {
    let parts = &engine.parts;
    let (directory, snapshot) = (parts.configuration.directory().to_owned(), Arc::clone(snapshot));
    let read = tokio::task::spawn_blocking(move || read_all(&directory, &snapshot));
    let mut all = read.await.unwrap_or_default();
    all.extend(barid_ingress::report::certificates(&parts.listeners));
    all.extend(barid_delivery::report::certificates(&parts.destinations));
    all.sort_by_key(|certificate| certificate.expires);
    all
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
    listeners.chain(destinations).flat_map(|(owner, file)| read(directory, &owner, file)).collect()
}

/// The certificates of a file, of a chain or a bundle each; none where it cannot be read, which its owner tells.
fn read(directory: &Path, owner: &str, file: &SecretFile) -> Vec<CertificateStatus> {
    let Ok(pem) = std::fs::read(file.path(directory)) else { return Vec::new() };
    let one = |der: CertificateDer<'_>| {
        let (_, certificate) = X509Certificate::from_der(&der).ok()?;
        let expires = seconds(certificate.validity().not_after.timestamp());
        Some(CertificateStatus { owner: owner.to_owned(), subject: certificate.subject().to_string(), expires })
    };
    CertificateDer::pem_slice_iter(&pem).take(OF_A_FILE_MAX).filter_map(Result::ok).filter_map(one).collect()
}

const fn seconds(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds.saturating_mul(1_000))
}
