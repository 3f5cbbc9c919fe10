//! What the judge found, for people: counts, and the first offenders of each kind.

use std::collections::BTreeMap;
use std::fmt;

use super::{Violation, ViolationKind};

/// Offenders of one kind that are kept; all are counted.
const KEPT: usize = 10;

/// What the judge found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Messages sent.
    pub sent: u64,
    /// Of those, positively acknowledged.
    pub acknowledged: u64,
    /// First arrivals, over all destinations.
    pub arrived: u64,
    /// Repeats that are marked.
    pub repeats: u64,
    /// Acknowledged messages that the ledger accounts for without an arrival.
    pub accounted: u64,
    counts: BTreeMap<ViolationKind, u64>,
    first: Vec<Violation>,
}

impl Report {
    /// Whether no rule is broken.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.counts.is_empty()
    }

    /// How often a rule is broken.
    #[must_use]
    pub fn count(&self, kind: ViolationKind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or(0)
    }

    /// The first offenders, ten of each kind at most.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.first
    }

    pub(super) fn object(&mut self, violation: Violation) {
        *self.counts.entry(violation.kind).or_default() += 1;
        if self.first.iter().filter(|known| known.kind == violation.kind).count() < KEPT {
            self.first.push(violation);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, acknowledged, arrived, repeats, accounted, .. } = self;
        writeln!(
            f,
            "{sent} sent, {acknowledged} acknowledged, {arrived} arrived, {repeats} marked repeats, {accounted} accounted for"
        )?;
        for kind in ViolationKind::ALL {
            let count = self.count(kind);
            if count == 0 {
                continue;
            }
            writeln!(f, "{count} {}:", kind.words())?;
            for violation in self.first.iter().filter(|violation| violation.kind == kind) {
                writeln!(f, "  {} at {}: {}", violation.key, violation.destination, violation.detail)?;
            }
        }
        if self.is_clean() { writeln!(f, "no rule is broken") } else { Ok(()) }
    }
}
