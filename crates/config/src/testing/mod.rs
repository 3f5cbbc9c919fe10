//! ChannelTests run through the real stages: what the user configures, the user tests.
//!
//! A case's message goes through the parse stage with the snapshot's own table and through the apply stage with the
//! channel's own program: nothing is imitated, so that what passes here happens there. Custody, connections and answers
//! of destinations are not part of it. Files are asked for through [`Files`], since this crate reads nothing by itself.

mod case;
mod compare;
mod junit;
mod message;
mod sample;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use barid_model::Name;

use crate::document::full_name;
use crate::snapshot::Snapshot;

pub use junit::junit;
pub use sample::{Judged, Sample};

/// Gives the bytes of a file beside the documents.
pub trait Files {
    /// Reads a file by its path relative to the folder of documents.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;
}

/// Most bytes of a message file: what the largest listener takes.
const MESSAGE_FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The files of a folder of documents.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder that the documents were read from.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self(root.to_owned())
    }
}

impl Files for Folder {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let path = self.0.join(path);
        if std::fs::metadata(&path)?.len() > MESSAGE_FILE_BYTES_MAX {
            return Err(io::Error::other("the file is larger than any message"));
        }
        std::fs::read(path)
    }
}

/// One thing that was not as expected.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Failure {
    /// What was looked at, such as `ack` or `routes[registry] PV1-2`.
    pub what: String,
    /// What was expected.
    pub expected: String,
    /// What was there. It may hold data of the test's message, which is no patient's.
    pub was: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, was {}", self.what, self.expected, self.was)
    }
}

/// How a case went.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CaseResult {
    /// Its name.
    pub name: String,
    /// What was not as expected; empty: it passed.
    pub failures: Vec<Failure>,
    /// How long it took.
    pub took: Duration,
}

/// How a ChannelTest went.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SuiteResult {
    /// The document.
    pub test: Name,
    /// The channel.
    pub channel: Name,
    /// The file it stands in.
    pub file: String,
    /// Its cases.
    pub cases: Vec<CaseResult>,
}

impl SuiteResult {
    /// Whether all cases passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.cases.iter().all(|case| case.failures.is_empty())
    }
}

/// Runs the tests of a snapshot, all or those of one channel.
#[must_use]
pub fn run(snapshot: &Snapshot, files: &dyn Files, only: Option<&Name>) -> Vec<SuiteResult> {
    let mut suites = Vec::new();
    for (name, test) in &snapshot.tests {
        let channel = full_name(&test.channel, name.namespace());
        if only.is_some_and(|only| *only != channel) {
            continue;
        }
        let file = snapshot.file("ChannelTest", name).unwrap_or_default().to_owned();
        let folder = file.rsplit_once('/').map(|(folder, _)| folder).unwrap_or_default().to_owned();
        let suite =
            case::Suite { snapshot, files, folder: &folder, namespace: name.namespace(), channel: &channel, test };
        suites.push(SuiteResult { test: name.clone(), cases: suite.run(), channel, file });
    }
    suites
}
