//! Keys: a NATS key-value bucket, written by compare-and-set, read from its leader.
//!
//! It is the bucket that NATS tools know (`nats kv`), without their library: a commit has to be read from the leader, and a put whose answer was lost has to be
//! recognised, so every put carries an id. A deleted key leaves a marker, which the servers remove after a while; revisions are sequences of the stream and so
//! never come twice.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use barid_log::{Key, LogError, MAX_VALUE_BYTES, Purpose, Revision};
use bytes::Bytes;
use futures_util::StreamExt as _;

use crate::link::{Published, REQUEST, Stored, Which, busy, random_id};
use crate::name::Family;
use crate::shared::Shared;

/// Header that tells whose put it is.
const ID_HEADER: &str = "Barid-Id";
/// Header of NATS' buckets that marks a deletion.
pub(crate) const OPERATION_HEADER: &str = "KV-Operation";
/// How long a deletion's marker stays: longer than any put is on its way.
const MARKER_TTL: &str = "10m";
/// Pause between attempts.
const PAUSE: Duration = Duration::from_millis(50);
/// Keys of one listing asked for at once.
const LISTING: usize = 1000;

/// Whether a message is a deletion.
fn is_marker(stored: &Stored) -> bool {
    stored.headers.get(OPERATION_HEADER).is_some()
}

impl Shared {
    async fn key_message(&self, key: &Key) -> Result<Option<Stored>, LogError> {
        let (stream, address) = (self.names.keys(), self.names.key(key));
        self.ask(|| self.link.message(&stream, Which::Last(&address))).await
    }

    /// The value of a key, from the leader.
    pub(crate) async fn get(&self, key: &Key) -> Result<Option<(Revision, Bytes)>, LogError> {
        let stored = self.key_message(key).await?.filter(|stored| !is_marker(stored));
        Ok(stored.map(|stored| (Revision(stored.sequence), stored.payload)))
    }

    /// Writes a value, or removes it, if the key is at `expect`.
    pub(crate) async fn change_key(
        &self,
        key: &Key,
        expect: Revision,
        value: Option<Bytes>,
    ) -> Result<Revision, LogError> {
        if let Some(large) = value.as_ref().filter(|value| value.len() > MAX_VALUE_BYTES) {
            return Err(LogError::TooLarge { bytes: large.len(), limit: MAX_VALUE_BYTES });
        }
        if !self.space.borrow().allows(Purpose::Delivery) {
            return Err(LogError::NoSpace(Purpose::Delivery));
        }
        // The removal of what is not there is written too: only that proves that it is not, a leader that has been deposed may not know of it yet.
        let revision = self.settle_key(key, expect, value).await?;
        self.watchers.lock().notify(key, revision);
        Ok(revision)
    }

