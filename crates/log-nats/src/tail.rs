//! Hearing of what others append: a consumer a stream, from where the stream ended when it was first needed. It asks for the subjects that are watched, as far
//! as those are few enough to name; otherwise for more, and for headers alone.
//!
//! It wakes those who wait, and keeps for them what it was given (`heard`); they read. It knows no gaps: after a lost connection or server it goes on from the last sequence it saw. A consumer
//! needs the servers' common leader to be made; until there is one, the ends of the watched subjects are looked at, which needs their streams' leaders alone.

mod ear;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_nats::jetstream::Message;
use barid_log::{Key, LogError, Revision, Subject};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::{Semaphore, watch};

use self::ear::Ear;
use crate::block::{self, LAST_HEADER};
use crate::line::{Line, Tip};
use crate::link::busy;
use crate::name::Family;
use crate::shared::Shared;

/// Pause before a consumer is made again.
const AGAIN: Duration = Duration::from_millis(200);
/// How long others are waited for who begin to watch at the same time: each change of who is heard is a new consumer.
const CROWD: Duration = Duration::from_millis(20);
/// Most filters of a consumer: the servers look at each for each message.
const FILTERS: usize = 64;
/// Subjects looked up at once when somebody begins to watch them: a start with thousands of subjects must not fill the servers' queue of requests.
const LOOKUPS: usize = 32;
/// How often the ends of subjects are looked at while nothing can be heard.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Which streams are listened to, and for whom.
pub(crate) struct Tails {
    families: [Tail; 4],
    lookups: Semaphore,
}

/// One stream. A number stands for all who have begun to watch until then.
#[derive(Default)]
struct Tail {
    /// The newest who wants to hear.
    asked: watch::Sender<u64>,
    /// Up to whom nothing is missed any more.
    heard: watch::Sender<u64>,
}

impl Default for Tails {
    fn default() -> Self {
        Self { families: std::array::from_fn(|_| Tail::default()), lookups: Semaphore::new(LOOKUPS) }
    }
}

impl Tails {
    fn of(&self, family: Family) -> Option<&Tail> {
        self.families.get(family.index())
    }
}

/// What a consumer asks for: these subjects; where they are too many, all that share a parent with one; where those are too many, everything.
fn filters(addresses: &BTreeSet<String>, everything: &str) -> Vec<String> {
    if addresses.len() <= FILTERS {
        return addresses.iter().cloned().collect();
    }
    // They differ in what is before the last token, or in how many tokens there are, so no message matches two.
    let parent = |address: &String| address.rsplit_once('.').map(|(parent, _)| format!("{parent}.*"));
    let parents: BTreeSet<String> = addresses.iter().filter_map(parent).collect();
    if parents.len() <= FILTERS { parents.into_iter().collect() } else { vec![everything.to_owned()] }
}

impl Shared {
    /// Begins to tell of a subject's records that others append.
    pub(crate) fn watch_subject(self: &Arc<Self>, subject: &Subject) {
        let line = self.line(subject);
        if line.watched.swap(true, Ordering::Relaxed) {
            return;
        }
        let Some(tail) = self.tails.of(line.family) else { return };
        let mut number = 0;
        tail.asked.send_modify(|asked| {
            *asked += 1;
            number = *asked;
        });
        if number == 1 {
            self.spawn(Arc::clone(self).tail(line.family));
        }
        let shared = Arc::clone(self);
        self.spawn(async move {
            // What is appended from now on is heard; what was before is looked up.
            let Some(tail) = shared.tails.of(line.family) else { return };
            if tail.heard.subscribe().wait_for(|heard| *heard >= number).await.is_err() {
                return;
            }
            let Ok(_permit) = shared.tails.lookups.acquire().await else { return };
            while let Err(error) = shared.refresh(&line).await {
                tracing::debug!(subject = %line.subject, %error, "a watched subject is not found yet");
                tokio::time::sleep(AGAIN).await;
            }
        });
    }

    /// The subjects of a family that are watched.
    fn watched(&self, family: Family) -> BTreeSet<String> {
        let lines = self.lines.read();
        let watched = lines.values().filter(|line| line.family == family && line.watched.load(Ordering::Relaxed));
        watched.map(|line| line.address.clone()).collect()
    }

