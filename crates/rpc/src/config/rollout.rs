//! Who may have which snapshot now: make before break.
//!
//! What a snapshot makes new has to be understood before it is used: so listeners get it after routers, routers after
//! the stages and destinations. Those that are connected and have not answered are waited for a while, not for ever: a
//! replica that lacks a snapshot can fetch it by its hash, and one that is dead is nobody's reason to wait. One that
//! refuses it stops it, because who refuses has a reason that others will meet as well.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::convert::{Strict, invalid};
use crate::proto::config::v1 as wire;

/// How long those that come first are waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What a replica is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The parse stage.
    ParserValidator,
    /// The apply stage.
    Transformer,
    /// Routers.
    Router,
    /// Owners of destinations.
    Delivery,
    /// The ledger's writer.
    Ledger,
    /// Listeners.
    Ingress,
}

impl Stage {
    /// Lower ones come first.
    const fn turn(self) -> u8 {
        match self {
            Self::ParserValidator | Self::Transformer | Self::Delivery | Self::Ledger => 0,
            Self::Router => 1,
            Self::Ingress => 2,
        }
    }

    pub(super) const fn wire(self) -> wire::Stage {
        match self {
            Self::ParserValidator => wire::Stage::ParserValidator,
            Self::Transformer => wire::Stage::Transformer,
            Self::Router => wire::Stage::Router,
            Self::Delivery => wire::Stage::Delivery,
            Self::Ledger => wire::Stage::Ledger,
            Self::Ingress => wire::Stage::Ingress,
        }
    }

    pub(super) fn read(number: i32) -> Strict<Self> {
        Ok(match wire::Stage::try_from(number) {
            Ok(wire::Stage::ParserValidator) => Self::ParserValidator,
            Ok(wire::Stage::Transformer) => Self::Transformer,
            Ok(wire::Stage::Router) => Self::Router,
            Ok(wire::Stage::Delivery) => Self::Delivery,
            Ok(wire::Stage::Ledger) => Self::Ledger,
            Ok(wire::Stage::Ingress) => Self::Ingress,
            Ok(wire::Stage::Unspecified) | Err(_) => return Err(invalid("hello.stage")),
        })
    }
}

/// A replica that watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaState {
    /// What it is.
    pub stage: Stage,
    /// Its name.
    pub replica: String,
    /// The number of the snapshot that it runs; 0: none.
    pub runs: u64,
    /// The last one that it refused, and why.
    pub refused: Option<(u64, String)>,
}

/// Whether a replica of this stage may have snapshot `number`, published at `since`.
pub(super) fn may_have(stage: Stage, number: u64, since: Instant, replicas: &BTreeMap<u64, ReplicaState>) -> bool {
    let mut earlier = replicas.values().filter(|replica| replica.stage.turn() < stage.turn());
    let patient = since.elapsed() < PATIENCE;
    earlier.all(|replica| {
        let refused = replica.refused.as_ref().is_some_and(|(refused, _)| *refused == number);
        replica.runs >= number || (!refused && !patient)
    })
}
