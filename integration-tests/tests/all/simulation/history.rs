//! What happened in one history, and the judge of it.

use std::collections::{HashMap, HashSet};

use barid_model::{DeliveryId, Lanes, MessageUid, Name, Outcome};

/// One message as its sender knows it.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) uid: MessageUid,
    pub(super) facility: String,
    pub(super) lanes: Lanes,
    /// Place in IN: the order its partition saw.
    pub(super) place: Option<(u16, u64)>,
    /// A resend of this message.
    pub(super) resend_of: Option<MessageUid>,
    /// Acknowledged.
    pub(super) acknowledged: bool,
}

/// One arrival at a receiver that it does not refuse: it has the message, whether or not its answer comes through.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    pub(super) destination: Name,
    pub(super) id: DeliveryId,
    pub(super) uid: MessageUid,
    pub(super) run: u32,
    pub(super) marked: bool,
    /// The process that sent it was frozen between its check and its write.
    pub(super) late: bool,
}

/// Everything that happened.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) sent: Vec<Sent>,
    pub(super) arrivals: Vec<Arrival>,
    /// Terminal outcomes as the log tells them, in order.
    pub(super) outcomes: Vec<(DeliveryId, MessageUid, Name, u32, Outcome)>,
    /// What happened, in words.
    pub(super) notes: Vec<String>,
}

fn share(a: &Sent, b: &Sent) -> bool {
    if a.facility != b.facility {
        return false;
    }
    match (&a.lanes, &b.lanes) {
        (Lanes::None, _) | (_, Lanes::None) => false,
        (Lanes::Barrier, _) | (_, Lanes::Barrier) => true,
        (Lanes::Of(a), Lanes::Of(b)) => a.iter().any(|lane| b.contains(lane)),
    }
}

impl History {
    /// Judges the history once everything is quiet.
    pub(super) fn judge(&self, destinations: &[Name]) -> Result<(), String> {
        let mut first: HashMap<(&Name, MessageUid), (usize, u32)> = HashMap::new();
        let mut seen: HashSet<DeliveryId> = HashSet::new();
        // A late one is a repeat of what its successor was told may be one.
        let marked: HashSet<DeliveryId> =
            self.arrivals.iter().filter(|arrival| arrival.marked).map(|arrival| arrival.id).collect();
        for (at, arrival) in self.arrivals.iter().enumerate() {
            first.entry((&arrival.destination, arrival.uid)).or_insert((at, arrival.run));
            let told = arrival.marked || arrival.late && marked.contains(&arrival.id);
            if !seen.insert(arrival.id) && !told {
                return Err(format!("unmarked repeat of {:?} at {}", arrival.id, arrival.destination));
            }
        }
        let mut ended: HashMap<(MessageUid, &Name), Vec<(u32, Outcome)>> = HashMap::new();
        for (_, uid, destination, run, outcome) in &self.outcomes {
            ended.entry((*uid, destination)).or_default().push((*run, *outcome));
        }
        for destination in destinations {
            self.judge_missing(destination, &ended, &first)?;
            self.judge_order(destination, &ended, &first)?;
        }
        Ok(())
    }

    fn judge_missing(
        &self,
        destination: &Name,
        ended: &HashMap<(MessageUid, &Name), Vec<(u32, Outcome)>>,
        first: &HashMap<(&Name, MessageUid), (usize, u32)>,
    ) -> Result<(), String> {
        for sent in self.sent.iter().filter(|sent| sent.acknowledged && sent.resend_of.is_none()) {
            let ends = ended.get(&(sent.uid, destination)).map(Vec::as_slice).unwrap_or_default();
            let Some((_, last)) = ends.iter().max_by_key(|(run, _)| *run) else {
                return Err(format!("{} was acknowledged and has no outcome at {destination}", sent.uid));
            };
            if *last == Outcome::Delivered && !first.contains_key(&(destination, sent.uid)) {
                return Err(format!("{} has outcome delivered and never arrived at {destination}", sent.uid));
            }
        }
        for sent in self.sent.iter().filter(|sent| sent.resend_of.is_some()) {
            if first.contains_key(&(destination, sent.uid)) {
                return Err(format!("the resend {} was delivered at {destination}", sent.uid));
            }
        }
        Ok(())
    }

    fn judge_order(
        &self,
        destination: &Name,
        ended: &HashMap<(MessageUid, &Name), Vec<(u32, Outcome)>>,
        first: &HashMap<(&Name, MessageUid), (usize, u32)>,
    ) -> Result<(), String> {
        // What was set aside once takes no place in the line.
        let in_line = |sent: &Sent| {
            ended
                .get(&(sent.uid, destination))
                .is_some_and(|ends| ends.iter().all(|(run, outcome)| *run == 0 && *outcome == Outcome::Delivered))
        };
        let mut line: Vec<(&Sent, usize)> = self
            .sent
            .iter()
            .filter(|sent| sent.resend_of.is_none() && sent.place.is_some() && in_line(sent))
            .filter_map(|sent| Some((sent, first.get(&(destination, sent.uid))?.0)))
            .collect();
        line.sort_by_key(|(sent, _)| sent.place);
        for (i, (before, arrived)) in line.iter().enumerate() {
            for (after, arrived_after) in line.iter().skip(i + 1) {
                let same = before.place.map(|place| place.0) == after.place.map(|place| place.0);
                if same && share(before, after) && arrived_after < arrived {
                    return Err(format!(
                        "{} ({:?} {:?}) overtook {} ({:?} {:?}) at {destination}",
                        after.uid, after.place, after.lanes, before.uid, before.place, before.lanes
                    ));
                }
            }
        }
        Ok(())
    }
}
