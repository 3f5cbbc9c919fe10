//! The rules.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Arrival, History, Key, Report, SentMessage};

/// What is wrong with a message at a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which rule.
    pub kind: ViolationKind,
    /// Where.
    pub destination: String,
    /// Which message.
    pub key: Key,
    /// What a person needs to find it.
    pub detail: String,
}

/// Which rule is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ViolationKind {
    /// Acknowledged, and neither arrived nor accounted for.
    Missing,
    /// Arrived before one of its lane that had to come first.
    OutOfOrder,
    /// Arrived again without a mark.
    Duplicate,
    /// Arrived with other bytes than expected.
    Altered,
    /// Arrived and was never sent, or not to this destination.
    Invented,
}

impl ViolationKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Missing, Self::OutOfOrder, Self::Duplicate, Self::Altered, Self::Invented];

    /// The words of the report.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Missing => "acknowledged and lost",
            Self::OutOfOrder => "out of order",
            Self::Duplicate => "repeated without a mark",
            Self::Altered => "altered",
            Self::Invented => "never sent",
        }
    }
}

/// What the judge knows of one destination.
struct Court<'a> {
    destination: &'a str,
    sent: HashMap<&'a Key, &'a SentMessage>,
    history: &'a History,
    report: Report,
}

pub(super) fn judge(history: &History) -> Report {
    let mut named: BTreeMap<&str, HashMap<&Key, &SentMessage>> = BTreeMap::new();
    for sent in &history.sent {
        for destination in &sent.destinations {
            named.entry(destination).or_default().insert(&sent.key, sent);
        }
    }
    for destination in history.arrived.keys() {
        named.entry(destination).or_default();
    }
    let mut report = Report::default();
    report.sent = history.sent.len() as u64;
    report.acknowledged = history.sent.iter().filter(|sent| sent.acknowledged.is_some()).count() as u64;
    for (destination, sent) in named {
        let mut court = Court { destination, sent, history, report };
        court.hear();
        report = court.report;
    }
    report
}

impl Court<'_> {
    fn hear(&mut self) {
        let arrivals = self.history.arrived.get(self.destination).map_or(&[][..], Vec::as_slice);
        let mut first: Vec<&SentMessage> = Vec::with_capacity(arrivals.len());
        let mut seen: HashSet<&Key> = HashSet::with_capacity(arrivals.len());
        for (place, arrival) in arrivals.iter().enumerate() {
            let Some(sent) = self.sent.get(&arrival.key).copied() else {
                self.object(ViolationKind::Invented, &arrival.key, format!("arrival {place}"));
                continue;
            };
            self.bytes(sent, arrival, place);
            if seen.insert(&sent.key) {
                first.push(sent);
            } else {
                self.repeat(arrival, place);
            }
        }
        self.report.arrived += first.len() as u64;
        self.missing(&seen);
        self.order(&first);
    }

    fn bytes(&mut self, sent: &SentMessage, arrival: &Arrival, place: usize) {
        if let Some(expected) = sent.expected
            && expected != arrival.digest
        {
            let detail = format!("arrival {place} has sha256 {:.8}, sent was {expected:.8}", arrival.digest);
            self.object(ViolationKind::Altered, &arrival.key, detail);
        }
    }

    fn repeat(&mut self, arrival: &Arrival, place: usize) {
        let in_ledger = self.history.marked.contains(&(self.destination.to_owned(), arrival.key.clone()));
        if arrival.is_marked || in_ledger {
            self.report.repeats += 1;
        } else {
            self.object(ViolationKind::Duplicate, &arrival.key, format!("arrival {place} is a repeat"));
        }
    }

    fn missing(&mut self, seen: &HashSet<&Key>) {
        let mut lost: Vec<&SentMessage> = self.sent.values().copied().collect();
        lost.retain(|sent| sent.acknowledged.is_some() && !seen.contains(&sent.key));
        lost.sort_by_key(|sent| (sent.sent, sent.sequence));
        for sent in lost {
            if self.history.accounted.contains(&(self.destination.to_owned(), sent.key.clone())) {
                self.report.accounted += 1;
            } else {
                let detail = format!("sent on connection {} as number {}", sent.connection, sent.sequence);
                self.object(ViolationKind::Missing, &sent.key, detail);
            }
        }
    }

    /// First arrivals in order: whoever arrives must not have had to come before one that is there already.
    fn order(&mut self, first: &[&SentMessage]) {
        let mut lanes: HashMap<&str, Lane<'_>> = HashMap::new();
        for sent in first {
            for name in &sent.lanes {
                let lane = lanes.entry(name).or_default();
                if let Some(earlier) = lane.overtaken_by(sent) {
                    let detail = format!("in lane {name} {} overtook it", earlier.key);
                    self.object(ViolationKind::OutOfOrder, &sent.key, detail);
                }
                lane.arrived(sent);
            }
        }
    }

    fn object(&mut self, kind: ViolationKind, key: &Key, detail: String) {
        let violation = Violation { kind, destination: self.destination.to_owned(), key: key.clone(), detail };
        self.report.object(violation);
    }
}

/// What arrived in a lane so far, as far as it matters to those that come after.
#[derive(Default)]
struct Lane<'a> {
    /// The one that was sent last.
    newest: Option<&'a SentMessage>,
    /// The one with the highest number of each connection.
    highest: HashMap<u64, &'a SentMessage>,
}

impl<'a> Lane<'a> {
    /// One that arrived before this message and had to come after it.
    fn overtaken_by(&self, sent: &SentMessage) -> Option<&'a SentMessage> {
        let by_time = |newest: &&SentMessage| sent.acknowledged.is_some_and(|acknowledged| acknowledged < newest.sent);
        let by_number = |highest: &&SentMessage| sent.sequence < highest.sequence;
        let newest = self.newest.filter(by_time);
        newest.or_else(|| self.highest.get(&sent.connection).copied().filter(by_number))
    }

    fn arrived(&mut self, sent: &'a SentMessage) {
        if self.newest.is_none_or(|newest| newest.sent < sent.sent) {
            self.newest = Some(sent);
        }
        let highest = self.highest.entry(sent.connection).or_insert(sent);
        if highest.sequence < sent.sequence {
            *highest = sent;
        }
    }
}