    /// Sends a change until it is known what became of it, or for too long.
    async fn settle_key(&self, key: &Key, expect: Revision, value: Option<Bytes>) -> Result<Revision, LogError> {
        let id: String = random_id().iter().map(|byte| format!("{byte:02x}")).collect();
        let mut headers = vec![(ID_HEADER, id.clone())];
        if value.is_none() {
            headers.push((OPERATION_HEADER, "DEL".to_owned()));
            headers.push(("Nats-TTL", MARKER_TTL.to_owned()));
        }
        let payload = value.unwrap_or_default();
        let address = self.names.key(key);
        let stream = self.names.keys();
        let deadline = Instant::now() + self.options.answer_within;
        let mut after = expect.0;
        let mut sent = false;
        let mut why = "not connected".to_owned();
        loop {
            if self.link.connected() {
                let mut leaderless = false;
                match self.link.publish(&address, Some(after), &headers, payload.clone(), REQUEST).await {
                    Published::Stored(sequence) => return Ok(Revision(sequence)),
                    Published::Nobody => {
                        leaderless = true;
                        "the bucket of keys has no leader".clone_into(&mut why);
                    }
                    Published::Full if !sent => {
                        self.full(Family::Outcome);
                        return Err(LogError::NoSpace(Purpose::Delivery));
                    }
                    Published::Refused(why) if !sent => return Err(LogError::Storage(why.into())),
                    Published::Refused(text) | Published::Unclear(text) => why = text,
                    Published::Full | Published::Stale => {}
                }
                sent |= !leaderless;
                // Without a leader nobody would tell what became of an earlier copy either.
                let looked =
                    if leaderless { None } else { Some(self.link.message(&stream, Which::Last(&address)).await) };
                match looked {
                    None => {}
                    Some(Ok(found)) => match judge(found.as_ref(), &id, expect, after) {
                        Judged::Ours(revision) => return Ok(revision),
                        Judged::Again(sequence) => after = sequence,
                        Judged::Wrong(actual) => {
                            return Err(LogError::WrongRevision { key: key.clone(), expected: expect, actual });
                        }
                    },
                    Some(Err(error)) => why = error.to_string(),
                }
            }
            if Instant::now() >= deadline || self.closed.is_cancelled() {
                return Err(if sent { LogError::Unknown(why.into()) } else { LogError::Busy(why.into()) });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Keys with a value, by prefix.
    pub(crate) async fn list_keys(&self, prefix: &str) -> Result<Vec<Key>, LogError> {
        self.ask(|| self.list_keys_once(prefix)).await
    }

    async fn list_keys_once(&self, prefix: &str) -> Result<Vec<Key>, LogError> {
        let all = self.names.keys_prefix();
        let stream = self.link.stream(&self.names.keys()).await?;
        // Whole tokens of the prefix narrow it down on the servers.
        let tokens = prefix.rfind('.').map_or("", |dot| prefix.get(..=dot).unwrap_or_default());
        let config = pull::Config {
            filter_subject: format!("{all}{tokens}>"),
            deliver_policy: DeliverPolicy::LastPerSubject,
            ack_policy: async_nats::jetstream::consumer::AckPolicy::None,
            headers_only: true,
            memory_storage: true,
            num_replicas: 1,
            inactive_threshold: Duration::from_secs(10),
            ..pull::Config::default()
        };
        let mut consumer = stream.create_consumer(config).await.map_err(|error| busy(&error))?;
        let mut pending = consumer.info().await.map_err(|error| busy(&error))?.num_pending;
        let mut keys = HashSet::new();
        while pending > 0 {
            let fetch = consumer.fetch().max_messages(LISTING).expires(REQUEST).messages();
            let mut messages = fetch.await.map_err(|error| busy(&error))?;
            let mut got = 0;
            while let Some(message) = messages.next().await {
                let message = message.map_err(|error| LogError::Busy(error.to_string().into()))?;
                got += 1;
                let marker = message.headers.as_ref().is_some_and(|headers| headers.get(OPERATION_HEADER).is_some());
                let name = message.subject.strip_prefix(all.as_str()).filter(|name| name.starts_with(prefix));
                if let Some(Ok(key)) = name.map(Key::new)
                    && !marker
                {
                    keys.insert(key);
                }
                pending = message.info().map_or(0, |info| info.pending);
                if pending == 0 {
                    break;
                }
            }
            if got == 0 {
                return Err(LogError::Busy("a listing of keys was cut short".into()));
            }
        }
        let mut keys: Vec<Key> = keys.into_iter().collect();
        keys.sort();
        Ok(keys)
    }

    /// Finds out where a key is that somebody has begun to watch.
    pub(crate) async fn find_key(self: Arc<Self>, key: Key) {
        if let Ok(Some(stored)) = self.key_message(&key).await
            && !is_marker(&stored)
        {
            self.watchers.lock().found(&key, Revision(stored.sequence));
        }
    }
}

/// What the leader shows of a key.
enum Judged {
    Ours(Revision),
    /// Not there yet: send again, after this sequence.
    Again(u64),
    Wrong(Revision),
}

fn judge(found: Option<&Stored>, id: &str, expect: Revision, after: u64) -> Judged {
    let Some(found) = found else {
        return if expect == Revision::NONE { Judged::Again(0) } else { Judged::Wrong(Revision::NONE) };
    };
    if found.headers.get(ID_HEADER).is_some_and(|header| header.as_str() == id) {
        return Judged::Ours(Revision(found.sequence));
    }
    match (is_marker(found), expect) {
        // A deleted key has no value, and a place.
        (true, Revision::NONE) => Judged::Again(found.sequence),
        (true, _) => Judged::Wrong(Revision::NONE),
        // A leader that has been deposed may show what was before.
        (false, _) if found.sequence <= after => Judged::Again(after),
        (false, _) => Judged::Wrong(Revision(found.sequence)),
    }
}
