//! The balance (G4): every accepted message and every delivery accounted for, counted from the rows each time.
//!
//! Per message: accepted = routed + duplicate + quarantined before routing + not yet routed. Per delivery exactly one
//! state. Whatever the rows say that cannot be is listed as a [`Violation`], with the uid, so that somebody can look.

use std::fmt;

use barid_model::{MessageUid, Name, Timestamp};
use serde::{Deserialize, Serialize};

/// Most violations that are listed; all are counted.
pub const VIOLATIONS_MAX: usize = 1_000;

/// Which messages are balanced, by the time in their uid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BalanceRange {
    /// Received at this time or later.
    pub from: Option<Timestamp>,
    /// Received before this time.
    pub to: Option<Timestamp>,
}

/// The balance of a range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Balance {
    /// What was balanced.
    pub range: BalanceRange,
    /// Messages from before this time may be known in part, because the log or the retention had ended them.
    pub incomplete_before: Option<Timestamp>,
    /// All channels together.
    pub total: Line,
    /// By channel; none for messages that matched no channel.
    pub channels: Vec<(Option<Name>, Line)>,
    /// What cannot be; [`VIOLATIONS_MAX`] at most.
    pub violations: Vec<Violation>,
    /// How many there are.
    pub violations_found: u64,
}

/// One line of the balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// Messages with an IN record.
    pub accepted: u64,
    /// Those routed.
    pub routed: u64,
    /// Those that repeat another.
    pub duplicate: u64,
    /// Those set aside before routing, decided on or not.
    pub quarantined: u64,
    /// Of those set aside: a person has decided on them.
    #[serde(default)]
    pub decided: u64,
    /// Those the router has not come to yet.
    pub not_yet_routed: u64,
    /// Their deliveries.
    pub deliveries: Deliveries,
}

/// The deliveries of one line: each is in exactly one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deliveries {
    /// All of them.
    pub total: u64,
    /// The destination has it.
    pub delivered: u64,
    /// Not wanted.
    pub filtered: u64,
    /// Custody given back to a sender that waited.
    pub rejected: u64,
    /// A query whose caller left.
    pub expired: u64,
    /// Merged into another.
    pub merged: u64,
    /// Set aside for a person.
    pub quarantined: u64,
    /// Given up by a person.
    pub discarded: u64,
    /// Under way, held and parked included.
    pub in_flight: u64,
    /// Of those under way: the lane waits for a person.
    pub held: u64,
    /// Of those under way: waiting in PARK.
    pub parked: u64,
    /// Of those quarantined: run again since, as a delivery of its own.
    pub run_again: u64,
    /// Of all: the destination may have it twice.
    pub possible_duplicates: u64,
}

impl Line {
    /// Whether both sums come out.
    #[must_use]
    pub const fn holds(&self) -> bool {
        let d = &self.deliveries;
        let messages = self.routed + self.duplicate + self.quarantined + self.not_yet_routed;
        let ended = d.delivered + d.filtered + d.rejected + d.expired + d.merged + d.quarantined + d.discarded;
        self.accepted == messages && d.total == ended + d.in_flight
    }

    /// What waits for a person: messages set aside before routing that nobody has decided on, and quarantined deliveries
    /// that were not run again.
    #[must_use]
    pub const fn set_aside(&self) -> (u64, u64) {
        let d = &self.deliveries;
        (self.quarantined.saturating_sub(self.decided), d.quarantined.saturating_sub(d.run_again))
    }

    /// Adds another line to this one.
    pub const fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.routed += other.routed;
        self.duplicate += other.duplicate;
        self.quarantined += other.quarantined;
        self.decided += other.decided;
        self.not_yet_routed += other.not_yet_routed;
        let (d, o) = (&mut self.deliveries, &other.deliveries);
        d.total += o.total;
        d.delivered += o.delivered;
        d.filtered += o.filtered;
        d.rejected += o.rejected;
        d.expired += o.expired;
        d.merged += o.merged;
        d.quarantined += o.quarantined;
        d.discarded += o.discarded;
        d.in_flight += o.in_flight;
        d.held += o.held;
        d.parked += o.parked;
        d.run_again += o.run_again;
        d.possible_duplicates += o.possible_duplicates;
    }
}

impl Balance {
    /// Whether every message and delivery is accounted for.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.violations_found == 0 && self.total.holds() && self.channels.iter().all(|(_, line)| line.holds())
    }
}