    /// Listens for the watched subjects of a family, anew when there are others, until the log is closed.
    async fn tail(self: Arc<Self>, family: Family) {
        let Some(tail) = self.tails.of(family) else { return };
        let stream = self.names.stream(family);
        let prefix = self.names.address_prefix(family);
        let everything = self.names.stream_subjects(family);
        let heard = |shared: &Self, message: &Message| {
            let last = message.headers.as_ref()?.get(LAST_HEADER)?.as_str().parse().ok()?;
            let subject = message.subject.strip_prefix(prefix.as_str())?;
            let line = shared.lines.read().get(subject).cloned()?;
            shared.keep(&line, message);
            line.reached(last);
            Some(())
        };
        let mut asked = tail.asked.subscribe();
        let mut from = None;
        loop {
            // Subjects are watched in crowds, at a start.
            tokio::time::sleep(CROWD).await;
            let covered = AtomicU64::new(*asked.borrow_and_update());
            let watched = self.watched(family);
            let filters = filters(&watched, &everything);
            // Only what somebody reads here is worth its bytes.
            let whole = watched.len() <= FILTERS;
            let hears = AtomicBool::new(false);
            let ready = || {
                hears.store(true, Ordering::Relaxed);
                tail.heard.send_replace(covered.load(Ordering::Relaxed));
            };
            let listening = async {
                loop {
                    let result = self.follow_once((&stream, &filters, whole), &mut from, &heard, &ready).await;
                    hears.store(false, Ordering::Relaxed);
                    if let Err(error) = result {
                        tracing::debug!(stream, %error, "listening is begun again");
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            };
            let changed = async {
                while asked.changed().await.is_ok() {
                    let number = *asked.borrow_and_update();
                    if self::filters(&self.watched(family), &everything) != filters {
                        return;
                    }
                    covered.store(number, Ordering::Relaxed);
                    // Once listening has begun, whatever is appended from now on is heard, also by the next consumer.
                    tail.heard.send_if_modified(|heard| {
                        let begun = *heard > 0;
                        *heard = if begun { number } else { 0 };
                        begun
                    });
                }
            };
            tokio::select! {
                () = listening => {}
                () = self.look_while_deaf(family, &hears) => {}
                () = changed => {}
            }
        }
    }

    /// Keeps a block for who reads it next.
    fn keep(&self, line: &Line, message: &Message) {
        let Ok(sequence) = message.info().map(|info| info.stream_sequence) else { return };
        // Who watched it may be gone.
        if line.durable.receiver_count() == 0 {
            return;
        }
        // A copy, because a slice holds the whole buffer of the connection. One that does not verify is asked for, and seen to be damaged, by its reader.
        if !message.payload.is_empty()
            && let Ok(block) = block::decode(&line.address, sequence, &Bytes::copy_from_slice(&message.payload))
        {
            self.heard.lock().keep(&line.subject, block);
        }
    }

    /// Looks where the watched subjects of a family end, while nothing is heard of them.
    async fn look_while_deaf(&self, family: Family, hears: &AtomicBool) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if hears.load(Ordering::Relaxed) {
                continue;
            }
            let lines: Vec<Arc<Line>> = {
                let lines = self.lines.read();
                let watched = |line: &&Arc<Line>| line.family == family && line.watched.load(Ordering::Relaxed);
                lines.values().filter(watched).cloned().collect()
            };
            let looks = lines.into_iter().map(|line| async move {
                if let Ok(Some(block)) = self.newest(&line).await {
                    line.adopt(Tip::of(block.sequence, &block.header));
                }
            });
            futures_util::stream::iter(looks).buffer_unordered(LOOKUPS).collect::<()>().await;
        }
    }

    /// Listens to the bucket of keys, until the log is closed.
    pub(crate) async fn tail_keys(self: Arc<Self>, ready: watch::Sender<bool>) {
        let prefix = self.names.keys_prefix();
        let heard = |shared: &Self, message: &Message| {
            let key = Key::new(message.subject.strip_prefix(prefix.as_str())?).ok()?;
            let sequence = message.info().ok()?.stream_sequence;
            shared.watchers.lock().notify(&key, Revision(sequence));
            Some(())
        };
        let now_ready = || {
            ready.send_replace(true);
        };
        self.follow(&self.names.keys(), heard, now_ready).await;
    }

    /// Gives every message of a stream from now on, in order, to `heard`; calls `ready` once nothing can be missed any more.
    async fn follow(&self, stream: &str, heard: impl Fn(&Self, &Message) -> Option<()>, ready: impl Fn()) {
        let mut from = None;
        loop {
            let result = self.follow_once((stream, &[], false), &mut from, &heard, &ready).await;
            if let Err(error) = result {
                tracing::debug!(stream, %error, "listening is begun again");
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn follow_once(
        &self,
        (name, filters, whole): (&str, &[String], bool),
        from: &mut Option<u64>,
        heard: &impl Fn(&Self, &Message) -> Option<()>,
        ready: &impl Fn(),
    ) -> Result<(), LogError> {
        let stream = self.link.stream(name).await?;
        let start = match *from {
            Some(start) => start,
            None => {
                let start = stream.get_info().await.map_err(|error| busy(&error))?.state.last_sequence + 1;
                *from.insert(start)
            }
        };
        let mut ear = Ear::open(&self.link, name, filters, start, whole).await?;
        ready();
        loop {
            let message = ear.next().await?;
            if let Ok(info) = message.info() {
                *from = Some(info.stream_sequence + 1);
            }
            // What is not ours, or not watched here, is nobody's.
            heard(self, &message).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(addresses: impl IntoIterator<Item = String>) -> Vec<String> {
        filters(&addresses.into_iter().collect(), "x.>")
    }

    #[test]
    fn a_few_subjects_are_named_many_by_their_parents_and_very_many_not_at_all() {
        assert_eq!(of(["x.in.03".into(), "x.in.03.chained".into()]), ["x.in.03", "x.in.03.chained"]);
        let partitions =
            (0..40).flat_map(|n| [format!("x.out.a.{n:02}"), format!("x.out.b.{n:02}"), format!("x.out.a.{n:02}.y")]);
        let found = of(partitions);
        assert_eq!((found.len(), found.first().map(String::as_str)), (42, Some("x.out.a.*")));
        assert_eq!(of((0..100).map(|n| format!("x.out.d{n}.00"))), ["x.>"]);
    }
}
