//! The documents: loaded, compiled, stored as last good, made to run, and looked at again every second.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use barid_config::{Problem, ProblemSeverity, RestoreError, Snapshot, Sources, Watcher, compile, load_dir};
use barid_ingress::Listeners;
use barid_log::LogError;
use barid_model::{Clock, Timestamp};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex as AsyncMutex;

use barid_custody::Channels;
use barid_custody::Pauses;
use barid_delivery::destinations::Destinations;

/// How often the documents are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The last good documents, in the data directory.
pub(super) const LAST_GOOD: &str = "snapshot.json";
/// Most bytes of them that are read: far beyond any documents.
pub(super) const LAST_GOOD_BYTES_MAX: u64 = 256 << 20;

/// Why the documents do not run.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    /// Their revisions cannot be stored.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The first documents have errors.
    #[error(
        "the documents in {directory} are not all good (errors: {errors}, listed above and by `barid check {directory}`), \
         and none has run on this data directory that could go on meanwhile: mend them, then start again",
        directory = directory.display()
    )]
    Documents {
        /// How many.
        errors: usize,
        /// Where they are.
        directory: PathBuf,
    },
}

/// The configuration of a running engine.
pub(super) struct Configuration {
    directory: PathBuf,
    last_good: PathBuf,
    channels: Arc<Channels>,
    destinations: Arc<Destinations>,
    listeners: Arc<Listeners>,
    pauses: Arc<Pauses>,
    clock: Arc<dyn Clock>,
    problems: Mutex<Vec<Problem>>,
    loaded: Mutex<Option<Timestamp>>,
    /// Held while a change is made, so that changes follow each other.
    changing: AsyncMutex<()>,
}

impl Configuration {
    pub(super) fn new(
        directory: PathBuf,
        data: &std::path::Path,
        channels: Arc<Channels>,
        destinations: Arc<Destinations>,
        listeners: Arc<Listeners>,
        pauses: Arc<Pauses>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            directory,
            last_good: data.join(LAST_GOOD),
            channels,
            destinations,
            listeners,
            pauses,
            clock,
            problems: Mutex::default(),
            loaded: Mutex::default(),
            changing: AsyncMutex::default(),
        }
    }

    /// The directory of the documents.
    pub(super) fn directory(&self) -> &std::path::Path {
        &self.directory
    }

    /// What the last reading found.
    pub(super) fn problems(&self) -> Vec<Problem> {
        self.problems.lock().clone()
    }

    /// When the present snapshot was loaded.
    pub(super) fn loaded(&self) -> Option<Timestamp> {
        *self.loaded.lock()
    }

    /// Loads the documents, routes and delivers by them. Listeners are not opened yet.
    ///
    /// # Errors
    /// [`StartError::Documents`] where there is an error in the first documents of a data directory; as the log, where
    /// revisions cannot be stored.
    pub(super) async fn start(&self) -> Result<Watcher, StartError> {
        let sources = load_dir(&self.directory);
        let before = match barid_files::read(&self.last_good, LAST_GOOD_BYTES_MAX) {
            Ok(text) => {
                restore(&text).inspect_err(|error| tracing::warn!(%error, "the last good documents are not used")).ok()
            }
            // Nothing has run yet, so nothing stands still when this does not start, and somebody is at hand.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.check_first(&sources)?;
                None
            }
            Err(error) => {
                tracing::warn!(path = %self.last_good.display(), %error, "the last good documents cannot be read");
                None
            }
        };
        self.take(&sources, before.as_deref(), false).await?;
        self.destinations.drain(self.channels.undeclared().await?);
        Ok(Watcher::new(&sources))
    }

    /// Whether all of the first documents are good: no document has a last good version that could run instead.
    fn check_first(&self, sources: &Sources) -> Result<(), StartError> {
        let problems = compile(sources, None).problems;
        let errors = problems.iter().filter(|problem| problem.is_error()).count();
        if errors == 0 {
            return Ok(());
        }
        problems.iter().for_each(tell);
        Err(StartError::Documents { errors, directory: self.directory.clone() })
    }

    /// Opens the listeners of the present snapshot.
    pub(super) async fn listen(&self) {
        let snapshot = self.channels.snapshot();
        let table = Arc::clone(&snapshot.parse);
        self.listeners.apply(snapshot, table).await;
    }

    /// Reads the documents again now; gives what was found.
    ///
    /// # Errors
    /// As the log.
    pub(super) async fn reload(&self) -> Result<Arc<Snapshot>, LogError> {
        let sources = load_dir(&self.directory);
        let before = self.channels.snapshot();
        self.take(&sources, Some(&before), true).await?;
        Ok(self.channels.snapshot())
    }

    /// Follows changes of the documents and of pauses for ever.
    ///
    /// # Errors
    /// As the log.
    pub(super) async fn follow(self: Arc<Self>, mut watcher: Watcher) -> Result<(), LogError> {
        let mut pauses = self.pauses.changed();
        // Documents that could not be stored: they are tried again until they are, or there are newer ones.
        let mut waiting = None;
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {
                    let (looked, sources) = look(watcher).await;
                    watcher = looked;
                    let Some(sources) = sources.or(waiting.take()) else { continue };
                    let before = self.channels.snapshot();
                    match self.take(&sources, Some(&before), true).await {
                        Err(error) if error.is_retryable() => {
                            tracing::warn!(%error, "changed documents wait until their revisions can be stored");
                            waiting = Some(sources);
                        }
                        taken => taken?,
                    }
                }
                Ok(()) = pauses.changed() => self.spread(&self.channels.snapshot()),
            }
        }
    }

    async fn take(&self, sources: &Sources, before: Option<&Snapshot>, listen: bool) -> Result<(), LogError> {
        let _changing = self.changing.lock().await;
        let compiled = compile(sources, before);
        for problem in &compiled.problems {
            tell(problem);
        }
        *self.problems.lock() = compiled.problems;
        let snapshot = compiled.snapshot;
        self.channels.publish(Arc::clone(&snapshot)).await?;
        *self.loaded.lock() = Some(self.clock.now());
        self.spread(&snapshot);
        if listen {
            let table = Arc::clone(&snapshot.parse);
            self.listeners.apply(Arc::clone(&snapshot), table).await;
        }
        self.keep(&snapshot);
        tracing::info!(snapshot = snapshot.number, channels = snapshot.channels.len(), "configuration runs");
        Ok(())
    }

    fn spread(&self, snapshot: &Snapshot) {
        self.destinations.apply(snapshot, self.pauses.channels(snapshot));
    }

    /// Keeps the good documents for the next start, should they be wrong then.
    fn keep(&self, snapshot: &Snapshot) {
        if let Err(error) = barid_files::replace(&self.last_good, &kept(snapshot)) {
            tracing::warn!(path = %self.last_good.display(), %error, "the last good documents cannot be kept");
        }
    }
}

