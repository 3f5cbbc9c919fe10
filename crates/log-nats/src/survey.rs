//! How full the streams are, as the level that the log's users know.
//!
//! Each family has its own limit, so a full IN stops senders and nobody else. Where what a message becomes may not fit, senders are stopped first, then the
//! routers, so that outcomes and commits, which end custody, still find room.

use std::sync::Arc;

use async_nats::jetstream::stream::Info;
use barid_log::SpaceLevel;

use crate::link::busy;
use crate::name::{Family, Names};
use crate::shared::Shared;

/// Percent of its own limit from which IN takes no more.
const INTAKE_FULL: u64 = 95;
/// Percents of OUT, PARK and large payloads from which senders, and routers, are refused. What ends custody is written elsewhere and goes on.
const OUTPUTS: [u64; 2] = [80, 95];
/// Percents of outcomes and keys, and of what an account or a server may store, from which senders, routers, and everybody are refused.
const OTHERS: [u64; 3] = [80, 90, 99];

/// One stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamStatus {
    /// Its name.
    pub name: String,
    /// Bytes in it.
    pub bytes: u64,
    /// Its limit in bytes.
    pub limit: u64,
    /// Messages (blocks, chunks, keys) in it.
    pub messages: u64,
    /// Copies that are up to date, the leader's included.
    pub current: usize,
    /// The server that leads it.
    pub leader: Option<String>,
}

impl StreamStatus {
    fn of(info: &Info) -> Self {
        let cluster = info.cluster.as_ref();
        let current = cluster.map_or(0, |cluster| cluster.replicas.iter().filter(|peer| peer.current).count());
        Self {
            name: info.config.name.clone(),
            bytes: info.state.bytes,
            limit: u64::try_from(info.config.max_bytes).unwrap_or(u64::MAX),
            messages: info.state.messages,
            current: current + 1,
            leader: cluster.and_then(|cluster| cluster.leader.clone()),
        }
    }

    fn percent(&self) -> u64 {
        self.bytes.saturating_mul(100) / self.limit.max(1)
    }
}

/// What an account or a server may store, in all its streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageStatus {
    /// Whose.
    pub name: String,
    /// Bytes stored.
    pub bytes: u64,
    /// Its limit in bytes.
    pub limit: u64,
}

impl StorageStatus {
    /// None where there is no limit.
    pub(crate) fn of(name: String, bytes: u64, limit: Option<i64>) -> Option<Self> {
        let limit = limit.and_then(|limit| u64::try_from(limit).ok()).filter(|limit| *limit > 0)?;
        Some(Self { name, bytes, limit })
    }

    fn percent(&self) -> u64 {
        self.bytes.saturating_mul(100) / self.limit.max(1)
    }
}

/// What the last look found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Survey {
    /// All streams.
    pub(crate) streams: Vec<StreamStatus>,
    /// The account and the servers, where they have limits.
    pub(crate) storage: Vec<StorageStatus>,
}

/// The highest of the levels whose limit is reached.
fn reached(percent: u64, limits: &[u64]) -> SpaceLevel {
    let steps = [SpaceLevel::NoIntake, SpaceLevel::NoRouting, SpaceLevel::Exhausted];
    let reached = limits.iter().zip(steps).filter(|(limit, _)| percent >= **limit);
    reached.map(|(_, level)| level).max().unwrap_or(SpaceLevel::Free)
}

/// The level that these streams make.
pub(crate) fn level(names: &Names, streams: &[StreamStatus], storage: &[StorageStatus]) -> SpaceLevel {
    let of = |status: &StreamStatus| {
        let is = |family| status.name == names.stream(family);
        let limits: &[u64] = if is(Family::In) {
            &[INTAKE_FULL]
        } else if is(Family::Outcome) || status.name == names.keys() {
            &OTHERS
        } else {
            &OUTPUTS
        };
        reached(status.percent(), limits)
    };
    let all = storage.iter().map(|status| reached(status.percent(), &OTHERS));
    streams.iter().map(of).chain(all).max().unwrap_or(SpaceLevel::Free)
}

