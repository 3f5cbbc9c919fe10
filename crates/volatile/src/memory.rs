//! A store in the memory of one process: for an engine that is alone, and what a replica has of figures while the shared
//! store is away.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::store::{Absence, Away, FIGURES_FOR, Spend, Store};
use crate::{Known, Label};

const MINUTE: u64 = 60;
/// Figures of a minute: two of ten thousand facilities and channels. More are not counted one by one.
const FIGURES_MAX: usize = 20_000;
/// Messages remembered; about 100 bytes each.
const REMEMBERED: usize = 16_384;
/// Buckets kept; one whose backlog is due is forgotten first.
const BUCKETS_MAX: usize = 10_000;

#[derive(Default)]
struct Contents {
    due: HashMap<Label, Instant>,
    minutes: VecDeque<(u64, HashMap<Label, u64>)>,
    known: HashMap<Label, Label>,
    order: VecDeque<Label>,
}

/// A store in memory.
pub struct Memory {
    begun: Instant,
    contents: Mutex<Contents>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { begun: Instant::now(), contents: Mutex::default() }
    }
}

impl Memory {
    fn minute(&self) -> u64 {
        self.begun.elapsed().as_secs() / MINUTE
    }

    /// Adds to the figures of this minute.
    pub fn count(&self, counts: &[(Label, u64)]) {
        let minute = self.minute();
        let mut contents = self.contents.lock();
        if contents.minutes.back().is_none_or(|(last, _)| *last != minute) {
            contents.minutes.push_back((minute, HashMap::new()));
        }
        while contents.minutes.front().is_some_and(|(first, _)| first + FIGURES_FOR <= minute) {
            contents.minutes.pop_front();
        }
        let Some((_, figures)) = contents.minutes.back_mut() else { return };
        for (label, count) in counts {
            if figures.len() < FIGURES_MAX || figures.contains_key(label) {
                *figures.entry(*label).or_default() += count;
            }
        }
    }

    /// The figures of the last minutes.
    #[must_use]
    pub fn sums(&self) -> HashMap<Label, u64> {
        let minute = self.minute();
        let mut sums: HashMap<Label, u64> = HashMap::new();
        let contents = self.contents.lock();
        for (_, figures) in contents.minutes.iter().filter(|(at, _)| at + FIGURES_FOR > minute) {
            for (label, count) in figures {
                *sums.entry(*label).or_default() += count;
            }
        }
        sums
    }

    fn take(&self, spend: &Spend) -> Duration {
        let now = Instant::now();
        let mut contents = self.contents.lock();
        if contents.due.len() >= BUCKETS_MAX {
            contents.due.retain(|_, due| *due > now);
        }
        let due = contents.due.get(&spend.label).copied().unwrap_or(now).max(now);
        let due = (due + spend.cost).min(now + spend.most);
        contents.due.insert(spend.label, due);
        due.duration_since(now)
    }

    fn note(&self, label: Label, bytes: Label) -> Known {
        let mut contents = self.contents.lock();
        if let Some(first) = contents.known.get(&label) {
            return if *first == bytes { Known::Same } else { Known::OtherBytes };
        }
        contents.known.insert(label, bytes);
        contents.order.push_back(label);
        if contents.order.len() > REMEMBERED
            && let Some(oldest) = contents.order.pop_front()
        {
            contents.known.remove(&oldest);
        }
        Known::No
    }
}

impl Store for Memory {
    fn spend<'a>(&'a self, spends: &'a [Spend]) -> BoxFuture<'a, Result<Vec<Duration>, Away>> {
        Box::pin(async move { Ok(spends.iter().map(|spend| self.take(spend)).collect()) })
    }

    fn add<'a>(&'a self, counts: &'a [(Label, u64)]) -> BoxFuture<'a, Result<(), Away>> {
        Box::pin(async move {
            self.count(counts);
            Ok(())
        })
    }

    fn figures(&self) -> BoxFuture<'_, Result<HashMap<Label, u64>, Away>> {
        Box::pin(async move { Ok(self.sums()) })
    }

    fn remember<'a>(&'a self, messages: &'a [(Label, Label)]) -> BoxFuture<'a, Result<Vec<Known>, Away>> {
        Box::pin(async move { Ok(messages.iter().map(|(label, bytes)| self.note(*label, *bytes)).collect()) })
    }

    fn absence(&self) -> Option<Absence> {
        None
    }

    fn is_shared(&self) -> bool {
        false
    }
}
