//! Certificates that an engine shows to others and those that others showed to it, the soonest to expire first: a national authority needs weeks for a new
//! one. They are read from their files, so that what will serve the next connection is what is shown.

use std::sync::Arc;

use barid_config::Snapshot;
use barid_runtime::control::protocol::CertificateStatus;

use crate::engine::commands::Engine;

/// Certificates of listeners, destinations, senders and receivers.
pub(super) async fn all(engine: &Engine, snapshot: &Arc<Snapshot>) -> Vec<CertificateStatus> {
    let parts = &engine.parts;
    let (directory, snapshot) = (parts.configuration.directory().to_owned(), Arc::clone(snapshot));
    let read = tokio::task::spawn_blocking(move || {
        let mut files = barid_ingress::report::files(&snapshot, &directory);
        files.extend(barid_delivery::report::files(&snapshot, &directory));
        files
    });
    let mut all = read.await.unwrap_or_default();
    all.extend(barid_ingress::report::certificates(&parts.listeners));
    all.extend(barid_delivery::report::certificates(&parts.destinations));
    all.sort_by_key(|certificate| certificate.expires);
    all
}
