//! All documents by kind and name, with where each was written and how it stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use barid_model::Name;

use super::check::Check;
use crate::document::{Document, Metadata, Spec};
use crate::load::{Beside, DOCUMENTS_MAX, Sources};
use crate::problem::{Problem, ProblemSeverity};
use crate::read::read_document;
use crate::snapshot::{DocumentKey, KeptDocument, Snapshot};
use crate::yaml::{At, Node, read};

/// One document and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub name: Name,
    pub kind: &'static str,
    /// As written, without what could not be read; none where nothing could.
    pub written: Option<Arc<Document>>,
    pub file: Arc<str>,
    pub node: Option<Arc<Node>>,
    /// Something is wrong with it: it does not take effect.
    pub faulty: bool,
    /// Fields that could not be read and were left out of `written`.
    pub unread: Vec<String>,
}

/// A document that was read before.
pub(crate) struct Given {
    pub document: Document,
    pub file: Arc<str>,
}

/// All documents.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    entries: BTreeMap<DocumentKey, Entry>,
    /// Where the documents were read; none where their texts were given.
    beside: Option<Beside>,
}

impl Entry {
    /// `Channel default/admissions`
    pub(crate) fn label(&self) -> String {
        format!("{} {}", self.kind, self.name.short())
    }

    pub(crate) fn at(&self, field: &str) -> At {
        self.node.as_ref().map(|node| node.locate(field)).unwrap_or_default()
    }

    pub(crate) fn metadata(&self) -> Option<&Metadata> {
        self.written.as_ref().map(|document| &document.metadata)
    }
}

impl Shelf {
    pub(crate) fn of(given: Vec<Given>) -> Self {
        let mut shelf = Self::default();
        for Given { document, file } in given {
            let (name, kind) = (document.metadata.full_name(), document.spec.kind());
            let written = Some(Arc::new(document));
            let entry =
                Entry { name: name.clone(), kind, written, file, node: None, faulty: false, unread: Vec::new() };
            shelf.entries.insert(DocumentKey { kind, name }, entry);
        }
        shelf
    }

    /// Reads all files. Documents of a file that cannot be read to its end stay as `previous` has them.
    pub(crate) fn read(sources: &Sources, previous: Option<&Snapshot>) -> (Self, Vec<Problem>) {
        let mut shelf = Self { beside: sources.beside(), ..Self::default() };
        let mut problems = sources.problems.clone();
        let mut torn: Vec<Arc<str>> = Vec::new();
        for file in &sources.files {
            let Some(text) = &file.text else {
                torn.push(Arc::clone(&file.path));
                continue;
            };
            let (nodes, failed) = read(text);
            if let Some(failed) = failed {
                problems.push(problem(&file.path, failed.at, String::new(), "", &failed.text, &failed.remedy));
                torn.push(Arc::clone(&file.path));
            }
            for node in nodes.into_iter().filter(|node| !node.is_null()) {
                if !shelf.put(&file.path, node, &mut problems) {
                    torn.push(Arc::clone(&file.path));
                }
            }
        }
        let unknown = |file: &Arc<str>| sources.unreadable || torn.contains(file);
        for (key, kept) in previous.iter().flat_map(|snapshot| &snapshot.documents) {
            if unknown(&kept.file) && !shelf.entries.contains_key(key) {
                shelf.keep(key.clone(), kept);
            }
        }
        (shelf, problems)
    }

    /// The path of a file that a document names and that is not there, where that can be known.
    pub(crate) fn missing(&self, document: &str, file: &str) -> Option<String> {
        let path = match document.rsplit_once('/') {
            Some((folder, _)) => format!("{folder}/{file}"),
            None => file.to_owned(),
        };
        self.beside.as_ref().is_some_and(|beside| !beside.has(&path)).then_some(path)
    }

    fn keep(&mut self, key: DocumentKey, kept: &KeptDocument) {
        let entry = Entry {
            name: key.name.clone(),
            kind: key.kind,
            written: Some(Arc::clone(&kept.document)),
            file: Arc::clone(&kept.file),
            node: None,
            faulty: false,
            unread: Vec::new(),
        };
        self.entries.insert(key, entry);
    }

