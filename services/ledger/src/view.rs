//! Documents in the words of the control protocol, the same whoever answers.

use barid_config::Snapshot;
use barid_runtime::control::protocol::{DocumentRef, Explanation, Setting, SnapshotView};

/// What is in effect for a document; none where there is no good version of it. Only channels gather settings from elsewhere.
#[must_use]
pub fn explanation(snapshot: &Snapshot, document: &DocumentRef) -> Option<Explanation> {
    if document.kind != "Channel" {
        return None;
    }
    let settings = barid_config::explain(snapshot, &document.name)?
        .into_iter()
        .map(|setting| Setting {
            path: setting.setting,
            value: setting.value,
            from: if setting.document.is_empty() { setting.from.to_string() } else { setting.document },
        })
        .collect();
    let revision = snapshot.channels.get(&document.name)?.revision.to_string();
    Some(Explanation { document: document.clone(), revision, settings })
}

/// The documents that run.
#[must_use]
pub fn snapshot(snapshot: &Snapshot) -> SnapshotView {
    // What the compiler wrote is JSON.
    SnapshotView { number: snapshot.number, documents: serde_json::from_slice(&snapshot.save()).unwrap_or_default() }
}
