//! The certificates that senders have shown: whose they are and when they expire, so that a sender whose certificate is
//! about to end is told before its messages stop. One that was replaced is no longer told of after a while.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use barid_model::{Name, Timestamp};
use barid_validate::{CertificateFacts, Peer};
use parking_lot::Mutex;
use rustls_pki_types::CertificateDer;

use crate::certificate;

/// Certificates remembered: more than a country has senders. About 500 bytes each; the one not seen for longest goes.
const SHOWN_MAX: usize = 4_096;
/// How long one is told of after the last connection it was shown on has ended: senders that send once a week count.
const TOLD_FOR: Duration = Duration::from_secs(8 * 86_400);

/// A certificate that a sender has shown, as it is kept beyond a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownCertificate {
    /// Its SHA-256.
    pub fingerprint: [u8; 32],
    /// When a connection was last made with it.
    pub seen: Timestamp,
    /// What it says.
    pub certificate: SenderCertificate,
}

/// A certificate that a sender has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderCertificate {
    /// Where it was shown.
    pub listener: Name,
    /// The facility that was recognised with it.
    pub facility: Option<Arc<str>>,
    /// Its subject.
    pub subject: String,
    /// When it expires, in seconds since 1970.
    pub expires: i64,
}

struct Entry {
    certificate: SenderCertificate,
    seen: Timestamp,
    /// Lives as long as the last connection it was shown on.
    last: Weak<CertificateFacts>,
}

impl Entry {
    fn is_told_of(&self, now: Timestamp) -> bool {
        self.last.strong_count() > 0 || self.seen.plus(TOLD_FOR) > now
    }
}

/// The certificates that were shown, by their fingerprint.
#[derive(Default)]
pub(crate) struct Shown(Mutex<HashMap<[u8; 32], Entry>>);

impl Shown {
    /// A connection was made with this certificate.
    pub(crate) fn note(
        &self,
        listener: &Name,
        der: &CertificateDer<'_>,
        facts: &Arc<CertificateFacts>,
        now: Timestamp,
    ) {
        let Some(expires) = certificate::expires(der) else { return };
        let mut all = self.0.lock();
        if let Some(known) = all.get_mut(&facts.fingerprint) {
            (known.seen, known.last) = (now, Arc::downgrade(facts));
            known.certificate.listener = listener.clone();
            return;
        }
        if all.len() >= SHOWN_MAX
            && let Some(oldest) = all.iter().min_by_key(|(_, entry)| entry.seen).map(|(fingerprint, _)| *fingerprint)
        {
            all.remove(&oldest);
        }
        let subject = certificate::subject(der);
        let certificate = SenderCertificate { listener: listener.clone(), facility: None, subject, expires };
        all.insert(facts.fingerprint, Entry { certificate, seen: now, last: Arc::downgrade(facts) });
    }

    /// A message of this peer was recognised as a facility's.
    pub(crate) fn recognised(&self, peer: &Peer, facility: &Arc<str>) {
        let Some(facts) = &peer.certificate else { return };
        if let Some(known) = self.0.lock().get_mut(&facts.fingerprint) {
            known.certificate.facility = Some(Arc::clone(facility));
        }
    }

    /// Those that are in use, or were lately; the soonest to expire first.
    pub(crate) fn list(&self, now: Timestamp) -> Vec<SenderCertificate> {
        let all = self.0.lock();
        let told = all.values().filter(|entry| entry.is_told_of(now));
        let mut told: Vec<_> = told.map(|entry| entry.certificate.clone()).collect();
        told.sort_by_key(|certificate| certificate.expires);
        told
    }

    /// The same, to be kept; one that is in use was seen now.
    pub(crate) fn kept(&self, now: Timestamp) -> Vec<ShownCertificate> {
        let all = self.0.lock();
        let told = all.iter().filter(|(_, entry)| entry.is_told_of(now));
        let mut kept: Vec<_> = told
            .map(|(fingerprint, entry)| ShownCertificate {
                fingerprint: *fingerprint,
                seen: if entry.last.strong_count() > 0 { now } else { entry.seen },
                certificate: entry.certificate.clone(),
            })
            .collect();
        kept.sort_by_key(|shown| shown.fingerprint);
        kept
    }

    /// What was kept before a restart; what was shown since is newer and stays.
    pub(crate) fn remember(&self, kept: Vec<ShownCertificate>) {
        let mut all = self.0.lock();
        for ShownCertificate { fingerprint, seen, certificate } in kept.into_iter().take(SHOWN_MAX) {
            all.entry(fingerprint).or_insert(Entry { certificate, seen, last: Weak::new() });
        }
    }
}
