//! What servers tell of themselves: asked by the system user, and every ten seconds by themselves.

use serde::Deserialize;

use crate::survey::StorageStatus;

/// Oldest version whose writes with `sync_interval: always` were measured and read.
const OLDEST: (u64, u64) = (2, 15);

/// What a server tells where it is asked.
#[derive(Deserialize)]
pub(super) struct Answer {
    pub(super) server: Described,
    pub(super) data: Varz,
}

#[derive(Deserialize)]
pub(super) struct Described {
    pub(super) id: String,
    pub(super) name: String,
}

#[derive(Deserialize)]
pub(super) struct Varz {
    pub(super) version: String,
    #[serde(default)]
    pub(super) max_payload: usize,
    #[serde(default)]
    pub(super) jetstream: JetStreamVarz,
}

/// What a server tells without being asked.
#[derive(Deserialize)]
pub(super) struct Spoken {
    pub(super) server: Described,
    pub(super) statsz: Statsz,
}

#[derive(Deserialize)]
pub(super) struct Statsz {
    #[serde(default)]
    pub(super) jetstream: Option<JetStreamVarz>,
}

#[derive(Deserialize, Default)]
pub(super) struct JetStreamVarz {
    pub(super) config: Option<JetStreamConfig>,
    #[serde(default)]
    stats: JetStreamStats,
}

#[derive(Deserialize, Default)]
pub(super) struct JetStreamStats {
    /// Bytes of all streams on this server.
    #[serde(default)]
    storage: u64,
}

#[derive(Deserialize)]
pub(super) struct JetStreamConfig {
    #[serde(default)]
    pub(super) sync_always: bool,
    /// Most bytes of all streams on this server; not positive: unlimited.
    #[serde(default)]
    max_storage: i64,
}

impl JetStreamVarz {
    /// None where the server has no limit.
    pub(super) fn storage_of(&self, server: &str) -> Option<StorageStatus> {
        let limit = self.config.as_ref().map(|config| config.max_storage);
        StorageStatus::of(format!("server {server}"), self.stats.storage, limit)
    }
}

/// Whether it is [`OLDEST`] or newer.
pub(super) fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split(['.', '-']).map(|part| part.parse::<u64>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= OLDEST
}
