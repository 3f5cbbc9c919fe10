//! How full the streams are, as the level that the log's users know.
//!
//! Each family has its own limit, so a full IN stops senders and nobody else. Where what a message becomes may not fit, senders are stopped first, then the
//! routers, so that outcomes and commits, which end custody, still find room.

use std::sync::Arc;

use async_nats::jetstream::stream::Info;
use barid_log::{Purpose, SpaceLevel};

use crate::link::busy;
use crate::name::Names;
use crate::shared::Shared;

/// Percent of its own limit from which IN takes no more.
const INTAKE_FULL: u64 = 95;
/// Percents of OUT from which senders, and routers, are refused.
const OUTPUTS: [u64; 2] = [80, 95];
/// Percents of all others from which senders, routers, and everybody are refused.
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

/// What the last look found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Survey {
    /// All streams.
    pub(crate) streams: Vec<StreamStatus>,
}

/// The level that these streams make.
pub(crate) fn level(names: &Names, streams: &[StreamStatus]) -> SpaceLevel {
    use crate::name::Family;
    let steps = [SpaceLevel::NoIntake, SpaceLevel::NoRouting, SpaceLevel::Exhausted];
    let of = |status: &StreamStatus| {
        let limits: &[u64] = if status.name == names.stream(Family::In) {
            &[INTAKE_FULL]
        } else if status.name == names.stream(Family::Out) {
            &OUTPUTS
        } else {
            &OTHERS
        };
        let reached = limits.iter().zip(steps).filter(|(limit, _)| status.percent() >= **limit);
        reached.map(|(_, level)| level).max().unwrap_or(SpaceLevel::Free)
    };
    streams.iter().map(of).max().unwrap_or(SpaceLevel::Free)
}

impl Shared {
    /// Looks at all streams once.
    pub(crate) async fn look_at_streams(&self) -> Result<(), barid_log::LogError> {
        let mut streams = Vec::new();
        for name in self.all_streams() {
            let info = self.link.stream(&name).await?.get_info().await.map_err(|error| busy(&error))?;
            streams.push(StreamStatus::of(&info));
        }
        let level = level(&self.names, &streams);
        self.survey.send_replace(Survey { streams });
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

    /// An append was refused for want of room: not waiting for the next look.
    pub(crate) fn full(&self, purpose: Purpose) {
        let level = match purpose {
            Purpose::Intake => SpaceLevel::NoIntake,
            Purpose::Routing => SpaceLevel::NoRouting,
            Purpose::Delivery => SpaceLevel::Exhausted,
        };
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
    use crate::name::Family;

    fn levels(name: String, bytes: &[u64]) -> Vec<SpaceLevel> {
        let names = Names::new("x").unwrap();
        let status =
            |bytes| StreamStatus { name: name.clone(), bytes, limit: 100, messages: 1, current: 3, leader: None };
        bytes.iter().map(|bytes| level(&names, &[status(*bytes)])).collect()
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
        assert_eq!(levels(names.keys(), &[79, 80, 90, 99]), [Free, NoIntake, NoRouting, Exhausted]);
    }
}
