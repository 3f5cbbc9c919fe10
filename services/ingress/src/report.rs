//! Where messages enter and who sends here, in the words of the control protocol.

use std::collections::BTreeMap;
use std::path::Path;

use barid_config::Snapshot;
use barid_config::settings::SecretFile;
use barid_model::Timestamp;
use barid_runtime::control::protocol::{CertificateStatus, ListenerStatus, SenderStatus};

use crate::custody::Traffic;
use crate::secrets::SECRET_BYTES_MAX;
use crate::{Listeners, SenderCertificate};

/// The listeners.
pub async fn listeners(listeners: &Listeners) -> Vec<ListenerStatus> {
    listeners.status().await.into_iter().map(listener).collect()
}

/// Who has sent since the start, or is connected.
#[must_use]
pub fn senders(listeners: &Listeners, traffic: &Traffic) -> Vec<SenderStatus> {
    let mut all: BTreeMap<String, SenderStatus> = BTreeMap::new();
    for (name, sent) in traffic.facilities() {
        let nobody = SenderStatus { facility: name.to_string(), ..SenderStatus::default() };
        let status = SenderStatus {
            accepted: sent.accepted,
            refused: sent.refused,
            last: sent.last,
            verified: sent.verified,
            ..nobody
        };
        all.insert(name.to_string(), status);
    }
    for facility in listeners.connections().into_iter().filter_map(|connection| connection.facility) {
        let name = facility.to_string();
        let nobody = || SenderStatus { facility: name.clone(), ..SenderStatus::default() };
        all.entry(name.clone()).or_insert_with(nobody).connections += 1;
    }
    all.into_values().collect()
}

/// The certificates that senders have shown lately.
#[must_use]
pub fn certificates(listeners: &Listeners) -> Vec<CertificateStatus> {
    listeners.certificates().into_iter().map(sender).collect()
}

/// The certificates in the files that listeners name, below this folder.
#[must_use]
pub fn files(snapshot: &Snapshot, folder: &Path) -> Vec<CertificateStatus> {
    let read = |(owner, file): (String, &SecretFile)| {
        // One that cannot be read is told of by who uses it.
        let pem = barid_files::read(&file.path(folder), SECRET_BYTES_MAX);
        let all = pem.map(|pem| barid_pem::expires(&pem)).unwrap_or_default();
        all.into_iter().map(move |one| CertificateStatus {
            owner: owner.clone(),
            subject: one.subject,
            expires: Timestamp::from_millis(one.at.saturating_mul(1_000)),
        })
    };
    snapshot.listener_certificates().flat_map(read).collect()
}

fn sender(shown: SenderCertificate) -> CertificateStatus {
    let owner = match &shown.facility {
        Some(facility) => format!("sender {facility}"),
        None => format!("unknown sender at listener {}", shown.listener),
    };
    let expires = Timestamp::from_millis(shown.expires.saturating_mul(1_000));
    CertificateStatus { owner, subject: shown.subject, expires }
}

fn listener(status: crate::ListenerStatus) -> ListenerStatus {
    ListenerStatus {
        name: status.listener,
        kind: format!("{}{}", status.transport, if status.tls { "s" } else { "" }),
        address: status.address.map(|address| address.to_string()),
        connections: status.connections as u64,
        connections_max: status.connections_max as u64,
        accepted: status.accepted,
        refused: status.refused,
        error: status.fault.map(|fault| format!("{}: {}", fault.text, fault.remedy)),
    }
}
