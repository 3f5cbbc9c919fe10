//! Reading a folder of documents: the only I/O of this crate.
//!
//! `*.yaml`, `*.yml` and `*.json` are read in all folders below, in the order of their names. Left out are names that
//! begin with a dot (editors, git, the hidden folders of mounted config maps) and `secrets` at the top, whose values
//! never come near a snapshot. What cannot be read is a problem of that file alone: its documents stay as they were.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use barid_model::Digest;

use crate::problem::{Problem, ProblemSeverity};

/// Largest file.
pub const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Most files, and most documents in all of them.
pub const DOCUMENTS_MAX: usize = 10_000;
/// Most bytes of all files: a hundred large code tables.
pub(crate) const TOTAL_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Deepest folder.
pub(crate) const FOLDER_DEPTH_MAX: usize = 16;

/// The files of a folder, as they were read.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    pub(crate) root: PathBuf,
    pub(crate) files: Vec<SourceFile>,
    /// The folder as a whole could not be read: nothing is known about any document.
    pub(crate) unreadable: bool,
    pub(crate) problems: Vec<Problem>,
    stamp: Stamp,
}

/// One file.
#[derive(Debug, Clone)]
pub(crate) struct SourceFile {
    /// Relative to the folder.
    pub path: Arc<str>,
    /// Its text; none where it could not be read.
    pub text: Option<Arc<str>>,
}

/// The folder of documents, asked for other files in it.
#[derive(Debug, Clone)]
pub(crate) struct Beside(PathBuf);

impl Beside {
    /// Whether there is a file of this path.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.0.join(path).is_file()
    }
}

/// What tells that a file may have changed, without reading it.
type Stamp = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Reads a folder of documents.
#[must_use]
pub fn load_dir(root: &Path) -> Sources {
    let mut sources = Sources { root: root.to_owned(), ..Sources::default() };
    match stamp(root) {
        Ok(found) => sources.stamp = found,
        Err(error) => {
            sources.unreadable = true;
            let remedy = "name a folder with documents that Barid may read";
            sources.fault(&root.display().to_string(), format!("the folder cannot be read: {error}"), remedy);
            return sources;
        }
    }
    let mut total = 0;
    for (count, (path, (bytes, _))) in sources.stamp.clone().into_iter().enumerate() {
        let name: Arc<str> = relative(root, &path).into();
        total += bytes;
        if count >= DOCUMENTS_MAX || total > TOTAL_BYTES_MAX {
            let text =
                format!("there are more than {DOCUMENTS_MAX} files or {TOTAL_BYTES_MAX} bytes; this one is not read");
            sources.fault(&name, text, "keep fewer documents in one folder");
            sources.files.push(SourceFile { path: name, text: None });
            break;
        }
        let text = sources.read(&path, &name, bytes);
        sources.files.push(SourceFile { path: name, text });
    }
    sources
}

impl Sources {
    /// Sources from texts that are at hand: name of the file and its text.
    #[must_use]
    pub fn from_texts<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let file = |(path, text): (&str, &str)| SourceFile { path: path.into(), text: Some(text.into()) };
        Self { files: files.into_iter().map(file).collect(), ..Self::default() }
    }

    /// The folder they were read from.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where other files can be looked for; none for texts that were at hand.
    pub(crate) fn beside(&self) -> Option<Beside> {
        (!self.root.as_os_str().is_empty()).then(|| Beside(self.root.clone()))
    }

    /// The names of the files, relative to the folder.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| &*file.path)
    }

    /// Whether a file was added, removed or written since; a look at names, sizes and times.
    #[must_use]
    pub fn changed_since(&self) -> bool {
        stamp(&self.root).map_or(!self.unreadable, |found| found != self.stamp)
    }

    /// SHA-256 over all names and texts.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut all = Vec::new();
        for file in &self.files {
            for part in [file.path.as_bytes(), file.text.as_deref().unwrap_or("\0").as_bytes()] {
                all.extend_from_slice(&(part.len() as u64).to_be_bytes());
                all.extend_from_slice(part);
            }
        }
        Digest::of(&all)
    }

    fn read(&mut self, path: &Path, name: &str, bytes: u64) -> Option<Arc<str>> {
        if bytes > FILE_BYTES_MAX {
            self.fault(
                name,
                format!("the file has {bytes} bytes"),
                &format!("split it: at most {FILE_BYTES_MAX} are read"),
            );
            return None;
        }
        match fs::read(path).map(String::from_utf8) {
            Ok(Ok(text)) => Some(text.into()),
            Ok(Err(error)) => {
                let good = error.utf8_error().valid_up_to();
                let before = String::from_utf8_lossy(error.as_bytes().get(..good).unwrap_or_default());
                let place =
                    (before.matches('\n').count() + 1, before.chars().rev().take_while(|c| *c != '\n').count() + 1);
                self.fault_at(name, place, "this is not UTF-8".to_owned(), "save the file as UTF-8");
                None
            }
            Err(error) => {
                self.fault(name, format!("the file cannot be read: {error}"), "let Barid read it, or remove it");
                None
            }
        }
    }

    fn fault(&mut self, file: &str, text: String, remedy: &str) {
        self.fault_at(file, (0, 0), text, remedy);
    }

    fn fault_at(&mut self, file: &str, (line, column): (usize, usize), text: String, remedy: &str) {
        self.problems.push(Problem {
            file: file.to_owned(),
            line,
            column,
            severity: ProblemSeverity::Error,
            document: String::new(),
            field: String::new(),
            text,
            remedy: remedy.to_owned(),
        });
    }
}

/// Sizes and times of all document files.
fn stamp(root: &Path) -> std::io::Result<Stamp> {
    let mut found = Stamp::new();
    walk(root, 0, &mut found)?;
    Ok(found)
}

fn walk(folder: &Path, depth: usize, found: &mut Stamp) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        // A file that goes away while the folder is read is a change that the next look sees.
        let Ok(entry) = entry else { continue };
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_hidden = name.starts_with('.') || (depth == 0 && name == "secrets");
        if is_hidden || found.len() > DOCUMENTS_MAX {
            continue;
        }
        let is_document = [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end));
        let Ok(metadata) = fs::metadata(&path) else {
            // A link that leads nowhere is a document that cannot be read, not one that is not there.
            if is_document && fs::symlink_metadata(&path).is_ok() {
                found.insert(path, (0, None));
            }
            continue;
        };
        if metadata.is_dir() && depth < FOLDER_DEPTH_MAX {
            // A folder inside that cannot be read makes the whole unknown: its documents must not seem removed.
            walk(&path, depth + 1, found)?;
        } else if metadata.is_file() && is_document {
            found.insert(path, (metadata.len(), metadata.modified().ok()));
        }
    }
    Ok(())
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

#[cfg(test)]
mod tests;
