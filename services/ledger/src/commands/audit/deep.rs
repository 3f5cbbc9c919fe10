//! The balance without trusting the ledger: everything that the log holds is read once more into a ledger that is made
//! for this alone, and the two are compared.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use barid_ledger::balance::{BalanceRange, Line};
use barid_ledger::{Ledger, SqliteLedger};
use barid_model::{MessageUid, Timestamp};
use barid_runtime::control::protocol::{Audit, Difference};
use barid_runtime::control::{CommandError, CommandResult};
use tokio::sync::watch;

use super::{History, log_failed, refused, report, uncovered, violations, weigh};
use crate::feed::Feed;
use crate::trimmed::Trimmed;

/// Messages younger than this are not compared: they move while they are counted.
const STILL_MOVING: Duration = Duration::from_secs(60);

/// Reads the log anew and compares.
pub(super) async fn audit(history: &History, behind: u64) -> CommandResult<Audit> {
    let aside = Aside::make(history)?;
    let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::open(&aside.file()).map_err(CommandError::failed)?);
    let feed = Feed::new(Arc::clone(&history.log), Arc::clone(&ledger)).map_err(CommandError::failed)?;
    // Told to stop from the beginning, it reads as far as the log goes.
    let (_stop, stopped) = watch::channel(true);
    feed.run(stopped).await.map_err(CommandError::failed)?;
    let anew = History { ledger, ..history.clone() };
    let trimmed = Trimmed::all(&*history.log).await.map_err(log_failed)?;
    let complete_from = trimmed.values().map(|trimmed| trimmed.before).max();
    let (balance, coverage) = anew.ask(weigh).await?;
    let mut differences = violations(&balance.violations);
    differences.extend(uncovered(&anew, &coverage, &balance).await?);
    differences.extend(compare(history, &anew, complete_from).await?);
    let refused = refused(history).await?;
    Ok(report(&balance, history.clock.now(), differences, behind, refused))
}

/// What the ledger counts differently from the log, of what had ended when this began.
async fn compare(
    history: &History,
    anew: &History,
    complete_from: Option<Timestamp>,
) -> CommandResult<Vec<Difference>> {
    let range = BalanceRange { from: complete_from, to: Some(history.clock.now().minus(STILL_MOVING)) };
    let own = history.ask(move |ledger| ledger.balance(&range)).await?.total;
    let log = anew.ask(move |ledger| ledger.balance(&range)).await?.total;
    let counts = |line: &Line| {
        let d = line.deliveries;
        [
            ("messages accepted", line.accepted),
            ("messages routed", line.routed),
            ("duplicates", line.duplicate),
            ("deliveries", d.total),
        ]
    };
    let pairs = counts(&own).into_iter().zip(counts(&log)).filter(|((_, own), (_, log))| own != log);
    let difference = |((what, own), (_, log)): ((&str, u64), (&str, u64))| Difference {
        id: "ledger".to_owned(),
        what: format!("{what}: {own} in the ledger, {log} in the log: delete the ledger to have it rebuilt"),
    };
    Ok(pairs.map(difference).collect())
}

/// A folder of its own that goes when this does.
struct Aside(PathBuf);

impl Aside {
    fn make(history: &History) -> CommandResult<Self> {
        // Beside the ledger, since it becomes as large.
        let folder = history.data.join(format!("audit-{}", MessageUid::new(history.clock.now())));
        std::fs::create_dir_all(&folder)
            .map_err(|error| CommandError::failed(format!("cannot make {}: {error}", folder.display())))?;
        Ok(Self(folder))
    }

    fn file(&self) -> PathBuf {
        self.0.join("ledger.sqlite")
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "what an audit made aside cannot be removed");
        }
    }
}