/// What breaks the balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Breach {
    /// Later records tell of a message that has no IN record.
    NeverAccepted,
    /// Two IN records have the same uid.
    AcceptedTwice,
    /// A delivery that the router never made has an OUT, PARK or OUTCOME record.
    NeverRouted,
    /// A duplicate, or a message set aside before routing, has deliveries.
    RoutedAnyway,
    /// A re-run of a delivery that does not exist.
    RerunOfNothing,
    /// It was handed to another channel, which never got it.
    ChainBroken,
    /// It was dropped as the duplicate of a message that is not there.
    DuplicateOfNothing,
}

impl Breach {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::NeverAccepted,
        Self::AcceptedTwice,
        Self::NeverRouted,
        Self::RoutedAnyway,
        Self::RerunOfNothing,
        Self::ChainBroken,
        Self::DuplicateOfNothing,
    ];

    /// In words.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NeverAccepted => "has later records, but none in IN",
            Self::AcceptedTwice => "was stored in IN twice",
            Self::NeverRouted => "has a delivery that the router never made",
            Self::RoutedAnyway => "was dropped or set aside before routing, and has deliveries all the same",
            Self::RerunOfNothing => "has a re-run of a delivery that does not exist",
            Self::ChainBroken => "was handed to another channel, which never got it",
            Self::DuplicateOfNothing => "was dropped as the duplicate of a message that is not there",
        }
    }
}

/// One thing that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Violation {
    /// The message.
    pub uid: MessageUid,
    /// What is wrong.
    pub breach: Breach,
    /// The other message it concerns.
    pub other: Option<MessageUid>,
    /// The delivery it concerns, as `route/part/run`.
    pub delivery: Option<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {} {}", self.uid, self.breach.sentence())?;
        if let Some(delivery) = &self.delivery {
            write!(f, " ({delivery})")?;
        }
        match self.other {
            Some(other) => write!(f, " ({other})"),
            None => Ok(()),
        }
    }
}

/// What the ledger has of one IN subject. Positions in the log are dense: without retention `messages` is
/// `last - first + 1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// The subject.
    pub subject: String,
    /// How many messages of it the ledger has.
    pub messages: u64,
    /// The lowest position among them.
    pub first: u64,
    /// The highest position among them.
    pub last: u64,
    /// How far it was applied.
    pub applied: u64,
}

impl fmt::Display for Balance {
    /// The table of `barid audit`: a line a channel, the total, then what is wrong.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<28} {:>9} = {:>9} + {:>9} + {:>11} + {:>10}",
            "MESSAGES", "accepted", "routed", "duplicate", "quarantined", "not routed"
        )?;
        let names =
            self.channels.iter().map(|(name, line)| (name.as_ref().map_or("(no channel)".into(), Name::short), line));
        let lines: Vec<(String, &Line)> = names.chain([("total".to_owned(), &self.total)]).collect();
        for (name, line) in &lines {
            writeln!(
                f,
                "{name:<28} {:>9} = {:>9} + {:>9} + {:>11} + {:>10}{}",
                line.accepted,
                line.routed,
                line.duplicate,
                line.quarantined,
                line.not_yet_routed,
                if line.holds() { "" } else { "  DOES NOT HOLD" }
            )?;
        }
        writeln!(f)?;
        let heads =
            ["total", "delivered", "filtered", "rejected", "expired", "merged", "quarant.", "discarded", "in flight"];
        write!(f, "{:<28}", "DELIVERIES")?;
        heads.iter().try_for_each(|head| write!(f, " {head:>9}"))?;
        for (name, line) in &lines {
            let d = &line.deliveries;
            write!(f, "\n{name:<28}")?;
            let counts = [
                d.total,
                d.delivered,
                d.filtered,
                d.rejected,
                d.expired,
                d.merged,
                d.quarantined,
                d.discarded,
                d.in_flight,
            ];
            counts.iter().try_for_each(|count| write!(f, " {count:>9}"))?;
        }
        let d = &self.total.deliveries;
        writeln!(
            f,
            "\nin flight: {} held, {} parked; quarantined: {} run again; {} possible duplicates",
            d.held, d.parked, d.run_again, d.possible_duplicates
        )?;
        if self.violations_found == 0 {
            return writeln!(f, "no violations");
        }
        writeln!(f, "{} violations:", self.violations_found)?;
        self.violations.iter().try_for_each(|violation| writeln!(f, "  {violation}"))
    }
}