async fn look(mut watcher: Watcher) -> (Watcher, Option<Sources>) {
    let root = watcher.root().to_owned();
    let looked = tokio::task::spawn_blocking(move || {
        let sources = watcher.look();
        (watcher, sources)
    });
    match looked.await {
        Ok(looked) => looked,
        Err(error) => {
            tracing::error!(%error, "looking at the documents failed; they are read anew");
            let sources = load_dir(&root);
            (Watcher::new(&sources), Some(sources))
        }
    }
}

fn tell(problem: &Problem) {
    let Problem { file, line, column, field, text, remedy, .. } = problem;
    match problem.severity {
        ProblemSeverity::Error => tracing::error!(file, line, column, field, remedy, "document: {text}"),
        ProblemSeverity::Warning => tracing::warn!(file, line, column, field, remedy, "document: {text}"),
    }
}

/// The last good documents with the number they ran under.
#[derive(Deserialize)]
struct Kept {
    number: u64,
    documents: serde_json::Value,
}

fn kept(snapshot: &Snapshot) -> Vec<u8> {
    let documents: serde_json::Value = serde_json::from_slice(&snapshot.save()).unwrap_or_default();
    json!({"number": snapshot.number, "documents": documents}).to_string().into_bytes()
}

/// The snapshot that was kept last: what runs next has a higher number, also after a restart. Documents alone, as they were
/// kept before, begin at the first number.
pub(super) fn restore(text: &[u8]) -> Result<Arc<Snapshot>, RestoreError> {
    let Ok(kept) = serde_json::from_slice::<Kept>(text) else { return Snapshot::restore(text) };
    let mut snapshot = Snapshot::restore(kept.documents.to_string().as_bytes())?;
    if let Some(snapshot) = Arc::get_mut(&mut snapshot) {
        snapshot.number = kept.number;
    }
    Ok(snapshot)
}
