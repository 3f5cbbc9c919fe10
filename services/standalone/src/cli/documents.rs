//! The documents a verb works on: of a directory, or those a running engine has.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use barid_config::{Compiled, Snapshot, compile, load_dir};
use barid_runtime::control::Commands;
use barid_runtime::{Exit, Failure};

use super::context::Context;
use super::out::{clean, note};

/// Where documents are taken from.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct From {
    /// The directory of the documents [default: those of the running engine]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Documents, and the directory they stand in.
pub(super) struct Documents {
    /// What is good of them.
    pub(super) snapshot: Arc<Snapshot>,
    /// Their directory; none where the engine does not say it.
    pub(super) directory: Option<PathBuf>,
}

impl From {
    /// Whether a directory was named.
    pub(super) const fn is_given(&self) -> bool {
        self.dir.is_some()
    }

    /// Reads them. Problems of a directory go to standard error: a verb that works on one document need not fail for another.
    pub(super) async fn read(&self, context: &Context) -> Result<Documents, Failure> {
        if let Some(directory) = &self.dir {
            let compiled = compiled(directory)?;
            for problem in compiled.problems.iter().filter(|problem| problem.is_error()) {
                note(&clean(&problem.to_string()));
            }
            return Ok(Documents { snapshot: compiled.snapshot, directory: Some(directory.clone()) });
        }
        running(context).await.map_err(|failure| match failure.exit {
            Exit::Unreachable => Failure::new(
                Exit::Unreachable,
                format!("{}; or name a directory of documents with --dir", failure.text),
            ),
            _ => failure,
        })
    }
}

/// The documents of the running engine.
pub(super) async fn running(context: &Context) -> Result<Documents, Failure> {
    let commands = context.reader().await?;
    let snapshot = snapshot(&*commands).await?;
    let directory = commands.status().await?.snapshot.directory;
    Ok(Documents { snapshot, directory })
}

/// What an engine runs, or ran last.
pub(super) async fn snapshot(commands: &dyn Commands) -> Result<Arc<Snapshot>, Failure> {
    let view = commands.snapshot().await?;
    let text = serde_json::to_vec(&view.documents).map_err(|error| Failure::new(Exit::Failure, error.to_string()))?;
    Snapshot::restore(&text).map_err(|error| Failure::new(Exit::Failure, error.to_string()))
}

/// Compiles the documents of a directory that has some: an empty one is most often the wrong one.
pub(super) fn compiled(directory: &Path) -> Result<Compiled, Failure> {
    let compiled = compiled_or_none(directory, None)?;
    if compiled.problems.is_empty() && compiled.snapshot.is_empty() {
        let text = format!(
            "{} holds no documents: name the directory with the .yaml, .yml or .json files, or write some",
            directory.display()
        );
        return Err(Failure::new(Exit::Configuration, text));
    }
    Ok(compiled)
}

/// Compiles the documents of a directory; what is wrong with one leaves its version of `previous` in effect.
pub(super) fn compiled_or_none(directory: &Path, previous: Option<&Snapshot>) -> Result<Compiled, Failure> {
    if !directory.is_dir() {
        return Err(Failure::new(
            Exit::Configuration,
            format!("{} is no directory: name the one that holds the documents", directory.display()),
        ));
    }
    Ok(compile(&load_dir(directory), previous))
}
