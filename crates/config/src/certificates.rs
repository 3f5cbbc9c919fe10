//! Which files of certificates a snapshot names, and for what: who is told before one expires asks here.

use crate::Snapshot;
use crate::settings::SecretFile;

impl Snapshot {
    /// Of listeners, with what each is.
    pub fn listener_certificates(&self) -> impl Iterator<Item = (String, &SecretFile)> {
        self.listeners.values().flat_map(|listener| {
            let owner = format!("listener {}", listener.name);
            let authority = format!("senders' authority of {owner}");
            listener.tls.iter().flat_map(move |tls| {
                let authorities = tls.ca.iter().map(|file| (authority.clone(), file));
                std::iter::once((owner.clone(), &tls.certificate)).chain(authorities).collect::<Vec<_>>()
            })
        })
    }

    /// Of destinations, with what each is.
    pub fn destination_certificates(&self) -> impl Iterator<Item = (String, &SecretFile)> {
        self.destinations.values().flat_map(|destination| {
            let owner = format!("destination {}", destination.name);
            let authority = format!("authority of {owner}");
            destination.tls.iter().flat_map(move |tls| {
                let own = tls.certificate.iter().map(|(certificate, _)| (owner.clone(), certificate));
                own.chain(tls.ca.iter().map(|file| (authority.clone(), file))).collect::<Vec<_>>()
            })
        })
    }
}
