//! Whether everything accepted is accounted for (G4): the ledger's balance, its violations looked at twice, and what
//! the ledger has of IN compared with what the log holds.

mod deep;

use std::time::Duration;

use barid_ledger::balance::{BalanceRange, Coverage, Violation};
use barid_ledger::{Balance, Ledger, LedgerError};
use barid_log::Subject;
use barid_model::Timestamp;
use barid_runtime::control::CommandResult;
use barid_runtime::control::protocol::{Audit, AuditRequest, DeliveryBalance, Difference, MessageBalance};

use super::history::History;
use super::log_failed;

/// How long the ledger may take to read what is in the log.
const CATCH_UP: Duration = Duration::from_secs(60);
/// Differences that are listed.
const DIFFERENCES_MAX: usize = 1_000;

/// The balance.
pub async fn audit(history: &History, request: AuditRequest) -> CommandResult<Audit> {
    let behind = history.caught_up(CATCH_UP).await?;
    if request.deep {
        return deep::audit(history, behind).await;
    }
    let (balance, coverage) = history.ask(weigh).await?;
    // While messages come in, one subject is read further than another: what is a violation now may not be one when
    // everything that was there has been read.
    let left = if behind == 0 { history.caught_up(CATCH_UP).await? } else { behind };
    let confirmed = confirm(history, &balance).await?;
    let mut differences = violations(&confirmed);
    differences.extend(uncovered(history, &coverage, &balance).await?);
    let refused = refused(history).await?;
    Ok(report(&balance, history.clock.now(), differences, left, refused))
}

fn weigh(ledger: &dyn Ledger) -> Result<(Balance, Vec<Coverage>), LedgerError> {
    Ok((ledger.balance(&BalanceRange::default())?, ledger.coverage()?))
}

async fn confirm(history: &History, balance: &Balance) -> CommandResult<Vec<Violation>> {
    let violations = balance.violations.clone();
    history.ask(move |ledger| ledger.confirm(&violations)).await
}

fn violations(violations: &[Violation]) -> Vec<Difference> {
    let difference = |violation: &Violation| {
        let mut what = violation.breach.sentence().to_owned();
        if let Some(delivery) = &violation.delivery {
            what.push_str(&format!(" ({delivery})"));
        }
        if let Some(other) = violation.other {
            what.push_str(&format!(" ({other})"));
        }
        Difference { id: violation.uid.to_string(), what }
    };
    violations.iter().map(difference).collect()
}

/// What the log holds of IN and the ledger does not know.
async fn uncovered(history: &History, coverage: &[Coverage], balance: &Balance) -> CommandResult<Vec<Difference>> {
    let mut differences = Vec::new();
    for subject in history.log.subjects("in.").await.map_err(log_failed)? {
        let bounds = history.log.bounds(&subject).await.map_err(log_failed)?;
        let known = coverage.iter().find(|known| known.subject == subject.as_str());
        let pruned = balance.incomplete_before.is_some();
        if let Some(what) = compare(known, (bounds.first.0, bounds.last.0), pruned) {
            differences.push(Difference { id: subject.to_string(), what });
        }
    }
    Ok(differences)
}

/// What differs between what the ledger has of a subject and what the log holds of it, from its first to its last
/// position. `pruned`: the ledger has forgotten what is past its retention, here and there.
fn compare(known: Option<&Coverage>, (first, last): (u64, u64), pruned: bool) -> Option<String> {
    if last == 0 {
        return None;
    }
    let Some(known) = known else {
        return (!pruned).then(|| format!("the log holds {first} to {last}, the ledger has none of them"));
    };
    // The log goes on while this is read: what the ledger has not read yet is told as being behind.
    let read = known.applied.min(last);
    if known.last < read && !pruned {
        return Some(format!("the ledger has read up to {read} and has nothing behind {}", known.last));
    }
    if known.first > first && !pruned {
        return Some(format!("the log holds messages from {first} on, the ledger has them from {}", known.first));
    }
    let span = known.last - known.first + 1;
    let lost = span.saturating_sub(known.messages);
    (lost > 0 && !pruned)
        .then(|| format!("{lost} of the messages {} to {} are not in the ledger", known.first, known.last))
}

/// Refused messages, as far back as they are kept.
async fn refused(history: &History) -> CommandResult<u64> {
    let subject = Subject::new("refused").map_err(log_failed)?;
    Ok(history.log.bounds(&subject).await.map_err(log_failed)?.records())
}

fn report(balance: &Balance, at: Timestamp, mut differences: Vec<Difference>, behind: u64, refused: u64) -> Audit {
    let (line, d) = (&balance.total, &balance.total.deliveries);
    let set_aside = line.set_aside();
    if !line.holds() {
        differences.push(Difference { id: "balance".to_owned(), what: "the sums do not come out".to_owned() });
    }
    let holds = differences.is_empty();
    differences.truncate(DIFFERENCES_MAX);
    Audit {
        at,
        holds,
        messages: MessageBalance {
            accepted: line.accepted,
            routed: line.routed,
            duplicate: line.duplicate,
            quarantined: line.quarantined,
            set_aside: set_aside.0,
            waiting: line.not_yet_routed,
        },
        deliveries: DeliveryBalance {
            routed: d.total,
            delivered: d.delivered,
            filtered: d.filtered,
            rejected: d.rejected,
            expired: d.expired,
            merged: d.merged,
            quarantined: d.quarantined,
            set_aside: set_aside.1,
            discarded: d.discarded,
            in_flight: d.in_flight,
            parked: d.held + d.parked,
            held: d.held,
            possible_duplicates: d.possible_duplicates,
        },
        refused,
        behind,
        differences,
    }
}

#[cfg(test)]
mod tests;