    /// Puts one tree on the shelf; false where it is not known which document it is.
    fn put(&mut self, file: &Arc<str>, node: Node, problems: &mut Vec<Problem>) -> bool {
        let read = read_document(&node);
        let label = match (read.kind, &read.name) {
            (Some(kind), Some(name)) => format!("{kind} {}", name.short()),
            _ => String::new(),
        };
        for (field, at, fault) in &read.faults {
            problems.push(problem(file, *at, label.clone(), field, &fault.text, &fault.remedy));
        }
        let (Some(kind), Some(name)) = (read.kind, read.name) else { return false };
        let key = DocumentKey { kind, name: name.clone() };
        if let Some(first) = self.entries.get(&key) {
            let text = format!("{label} is declared twice, first in {} on line {}", first.file, first.at("kind").line);
            problems.push(problem(
                file,
                node.locate("metadata.name"),
                label,
                "metadata.name",
                &text,
                "rename or remove one of the two",
            ));
            return true;
        }
        if self.entries.len() >= DOCUMENTS_MAX {
            let text = format!("there are more than {DOCUMENTS_MAX} documents; this one is left out");
            problems.push(problem(file, node.at, label, "", &text, "keep fewer documents in one folder"));
            return true;
        }
        let (written, faulty) = (read.document.map(Arc::new), !read.faults.is_empty());
        let (file, node) = (Arc::clone(file), Some(Arc::new(node)));
        let unread = read.faults.into_iter().map(|(field, ..)| field).collect();
        self.entries.insert(key, Entry { name, kind, written, file, node, faulty, unread });
        true
    }

    pub(crate) fn get(&self, kind: &'static str, name: &Name) -> Option<&Entry> {
        self.entries.get(&DocumentKey { kind, name: name.clone() })
    }

    /// All documents of a kind, in the order of their names.
    pub(crate) fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = &Entry> {
        let from = DocumentKey { kind, name: Name::new("", "") };
        self.entries.range(from..).map(|(_, entry)| entry).take_while(move |entry| entry.kind == kind)
    }

    /// The names of a kind's documents that do not take effect.
    pub(crate) fn faulty(&self, kind: &'static str) -> Vec<Name> {
        self.of_kind(kind).filter(|entry| entry.faulty).map(|entry| entry.name.clone()).collect()
    }

    pub(crate) fn mark_faulty(&mut self, kind: &'static str, name: &Name) {
        if let Some(entry) = self.entries.get_mut(&DocumentKey { kind, name: name.clone() }) {
            entry.faulty = true;
        }
    }

    /// The document that others see: as written where it is good, else its last good version.
    pub(crate) fn in_effect(&self, kind: &'static str, name: &Name, previous: &Snapshot) -> Option<Arc<Document>> {
        let entry = self.get(kind, name)?;
        if !entry.faulty {
            return entry.written.clone();
        }
        let key = DocumentKey { kind, name: name.clone() };
        previous.documents.get(&key).map(|kept| Arc::clone(&kept.document))
    }

    /// Every document's last good version.
    pub(crate) fn good_documents(&self, previous: &Snapshot) -> BTreeMap<DocumentKey, KeptDocument> {
        let kept = |(key, entry): (&DocumentKey, &Entry)| match (&entry.written, entry.faulty) {
            (Some(document), false) => {
                let kept = KeptDocument { document: Arc::clone(document), file: Arc::clone(&entry.file) };
                Some((key.clone(), kept))
            }
            _ => previous.documents.get(key).map(|kept| (key.clone(), kept.clone())),
        };
        self.entries.iter().filter_map(kept).collect()
    }

    /// Channels as they are written, good or not.
    pub(crate) fn claims<'a>(&self, names: impl Iterator<Item = &'a Name>) -> BTreeMap<Name, KeptDocument> {
        let claim = |name: &Name| {
            let entry = self.get("Channel", name)?;
            let document = Arc::clone(entry.written.as_ref()?);
            Some((name.clone(), KeptDocument { document, file: Arc::clone(&entry.file) }))
        };
        names.filter_map(claim).collect()
    }

    /// Checks every good document of a kind with `each`; one with errors becomes faulty. Gives what was compiled.
    pub(crate) fn check<T>(
        &mut self,
        kind: &'static str,
        problems: &mut Vec<Problem>,
        mut each: impl FnMut(&Self, &Entry, &Spec, &mut Check<'_>) -> Option<T>,
    ) -> BTreeMap<Name, T> {
        let mut compiled = BTreeMap::new();
        let mut faulty = Vec::new();
        for entry in self.of_kind(kind) {
            let Some(document) = &entry.written else { continue };
            let mut check = Check::new(entry, problems);
            let result = each(self, entry, &document.spec, &mut check);
            let is_good = check.is_good();
            match result {
                Some(value) if is_good && !entry.faulty => {
                    compiled.insert(entry.name.clone(), value);
                }
                _ => faulty.push(entry.name.clone()),
            }
        }
        faulty.iter().for_each(|name| self.mark_faulty(kind, name));
        compiled
    }
}

pub(crate) fn problem(file: &str, at: At, document: String, field: &str, text: &str, remedy: &str) -> Problem {
    Problem {
        file: file.to_owned(),
        line: at.line,
        column: at.column,
        severity: ProblemSeverity::Error,
        document,
        field: field.to_owned(),
        text: text.to_owned(),
        remedy: remedy.to_owned(),
    }
}
