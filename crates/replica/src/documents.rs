//! A directory of documents, compiled and published: what stands in for the operator where there is no Kubernetes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use barid_config::{Problem, ProblemSeverity, Snapshot, Sources, Watcher, compile, load_dir};
use barid_model::Clock;
use barid_rpc::config::{LastGood, Publisher};
use barid_runtime::{Exit, Failure};

use crate::configuration::{packed, published};

/// How often the documents are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The file of what was published last, in the data directory.
const LAST_PUBLISHED: &str = "published";

/// Publishes the documents of a directory.
pub struct Documents {
    watcher: Watcher,
    last: Option<Arc<Snapshot>>,
    number: u64,
    kept: LastGood,
    publisher: Publisher,
    clock: Arc<dyn Clock>,
}

impl Documents {
    /// Compiles and publishes what is there. What is wrong keeps its last good version, also beyond a restart. Blocking.
    ///
    /// # Errors
    /// Where what was published last cannot be read: its number must not be given again.
    pub fn publish(
        directory: &Path,
        data: PathBuf,
        publisher: Publisher,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        std::fs::create_dir_all(&data)
            .map_err(|error| Failure::new(Exit::Storage, format!("cannot make {}: {error}", data.display())))?;
        let kept = LastGood::at(data.join(LAST_PUBLISHED));
        let before = kept.load().map_err(|error| Failure::new(Exit::Storage, error.to_string()))?;
        let last = before.as_ref().and_then(|before| match Snapshot::unpack(&packed(before)) {
            Ok(snapshot) => Some(snapshot),
            Err(error) => {
                tracing::warn!(%error, "what was published last cannot be used: documents that are wrong now have no version");
                None
            }
        });
        let number = before.as_ref().map_or(0, |before| before.number);
        let sources = load_dir(directory);
        let mut own = Self { watcher: Watcher::new(&sources), last, number, kept, publisher, clock };
        own.take(&sources).map_err(|error| Failure::new(Exit::Storage, error))?;
        Ok(own)
    }

    /// Publishes every change, for ever.
    ///
    /// # Errors
    /// Where what is published cannot be kept.
    pub async fn follow(mut self) -> Result<(), String> {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let looked = tokio::task::spawn_blocking(move || {
                let done = match self.watcher.look() {
                    Some(sources) => self.take(&sources),
                    None => Ok(()),
                };
                (self, done)
            });
            let (own, done) = looked.await.map_err(|error| error.to_string())?;
            done?;
            self = own;
        }
    }

    /// Compiles, keeps and offers; nothing where it is what is offered already.
    fn take(&mut self, sources: &Sources) -> Result<(), String> {
        let compiled = compile(sources, self.last.as_deref());
        compiled.problems.iter().for_each(tell);
        let mut packed = compiled.snapshot.pack();
        let is_news = self.last.as_ref().is_none_or(|last| last.parse.identity() != packed.id);
        if is_news {
            // Above all before it, also where the directory that remembers them was lost.
            let now = u64::try_from(self.clock.now().millis()).unwrap_or(0);
            self.number = now.max(self.number + 1);
        }
        packed.number = self.number.max(1);
        let snapshot = Arc::new(published(packed));
        self.kept.store(&snapshot).map_err(|error| error.to_string())?;
        self.last = Some(compiled.snapshot);
        let (number, id) = (snapshot.number, snapshot.id);
        match self.publisher.publish(snapshot) {
            Ok(()) => tracing::info!(number, %id, "snapshot published"),
            Err(_) => tracing::debug!(number, "nothing new to publish"),
        }
        Ok(())
    }
}

fn tell(problem: &Problem) {
    let Problem { file, line, column, field, text, remedy, .. } = problem;
    match problem.severity {
        ProblemSeverity::Error => tracing::error!(file, line, column, field, remedy, "document: {text}"),
        ProblemSeverity::Warning => tracing::warn!(file, line, column, field, remedy, "document: {text}"),
    }
}
