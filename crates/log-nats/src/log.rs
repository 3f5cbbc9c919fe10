//! The handle: opening, and the trait.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use barid_log::{
    Batch, Bounds, BoxFuture, Entry, Identity, Key, Log, LogError, Position, ReadLimit, Revision, SpaceLevel, Subject,
    Ticket,
};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio::sync::watch;

use crate::block::Block;
use crate::line::{Line, Tip};
use crate::link::{Link, Which, busy};
use crate::name::{Family, Names};
use crate::options::{OpenError, Options};
use crate::proof::{Proof, Prover};
use crate::shared::Shared;
use crate::survey::{StorageStatus, StreamStatus};
use crate::{assets, identity, proof};

/// Subjects asked about at once by [`NatsLog::held`]: enough to fill a round trip, few enough to leave the servers' queue of requests to others.
const HELD_AT_ONCE: usize = 16;

/// The log over JetStream. Dropping it ends its tasks; what was appended before is still sent.
pub struct NatsLog {
    shared: Arc<Shared>,
}

/// What the log is like, for readiness and metrics.
#[derive(Debug, Clone)]
pub struct Status {
    /// Whether there is a connection now.
    pub connected: bool,
    /// Whether intake is taken: durability is proven, or need not be.
    pub durable: bool,
    /// What is known of it.
    pub proof: Proof,
    /// The streams, as of the last look.
    pub streams: Vec<StreamStatus>,
    /// What the account and the servers may store, where they have limits.
    pub storage: Vec<StorageStatus>,
    /// Blocks stored.
    pub blocks: u64,
    /// Records stored.
    pub records: u64,
    /// Times that a block was sent again.
    pub retries: u64,
    /// Times that a result was unknown.
    pub doubts: u64,
}

impl NatsLog {
    /// Connects, makes what is missing, and asks for the first proof. A log whose durability is not proven opens too; it takes no intake until it is.
    ///
    /// # Errors
    /// [`OpenError`] says what to do; its class tells whether trying again makes sense.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let names = Names::new(&options.installation).ok_or_else(|| OpenError::Name(options.installation.clone()))?;
        let link = Link::connect(&options.connect, &format!("barid-{}", options.installation)).await?;
        let system = proof::connect(&options).await?;
        assets::ensure(&link, &names, &options).await?;
        let identity = identity::load(&link, &names, &options).await?;
        let prover = Prover::new(options.strict, system);
        let servers = options.connect.servers.clone();
        let shared = Arc::new(Shared::new(options, names, link, identity, prover));
        let log = Self { shared };
        let shared = &log.shared;
        let unreachable = |why: String| OpenError::Unreachable { servers: servers.clone(), why };
        shared.prove().await;
        shared.ask(|| shared.look_at_streams()).await.map_err(|error| unreachable(error.to_string()))?;
        let heard = watch::Sender::new(false);
        let mut listening = heard.subscribe();
        shared.spawn(Arc::clone(shared).tail_keys(heard));
        let within = shared.options.answer_within;
        let listening = tokio::time::timeout(within, listening.wait_for(|ready| *ready)).await;
        if !matches!(listening, Ok(Ok(_))) {
            return Err(unreachable("the bucket of keys cannot be listened to".into()));
        }
        shared.spawn(Arc::clone(shared).keep_proving());
        shared.spawn(Arc::clone(shared).keep_looking());
        shared.spawn(Arc::clone(shared).keep_trimming());
        shared.spawn(Arc::clone(shared).keep_sweeping());
        Ok(log)
    }

    /// What the log is like now.
    #[must_use]
    pub fn status(&self) -> Status {
        let shared = &self.shared;
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        Status {
            connected: shared.link.connected(),
            durable: shared.proven(),
            proof: shared.proof.watch().borrow().clone(),
            streams: shared.survey.borrow().streams.clone(),
            storage: shared.survey.borrow().storage.clone(),
            blocks: count(&shared.counters.blocks),
            records: count(&shared.counters.records),
            retries: count(&shared.counters.retries),
            doubts: count(&shared.counters.doubts),
        }
    }

    /// What each subject holds whose name starts with `prefix`, such as all partitions of a destination: two requests a subject, some subjects at a time.
    ///
    /// # Errors
    /// As [`Log::bounds`].
    pub async fn held(&self, prefix: &str) -> Result<Vec<(Subject, Bounds)>, LogError> {
        let subjects = Log::subjects(self, prefix).await?;
        let held = subjects.into_iter().map(|subject| async move {
            let bounds = Log::bounds(self, &subject).await?;
            Ok((subject, bounds))
        });
        futures_util::stream::iter(held).buffered(HELD_AT_ONCE).try_collect().await
    }

    /// Wakes when the proof is renewed, ends, or is found again. Its age is not an event: look at [`Proof::is_valid`].
    #[must_use]
    pub fn proof(&self) -> watch::Receiver<Proof> {
        self.shared.proof.watch()
    }
}

impl Drop for NatsLog {
    fn drop(&mut self) {
        self.shared.closed.cancel();
    }
}

