//! The certificates that senders have shown, kept beyond a restart: who sends once a week is told of before its certificate
//! ends, also where the engine was started since.
//!
//! A file of its own beside the log, since nothing depends on it: where it is lost or cannot be read, senders are known
//! again as they connect.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use barid_ingress::{Listeners, SenderCertificate, ShownCertificate};
use barid_log::LogError;
use barid_model::{Name, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// The file in the data directory.
const FILE: &str = "senders.json";
/// How often is looked for new ones: what a crash forgets.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How often it is written though no certificate is new: when each was seen last.
const WRITE_EVERY: Duration = Duration::from_secs(3_600);
/// Most bytes of the file that are read: all that listeners remember, with long subjects.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// One certificate in the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    /// Its SHA-256, hexadecimal.
    fingerprint: String,
    seen: Timestamp,
    listener: Name,
    #[serde(default)]
    facility: Option<String>,
    subject: String,
    /// Seconds since 1970.
    expires: i64,
}

/// The file, and what it says.
pub(super) struct Senders {
    path: PathBuf,
    listeners: Arc<Listeners>,
    written: Vec<SenderCertificate>,
    at: Instant,
}

impl Senders {
    /// Of this data directory; tells the listeners what was kept.
    pub(super) fn open(data: &Path, listeners: &Arc<Listeners>) -> Self {
        let path = data.join(FILE);
        match read(&path) {
            Ok(kept) => listeners.remember(kept),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the certificates that senders have shown are forgotten");
            }
        }
        let written = certificates(&listeners.shown());
        Self { path, listeners: Arc::clone(listeners), written, at: Instant::now() }
    }

    /// Keeps what senders show, for ever.
    pub(super) async fn follow(mut self) -> Result<(), LogError> {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let shown = self.listeners.shown();
            let now = certificates(&shown);
            if now == self.written && self.at.elapsed() < WRITE_EVERY {
                continue;
            }
            let path = self.path.clone();
            drop(tokio::task::spawn_blocking(move || write(&path, &shown)).await);
            (self.written, self.at) = (now, Instant::now());
        }
    }
}

/// Keeps what senders have shown until now.
pub(super) fn keep(data: &Path, listeners: &Listeners) {
    let shown = listeners.shown();
    let path = data.join(FILE);
    if !shown.is_empty() || path.exists() {
        write(&path, &shown);
    }
}

fn certificates(shown: &[ShownCertificate]) -> Vec<SenderCertificate> {
    shown.iter().map(|shown| shown.certificate.clone()).collect()
}

fn read(path: &Path) -> std::io::Result<Vec<ShownCertificate>> {
    let text = barid_files::read(path, FILE_BYTES_MAX)?;
    let kept: Vec<Kept> = serde_json::from_slice(&text)?;
    Ok(kept.into_iter().filter_map(shown).collect())
}

fn write(path: &Path, shown: &[ShownCertificate]) {
    let kept: Vec<Kept> = shown.iter().map(kept).collect();
    let written =
        serde_json::to_vec(&kept).map_err(std::io::Error::from).and_then(|text| barid_files::replace(path, &text));
    if let Err(error) = written {
        tracing::warn!(path = %path.display(), %error, "the certificates that senders have shown cannot be kept");
    }
}

fn kept(shown: &ShownCertificate) -> Kept {
    let SenderCertificate { listener, facility, subject, expires } = shown.certificate.clone();
    Kept {
        fingerprint: shown.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect(),
        seen: shown.seen,
        listener,
        facility: facility.map(|facility| facility.to_string()),
        subject,
        expires,
    }
}

/// None where the fingerprint is none.
fn shown(kept: Kept) -> Option<ShownCertificate> {
    let mut fingerprint = [0; 32];
    for (place, byte) in fingerprint.iter_mut().enumerate() {
        *byte = u8::from_str_radix(kept.fingerprint.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    let certificate = SenderCertificate {
        listener: kept.listener,
        facility: kept.facility.map(Arc::from),
        subject: kept.subject,
        expires: kept.expires,
    };
    Some(ShownCertificate { fingerprint, seen: kept.seen, certificate })
}

#[cfg(test)]
mod tests;