/// The level that a refusal for want of room in a family's stream makes, until the next look.
fn level_of_full(family: Family) -> SpaceLevel {
    match family {
        Family::In => SpaceLevel::NoIntake,
        Family::Out | Family::Park => SpaceLevel::NoRouting,
        Family::Outcome => SpaceLevel::Exhausted,
    }
}

impl Shared {
    /// Looks at all streams once, and at what they may take together.
    pub(crate) async fn look_at_streams(&self) -> Result<(), barid_log::LogError> {
        let mut streams = Vec::new();
        for name in self.all_streams() {
            let info = self.link.stream(&name).await?.get_info().await.map_err(|error| busy(&error))?;
            streams.push(StreamStatus::of(&info));
        }
        let account = self.link.context().query_account().await.map_err(|error| busy(&error))?;
        let mut storage = self.server_storage.lock().clone();
        storage.extend(StorageStatus::of("account".into(), account.storage, account.limits.max_storage));
        // An account may have limits by the number of copies instead; they count every copy.
        let tier = format!("R{}", self.options.replicas);
        if let Some(tier) = account.tiers.get(&tier) {
            let copies = i64::try_from(self.options.replicas).unwrap_or(1);
            let limit = tier.limits.max_storage.map(|limit| limit.saturating_mul(copies));
            storage.extend(StorageStatus::of("account".into(), tier.storage, limit));
        }
        let level = level(&self.names, &streams, &storage);
        self.survey.send_replace(Survey { streams, storage });
        self.space.send_if_modified(|now| std::mem::replace(now, level) != level);
        Ok(())
    }

    /// Keeps looking, until the log is closed.
    pub(crate) async fn keep_looking(self: Arc<Self>) {
        loop {
            tokio::time::sleep(self.options.look_every).await;
            if let Err(error) = self.look_at_streams().await {
                tracing::debug!(%error, "streams cannot be looked at");
            }
        }
    }

    /// Something was refused for want of room in this family's stream: not waiting for the next look.
    pub(crate) fn full(&self, family: Family) {
        let level = level_of_full(family);
        self.space.send_if_modified(|now| {
            let raised = *now < level;
            *now = level.max(*now);
            raised
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(name: String, bytes: &[u64]) -> Vec<SpaceLevel> {
        let names = Names::new("x").unwrap();
        let status =
            |bytes| StreamStatus { name: name.clone(), bytes, limit: 100, messages: 1, current: 3, leader: None };
        bytes.iter().map(|bytes| level(&names, &[status(*bytes)], &[])).collect()
    }

    #[test]
    fn a_full_intake_stops_senders_and_nobody_else() {
        let names = Names::new("x").unwrap();
        assert_eq!(
            levels(names.stream(Family::In), &[94, 95, 100]),
            [SpaceLevel::Free, SpaceLevel::NoIntake, SpaceLevel::NoIntake]
        );
    }

    #[test]
    fn outputs_stop_senders_before_routers_and_outcomes_stop_all() {
        use SpaceLevel::{Exhausted, Free, NoIntake, NoRouting};
        let names = Names::new("x").unwrap();
        assert_eq!(levels(names.stream(Family::Out), &[79, 80, 95, 100]), [Free, NoIntake, NoRouting, NoRouting]);
        assert_eq!(levels(names.stream(Family::Park), &[80, 95, 100]), [NoIntake, NoRouting, NoRouting]);
        assert_eq!(levels(names.objects(), &[100]), [NoRouting], "small records go on");
        assert_eq!(levels(names.keys(), &[79, 80, 90, 99]), [Free, NoIntake, NoRouting, Exhausted]);
    }

    #[test]
    fn what_an_account_or_a_server_may_store_counts_though_each_stream_has_room() {
        use SpaceLevel::{Exhausted, Free, NoIntake, NoRouting};
        let names = Names::new("x").unwrap();
        let of = |bytes, limit| {
            let storage: Vec<_> = StorageStatus::of("account".into(), bytes, limit).into_iter().collect();
            level(&names, &[], &storage)
        };
        let limited: Vec<_> = [79, 80, 90, 99].map(|bytes| of(bytes, Some(100))).into();
        assert_eq!(limited, [Free, NoIntake, NoRouting, Exhausted]);
        assert_eq!([of(1000, Some(-1)), of(1000, Some(0)), of(1000, None)], [Free; 3], "no limit");
    }
}
