//! Which messages the destination may be unable to bear: a receiver that crashes on one message, or never answers it,
//! looks like one that is away, and must not stop everything else for ever.
//!
//! Only what becomes of *other* messages tells the two apart. A failure that may be the message's own fault puts it
//! among the *silent*; the next try goes to another lane's head where there is one. When something else is answered and
//! only one was silent, that one is blamed, and its lanes alone back off. Where several were silent at once (a crash
//! takes all connections with it) nobody is blamed, and each of them is sent alone from then on, so that the next
//! failure has one cause. While nothing is answered, nobody is blamed: a receiver that is down for a day sets nothing aside.
//!
//! Nothing here is durable: after a restart the counting begins anew.

use std::collections::{HashMap, HashSet};

use crate::window::EntryId;

/// Heads that are tried at once while nothing is answered. Each may be made a duplicate by it, so they are few, and
/// enough that as many bad messages do not stop the rest.
const HEADS: usize = 4;
/// For so many further failures one more head is tried: about 40 in a day at a pause of 5 minutes.
const FAILURES_PER_HEAD: usize = 8;

/// What is known against a message.
#[derive(Debug, Default)]
struct Suspect {
    /// How often in a row it was silent while others were answered.
    times: u32,
    /// How often in a row it was silent at all.
    failures: u32,
    cause: String,
    alone: bool,
}

/// Who is blamed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Blamed {
    pub(super) id: EntryId,
    /// How often in a row.
    pub(super) times: u32,
    pub(super) cause: String,
}

/// Everything that is suspected; bounded by the window.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    known: HashMap<EntryId, Suspect>,
    /// Who was silent since anything was answered, the one that was silent longest ago first.
    silent: Vec<EntryId>,
    failures: usize,
    /// The one that is on its way alone.
    solo: Option<EntryId>,
}

impl Suspects {
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Forgets what is not there any more.
    pub(super) fn retain(&mut self, is_there: impl Fn(EntryId) -> bool) {
        self.known.retain(|id, _| is_there(*id));
        // Who was silent and was taken away still was silent: what is answered next blames nobody else for it.
    }

    /// A try that may have failed for the message's own fault.
    pub(super) fn failed(&mut self, id: EntryId, cause: String) {
        self.back(id);
        self.silent.retain(|silent| *silent != id);
        self.silent.push(id);
        self.failures += 1;
        let suspect = self.known.entry(id).or_default();
        suspect.failures = suspect.failures.saturating_add(1);
        suspect.cause = cause;
    }

    /// Whether it alone is silent and was blamed before: then its lanes back off and not the destination, so that another
    /// message is tried as soon as there is one. How often it was silent.
    pub(super) fn is_known_for_it(&self, id: EntryId) -> Option<u32> {
        let only = self.silent.as_slice() == [id];
        self.known.get(&id).filter(|suspect| only && suspect.times > 0).map(|suspect| suspect.failures)
    }

    /// It came back, however it went.
    pub(super) fn back(&mut self, id: EntryId) {
        if self.solo == Some(id) {
            self.solo = None;
        }
    }

    /// This one was answered: it is above suspicion, and whoever alone was silent meanwhile is to blame.
    pub(super) fn answered(&mut self, id: EntryId) -> Option<Blamed> {
        self.back(id);
        if self.known.is_empty() && self.silent.is_empty() {
            return None;
        }
        self.known.remove(&id);
        self.failures = 0;
        let silent = std::mem::take(&mut self.silent);
        if let [only] = silent.as_slice() {
            let (only, suspect) = (*only, self.known.get_mut(only)?);
            suspect.times = suspect.times.saturating_add(1);
            return Some(Blamed { id: only, times: suspect.times, cause: suspect.cause.clone() });
        }
        for id in silent {
            if let Some(suspect) = self.known.get_mut(&id) {
                suspect.alone = true;
            }
        }
        None
    }

    /// Everything begins anew: the way to the destination is another.
    pub(super) fn forget(&mut self) {
        *self = Self { solo: self.solo, ..Self::default() };
    }

    /// It is being sent.
    pub(super) fn sending(&mut self, id: EntryId) {
        if self.known.get(&id).is_some_and(|suspect| suspect.alone) {
            self.solo = Some(id);
        }
    }

    /// Whether nothing may be sent besides what is on its way.
    pub(super) const fn is_solo(&self) -> bool {
        self.solo.is_some()
    }

    /// Whether nothing was answered since somebody was silent.
    pub(super) fn is_silent(&self) -> bool {
        !self.silent.is_empty()
    }

    /// Who has to be sent alone, whatever else waits.
    pub(super) fn alone(&self) -> HashSet<EntryId> {
        self.known.iter().filter(|(_, suspect)| suspect.alone).map(|(id, _)| *id).collect()
    }

    /// In which order heads are tried while nothing is answered: the lowest first.
    pub(super) fn rank(&self, id: EntryId) -> (u8, usize) {
        let widens = self.silent.len() < HEADS + self.failures / FAILURES_PER_HEAD;
        let tried = self.silent.iter().position(|silent| *silent == id);
        match (tried, self.known.contains_key(&id)) {
            (Some(at), _) => (if widens { 3 } else { 0 }, at),
            (None, false) => (1, 0),
            (None, true) => (2, 0),
        }
    }
}

#[cfg(test)]
mod tests;
