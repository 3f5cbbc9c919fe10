//! Who holds a lease, and where it can be talked to: for who has something to tell the owner of an item.
//!
//! Read from the log when it is asked for, so it may be over when it is used: whoever is told something looks whether it is
//! the owner still.

use std::sync::Arc;

use barid_log::{Key, Log, LogError};
use bytes::Bytes;

use super::Written;

/// What the lease of a process that cannot be talked to holds.
pub(super) const NOWHERE: Bytes = Bytes::from_static(b"1");

/// A process that holds a lease, or did until shortly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// The name under which it holds its lease.
    pub member: String,
    /// Where it takes calls, `host:port`; none where it takes none.
    pub address: Option<String>,
}

impl Contact {
    /// The name it was given, without the ending of its lease.
    #[must_use]
    pub fn replica(&self) -> &str {
        self.member.rsplit_once('-').map_or(&*self.member, |(name, _)| name)
    }
}

/// All that hold a lease of this role. One that is silent is among them until another has taken its lease away.
///
/// # Errors
/// As the log.
pub async fn present(log: &Arc<dyn Log>, role: &str) -> Result<Vec<Contact>, LogError> {
    let prefix = format!("lease.{role}.");
    let mut all = Vec::new();
    for key in log.keys(&prefix).await? {
        let Some(member) = key.as_str().strip_prefix(&prefix) else { continue };
        // One that has left meanwhile is not there.
        if let Some((_, value)) = log.get(&key).await? {
            all.push(Contact { member: member.to_owned(), address: address(&value) });
        }
    }
    all.sort_by(|a, b| a.member.cmp(&b.member));
    Ok(all)
}

/// Who owns an item; none where nobody does, or its owner has lost its lease.
///
/// # Errors
/// As the log; `Damaged` where the claim cannot be read.
pub async fn owner(log: &Arc<dyn Log>, role: &str, item: &str) -> Result<Option<Contact>, LogError> {
    let key = Key::new(format!("claim.{role}.{item}"))?;
    let Some((_, value)) = log.get(&key).await? else { return Ok(None) };
    let Written { member, .. } =
        serde_json::from_slice(&value).map_err(|_| LogError::Damaged(format!("key {key}").into()))?;
    if member.is_empty() {
        return Ok(None);
    }
    let lease = log.get(&Key::new(format!("lease.{role}.{member}"))?).await?;
    Ok(lease.map(|(_, value)| Contact { member, address: address(&value) }))
}

fn address(value: &Bytes) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    text.contains(':').then(|| text.to_owned())
}
