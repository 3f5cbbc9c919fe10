//! What a stage needs besides its input, by revision: held, and fetched when it is not.
//!
//! A revision is stored before anything is stamped with it, so one that is unknown here is on its way or can be had. All
//! calls that need the same one wait for the same fetch. What cannot be used is remembered for a while, so that it is not
//! compiled again for every message.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use barid_model::Revision;
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, Shared};
use parking_lot::Mutex;
use tokio::time::Instant;

/// Wait before a revision that nobody had is asked for again.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// How long one that cannot be used is remembered: a new release on this replica starts anew anyway.
const UNUSABLE_FOR: Duration = Duration::from_secs(30);
/// How long one fetch may take.
const FETCH: Duration = Duration::from_secs(10);

/// Where stored closures are found: in the mesh the log's key `revision.<hex>`, or the configuration stream.
pub trait Closures: Send + Sync + 'static {
    /// The closure of a revision; none where it is not there (yet).
    fn closure(&self, revision: Revision) -> BoxFuture<'_, Result<Option<Bytes>, String>>;
}

/// Makes of a closure what a stage uses; runs off the threads that do I/O.
pub type Make<T> = Arc<dyn Fn(&Bytes) -> Result<Arc<T>, String> + Send + Sync>;

/// Why a revision is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// It could not be had in time.
    #[error("revision {0} could not be had in time")]
    Unknown(Revision),
    /// It is there and cannot be used with this release.
    #[error("revision {revision} cannot be used here: {text}")]
    Unusable {
        /// Which.
        revision: Revision,
        /// Why.
        text: String,
    },
}

type Fetched<T> = Shared<BoxFuture<'static, Option<Result<Arc<T>, String>>>>;

/// Revisions by hash, at most so many.
pub struct Revisions<T> {
    state: Mutex<State<T>>,
    most: usize,
    closures: Arc<dyn Closures>,
    make: Make<T>,
}

struct State<T> {
    held: HashMap<Revision, Held<T>>,
    on_the_way: HashMap<Revision, Fetched<T>>,
    /// Counts uses, to know the one longest unused.
    uses: u64,
}

struct Held<T> {
    made: Result<Arc<T>, String>,
    until: Option<Instant>,
    used: u64,
}

impl<T: Send + Sync + 'static> Revisions<T> {
    /// Holds at most `most` (at least one), the one longest unused goes first.
    #[must_use]
    pub fn new(most: usize, closures: Arc<dyn Closures>, make: Make<T>) -> Self {
        let state = State { held: HashMap::new(), on_the_way: HashMap::new(), uses: 0 };
        Self { state: Mutex::new(state), most: most.max(1), closures, make }
    }

    /// One that is there already, as from a snapshot.
    pub fn put(&self, revision: Revision, value: Arc<T>) {
        self.hold(revision, Ok(value));
    }

    /// One that is held.
    #[must_use]
    pub fn held(&self, revision: Revision) -> Option<Result<Arc<T>, Missing>> {
        let mut state = self.state.lock();
        state.uses += 1;
        let uses = state.uses;
        let held = state.held.get_mut(&revision)?;
        if held.until.is_some_and(|until| Instant::now() >= until) {
            state.held.remove(&revision);
            return None;
        }
        held.used = uses;
        Some(held.made.clone().map_err(|text| Missing::Unusable { revision, text }))
    }

    /// One that is held, or as soon as it can be fetched.
    ///
    /// # Errors
    /// [`Missing`], at the deadline.
    pub async fn find(&self, revision: Revision, deadline: Instant) -> Result<Arc<T>, Missing> {
        loop {
            if let Some(held) = self.held(revision) {
                return held;
            }
            let fetched = match tokio::time::timeout_at(deadline, self.fetch(revision)).await {
                Ok(fetched) => fetched,
                Err(_) => return Err(Missing::Unknown(revision)),
            };
            self.state.lock().on_the_way.remove(&revision);
            match fetched {
                Some(made) => self.hold(revision, made),
                None if Instant::now() + ASK_AGAIN >= deadline => return Err(Missing::Unknown(revision)),
                None => tokio::time::sleep(ASK_AGAIN).await,
            }
        }
    }

    fn hold(&self, revision: Revision, made: Result<Arc<T>, String>) {
        let until = made.is_err().then(|| Instant::now() + UNUSABLE_FOR);
        let mut state = self.state.lock();
        state.uses += 1;
        let used = state.uses;
        state.held.insert(revision, Held { made, until, used });
        while state.held.len() > self.most {
            let oldest = state.held.iter().min_by_key(|(_, held)| held.used).map(|(revision, _)| *revision);
            let Some(oldest) = oldest else { return };
            state.held.remove(&oldest);
        }
    }

    fn fetch(&self, revision: Revision) -> Fetched<T> {
        let mut state = self.state.lock();
        let begin = || {
            let (closures, make) = (Arc::clone(&self.closures), Arc::clone(&self.make));
            // In its own task: the first caller's deadline is not the others'.
            let task = tokio::spawn(tokio::time::timeout(FETCH, fetched(revision, closures, make)));
            async move { task.await.ok().and_then(Result::ok).flatten() }.boxed().shared()
        };
        state.on_the_way.entry(revision).or_insert_with(begin).clone()
    }
}

async fn fetched<T: Send + Sync + 'static>(
    revision: Revision,
    closures: Arc<dyn Closures>,
    make: Make<T>,
) -> Option<Result<Arc<T>, String>> {
    match closures.closure(revision).await {
        Ok(Some(closure)) => {
            let made = tokio::task::spawn_blocking(move || make(&closure)).await;
            let made = made.unwrap_or_else(|_| Err("making it ready crashed".to_owned()));
            if let Err(error) = &made {
                tracing::error!(%revision, %error, "a revision cannot be used");
            }
            Some(made)
        }
        Ok(None) => None,
        Err(error) => {
            tracing::warn!(%revision, %error, "a revision could not be fetched");
            None
        }
    }
}

impl<T> fmt::Debug for Revisions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Revisions({} of {})", self.state.lock().held.len(), self.most)
    }
}