impl Shared {
    /// The last record of the subject's newest block.
    async fn last_entry(&self, line: &Line, newest: Option<Block>) -> Result<Option<Entry>, LogError> {
        let block = match newest {
            Some(block) if block.header.count > 0 => block,
            // The newest block only displaced another.
            Some(block) if block.header.before > 0 => {
                let at = block.header.before;
                let stored = self.ask(|| self.link.message(&line.stream, Which::At(at))).await?;
                let lost = || LogError::Damaged(format!("stream {} sequence {at}: gone", line.stream).into());
                self.decode(line, &stored.ok_or_else(lost)?)?
            }
            _ => return Ok(None),
        };
        let Some(piece) = block.pieces.last() else { return Ok(None) };
        let lost =
            || LogError::Damaged(format!("large record of stream {} sequence {}", line.stream, block.sequence).into());
        let record = self.record(line, piece).await?.ok_or_else(lost)?;
        Ok(Some(Entry { position: Position(block.header.last()), record }))
    }

    async fn bounds(&self, line: &Line) -> Result<Bounds, LogError> {
        let Some(newest) = self.refresh(line).await? else {
            return Ok(Bounds { first: Position(1), ..Bounds::default() });
        };
        let tip = Tip::of(newest.sequence, &newest.header);
        let first = self.ask(|| self.link.message(&line.stream, Which::Next(&line.address, 1))).await?;
        let header = match first {
            Some(first) => self.decode(line, &first)?.header,
            None => newest.header,
        };
        let floor = line.state.lock().floor;
        Ok(Bounds {
            first: Position(header.first.max(floor)),
            last: Position(tip.end),
            bytes: tip.bytes.saturating_sub(header.bytes_before),
        })
    }

    async fn subjects(&self, prefix: &str) -> Result<Vec<Subject>, LogError> {
        // A whole first token tells the family, whole tokens narrow it down on the servers.
        let tokens = prefix.rfind('.').map_or("", |dot| prefix.get(..=dot).unwrap_or_default());
        let families = if tokens.is_empty() { Family::ALL.to_vec() } else { vec![Family::of(prefix)] };
        let mut found = Vec::new();
        for family in families {
            let address = self.names.address_prefix(family);
            let stream = self.link.stream(&self.names.stream(family)).await?;
            let mut subjects =
                stream.info_with_subjects(format!("{address}{tokens}>")).await.map_err(|error| busy(&error))?;
            while let Some(subject) = futures_util::StreamExt::next(&mut subjects).await {
                let (subject, _) = subject.map_err(|error| busy(&error))?;
                let name = subject.strip_prefix(&address).filter(|name| name.starts_with(prefix));
                found.extend(name.and_then(|name| Subject::new(name).ok()));
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }
}

impl Log for NatsLog {
    fn append<'a>(
        &'a self,
        subject: &'a Subject,
        last: Position,
        records: Vec<Bytes>,
    ) -> BoxFuture<'a, Result<Ticket, LogError>> {
        Box::pin(self.shared.append(subject, last, records, false))
    }

    fn append_later<'a>(
        &'a self,
        subject: &'a Subject,
        last: Position,
        records: Vec<Bytes>,
    ) -> BoxFuture<'a, Result<Ticket, LogError>> {
        Box::pin(self.shared.append(subject, last, records, true))
    }

    fn last<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Option<Entry>, LogError>> {
        Box::pin(async move {
            let line = self.shared.line(subject);
            self.shared.decided(&line).await?;
            let newest = self.shared.refresh(&line).await?;
            self.shared.last_entry(&line, newest).await
        })
    }

    fn proven_end<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Position, LogError>> {
        Box::pin(self.shared.proven_end(subject))
    }

    fn read<'a>(
        &'a self,
        subject: &'a Subject,
        from: Position,
        limit: ReadLimit,
    ) -> BoxFuture<'a, Result<Batch, LogError>> {
        Box::pin(self.shared.read(subject, from, limit))
    }

    fn changed(&self, subject: &Subject) -> watch::Receiver<Position> {
        self.shared.watch_subject(subject);
        self.shared.line(subject).durable.subscribe()
    }

    fn appended(&self, subject: &Subject) -> watch::Receiver<Position> {
        self.shared.line(subject).durable.subscribe()
    }

    fn trim<'a>(&'a self, subject: &'a Subject, before: Position) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(self.shared.trim(subject, before))
    }

    fn bounds<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<Bounds, LogError>> {
        Box::pin(async move { self.shared.bounds(&self.shared.line(subject)).await })
    }

    fn subjects<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Subject>, LogError>> {
        Box::pin(async move { self.shared.ask(|| self.shared.subjects(prefix)).await })
    }

    fn put<'a>(&'a self, key: &'a Key, expect: Revision, value: Bytes) -> BoxFuture<'a, Result<Revision, LogError>> {
        Box::pin(self.shared.change_key(key, expect, Some(value)))
    }

    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<(Revision, Bytes)>, LogError>> {
        Box::pin(self.shared.get(key))
    }

    fn delete<'a>(&'a self, key: &'a Key, expect: Revision) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(async move { self.shared.change_key(key, expect, None).await.map(|_| ()) })
    }

    fn keys<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<Key>, LogError>> {
        Box::pin(self.shared.list_keys(prefix))
    }

    fn watch_key(&self, key: &Key) -> watch::Receiver<Revision> {
        let (receiver, new) = self.shared.watchers.lock().key(key);
        if new {
            self.shared.spawn(Arc::clone(&self.shared).find_key(key.clone()));
        }
        receiver
    }

    fn watch_keys(&self, prefix: &str) -> watch::Receiver<Revision> {
        self.shared.watchers.lock().prefix(prefix)
    }

    fn space(&self) -> watch::Receiver<SpaceLevel> {
        self.shared.space.subscribe()
    }

    fn identity(&self) -> &Identity {
        &self.shared.identity
    }
}
