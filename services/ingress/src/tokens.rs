//! Bearer tokens: which declared ones a request shows. Only their SHA-256 is kept, and every one is compared in the same
//! time, so that an answer's delay tells nothing.

use std::sync::Arc;

use barid_config::Snapshot;
use barid_model::Digest;

use crate::secrets::Secrets;

/// The tokens that identities of the snapshot ask for.
#[derive(Default)]
pub(crate) struct Tokens {
    /// Digest of the token, and its place as identities name it.
    known: Vec<(Digest, Arc<str>)>,
    /// Places that could not be read, and why.
    unread: Vec<(Arc<str>, String)>,
}

impl Tokens {
    /// Reads them all; those that cannot be read match nothing. Blocking.
    pub(crate) fn read(snapshot: &Snapshot, secrets: &dyn Secrets) -> Self {
        let mut unread = Vec::new();
        let identities = snapshot.facilities.values().flat_map(|facility| &facility.identities);
        let mut known: Vec<(Digest, Arc<str>)> = Vec::new();
        for secret in identities.filter_map(|identity| identity.token.as_ref()) {
            let place: Arc<str> = secret.to_string().into();
            if known.iter().any(|(_, other)| *other == place) || unread.iter().any(|(other, _)| *other == place) {
                continue;
            }
            match secrets.value(secret) {
                Ok(token) if !token.is_empty() => known.push((Digest::of(&token), place)),
                Ok(_) => unread.push((place, "it is empty".to_owned())),
                Err(error) => unread.push((place, error.to_string())),
            }
        }
        Self { known, unread }
    }

    /// Logs what could not be read, but for what was known of already.
    pub(crate) fn tell(&self, before: &Self) {
        for fault @ (place, error) in &self.unread {
            if !before.unread.contains(fault) {
                tracing::warn!(token = %place, %error, "token cannot be read and recognises nobody");
            }
        }
    }

    /// The places of the tokens that have this value.
    pub(crate) fn places(&self, shown: &[u8]) -> Vec<Arc<str>> {
        let shown = Digest::of(shown);
        self.known.iter().filter(|(digest, _)| same(digest, &shown)).map(|(_, place)| Arc::clone(place)).collect()
    }
}

/// Compares all bytes whatever they are.
fn same(a: &Digest, b: &Digest) -> bool {
    a.as_bytes().iter().zip(b.as_bytes()).fold(0, |difference, (x, y)| difference | (x ^ y)) == 0
}
