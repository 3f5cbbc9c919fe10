//! What every verb is given: where to print, and the engine to speak to.

use std::path::PathBuf;
use std::sync::Arc;

use barid_model::{Clock as _, Timestamp};
use barid_runtime::control::protocol::By;
use barid_runtime::control::{Client, CommandError, Commands};
use barid_runtime::{Exit, Failure, SystemClock, environment, time};

use super::out::Out;
use crate::engine;

/// The data directory where neither option nor variable names one.
const DEFAULT_DATA: &str = "barid-data";

/// What a verb is given.
pub(super) struct Context {
    /// Where it prints.
    pub(super) out: Out,
    /// The engine's data directory.
    pub(super) data: PathBuf,
}

impl Context {
    /// Of these global options.
    pub(super) fn new(json: bool, data: Option<PathBuf>) -> Self {
        let data = data
            .or_else(|| environment::variable(environment::DATA).map(PathBuf::from))
            .unwrap_or_else(|| PathBuf::from(DEFAULT_DATA));
        Self { out: Out::stdout(json), data }
    }

    /// The running engine, or the data directory opened without one: for verbs that read.
    pub(super) async fn reader(&self) -> Result<Arc<dyn Commands>, Failure> {
        match Client::connect(&self.data).await? {
            Some(client) => Ok(Arc::new(client)),
            None if self.data.is_dir() => Ok(engine::open_offline(&self.data).await?),
            None => Err(self.nowhere()),
        }
    }

    /// The running engine: for verbs that change something.
    pub(super) async fn engine(&self) -> Result<Arc<dyn Commands>, Failure> {
        match Client::connect(&self.data).await? {
            Some(client) => Ok(Arc::new(client)),
            None if self.data.is_dir() => Err(CommandError::needs_engine().into()),
            None => Err(self.nowhere()),
        }
    }

    fn nowhere(&self) -> Failure {
        let text = format!(
            "there is no data directory {}: name the engine's with --data or BARID_DATA, or start one with `barid run`",
            self.data.display()
        );
        Failure::new(Exit::Unreachable, text)
    }

    /// Now.
    pub(super) fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    /// Reads a time as a person writes it.
    pub(super) fn time(&self, option: &str, text: Option<&str>) -> Result<Option<Timestamp>, Failure> {
        let Some(text) = text else { return Ok(None) };
        let remedy =
            "say 15m, 2h or 3d for so long ago, today, yesterday, 2026-11-22, 2026-11-22 10:00 or 2026-11-22T10:00:00Z";
        time::read_human(text, self.now())
            .map(Some)
            .ok_or_else(|| Failure::new(Exit::Usage, format!("cannot read {option} {text:?} as a time: {remedy}")))
    }
}

/// Who acts and why: every verb that changes something records both.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ByArgs {
    /// Why; recorded with the command
    #[arg(long, short = 'r', value_name = "TEXT")]
    reason: String,
    /// Who; recorded with the command [default: $BARID_ACTOR, else the user]
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
}

impl ByArgs {
    /// Of a verb that has a reason of its own.
    pub(super) const fn of(reason: String, actor: Option<String>) -> Self {
        Self { reason, actor }
    }

    /// As the protocol carries it.
    pub(super) fn by(self) -> Result<By, Failure> {
        if self.reason.trim().is_empty() {
            return Err(Failure::new(Exit::Usage, "--reason is empty: say why, others will read it"));
        }
        Ok(By { actor: self.actor.unwrap_or_else(environment::actor), reason: self.reason })
    }
}
