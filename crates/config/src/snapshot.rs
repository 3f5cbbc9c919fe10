//! The snapshot: what the data plane runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use barid_expr::{FacilityFacts, Program};
use barid_hl7::{Limits, Path};
use barid_model::{FacilityRef, Name, Revision};
use barid_transform::ChannelProgram;
use barid_validate::{OrderRule, ParseTable};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::compile::{ClosureError, Compiled, Given, compile_given, rebuild};
use crate::document::{ChannelTest, Document, KINDS, Metadata, Spec};
use crate::settings::{ChannelSettings, DestinationSpec, ExchangeSpec, FacilitySpec, ListenerSpec};

/// What the data plane runs: every document that is good, compiled. Cheap to share, never changed.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// One more than the snapshot it was compiled after.
    pub number: u64,
    /// The installation.
    pub exchange: Arc<ExchangeSpec>,
    /// Where messages enter.
    pub listeners: BTreeMap<Name, Arc<ListenerSpec>>,
    /// Who sends.
    pub facilities: BTreeMap<Name, Arc<FacilitySpec>>,
    /// The channels that run.
    pub channels: BTreeMap<Name, Arc<Channel>>,
    /// Channels without any good version, and why: their messages are refused as retryable.
    pub invalid: BTreeMap<Name, String>,
    /// Who receives. One that is no longer declared stays while the last good version of a channel leads to it.
    pub destinations: BTreeMap<Name, Arc<DestinationSpec>>,
    /// What the parse stage looks things up in.
    pub parse: Arc<ParseTable>,
    /// What users expect of their channels.
    pub tests: BTreeMap<Name, Arc<ChannelTest>>,
    /// Channels without any good version, as they are written: what they claim is nobody else's.
    pub(crate) claims: BTreeMap<Name, KeptDocument>,
    /// The last good version of each document.
    pub(crate) documents: BTreeMap<DocumentKey, KeptDocument>,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            number: 0,
            exchange: Arc::default(),
            listeners: BTreeMap::new(),
            facilities: BTreeMap::new(),
            channels: BTreeMap::new(),
            invalid: BTreeMap::new(),
            destinations: BTreeMap::new(),
            parse: Arc::new(ParseTable::new(Vec::new(), Vec::new(), Vec::new())),
            tests: BTreeMap::new(),
            claims: BTreeMap::new(),
            documents: BTreeMap::new(),
        }
    }
}

/// A document's kind and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DocumentKey {
    pub kind: &'static str,
    pub name: Name,
}

/// A document's last good version and the file it stood in.
#[derive(Debug, Clone)]
pub(crate) struct KeptDocument {
    pub document: Arc<Document>,
    pub file: Arc<str>,
}

/// A kept document as it is stored.
#[derive(Serialize, Deserialize)]
pub(crate) struct Stored {
    file: Arc<str>,
    metadata: Metadata,
    #[serde(flatten)]
    spec: Spec,
}

impl Stored {
    pub(crate) fn of(kept: &KeptDocument) -> Self {
        Self {
            file: Arc::clone(&kept.file),
            metadata: kept.document.metadata.clone(),
            spec: kept.document.spec.clone(),
        }
    }

    pub(crate) fn given(self) -> Given {
        Given { document: Document { metadata: self.metadata, spec: self.spec }, file: self.file }
    }
}

fn text<'a>(documents: impl Iterator<Item = &'a KeptDocument>) -> Bytes {
    let all: Vec<Stored> = documents.map(Stored::of).collect();
    serde_json::to_vec(&all).map(Bytes::from).unwrap_or_default()
}

/// A stored snapshot cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the stored documents cannot be read: {0}")]
pub struct RestoreError(#[from] serde_json::Error);

impl Snapshot {
    /// Whether there is no good document at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// The good version of every document as text, to be stored and given to [`Self::restore`] after a restart.
    #[must_use]
    pub fn save(&self) -> Bytes {
        text(self.documents.values())
    }

    /// A destination's good version with the Exchange's, as text like that of [`Self::save`]: all that decides how it is
    /// reached. None where there is no such document.
    #[must_use]
    pub fn alone(&self, destination: &Name) -> Option<Bytes> {
        let own = self.documents.get(&DocumentKey { kind: "Destination", name: destination.clone() })?;
        let exchange = self.documents.iter().filter(|(key, _)| key.kind == "Exchange").map(|(_, kept)| kept);
        Some(text(exchange.chain([own])))
    }

    /// A snapshot from stored documents: what `compile` takes as the one before, so that a document that is wrong when
    /// Barid starts still has its last good version.
    ///
    /// # Errors
    /// Where the text is none that [`Self::save`] wrote.
    pub fn restore(text: &[u8]) -> Result<Arc<Self>, RestoreError> {
        let all: Vec<Stored> = serde_json::from_slice(text)?;
        let Compiled { snapshot, .. } = compile_given(all.into_iter().map(Stored::given).collect(), None);
        Ok(snapshot)
    }

    /// A document's last good version.
    #[must_use]
    pub fn document(&self, kind: &str, name: &Name) -> Option<&Document> {
        let kind = KINDS.into_iter().find(|known| *known == kind)?;
        self.documents.get(&DocumentKey { kind, name: name.clone() }).map(|kept| &*kept.document)
    }

    /// The file that a document's last good version stood in, relative to the folder of documents.
    #[must_use]
    pub fn file(&self, kind: &str, name: &Name) -> Option<&str> {
        let kind = KINDS.into_iter().find(|known| *known == kind)?;
        self.documents.get(&DocumentKey { kind, name: name.clone() }).map(|kept| &*kept.file)
    }
}

/// One revision of a channel.
#[derive(Debug)]
pub struct Channel {
    /// Its name.
    pub name: Name,
    /// The hash of its closure.
    pub revision: Revision,
    /// Its settings.
    pub settings: ChannelSettings,
    /// What it does to a message.
    pub program: Arc<ChannelProgram>,
    /// Itself and all that it refers to, as canonical JSON: what is stored under its revision.
    pub closure: Bytes,
    pub(crate) when: Option<Arc<Program>>,
    pub(crate) order: OrderRule,
    pub(crate) index: Vec<Path>,
    pub(crate) senders: BTreeMap<Arc<str>, Sender>,
}

/// What a channel's revision knows of a sender.
#[derive(Debug, Clone)]
pub struct Sender {
    /// What expressions may ask.
    pub facts: Arc<FacilityFacts>,
    /// How its bytes are read.
    pub limits: Limits,
}

impl Channel {
    /// A revision from its stored closure.
    ///
    /// # Errors
    /// Where the text is no closure, or does not compile with this Barid.
    pub fn from_closure(closure: &Bytes) -> Result<Self, ClosureError> {
        rebuild(closure)
    }

    /// What this revision knows of the sender of a message: of whom it speaks for, where a gateway sent it.
    #[must_use]
    pub fn sender(&self, facility: &FacilityRef) -> Sender {
        let name = facility.speaks_for.as_ref().unwrap_or(&facility.name);
        if let Some(known) = self.senders.get(name) {
            return known.clone();
        }
        let facts = match (facility.verified, name.split_once('/')) {
            (true, Some((namespace, short))) => FacilityFacts {
                name: short.to_owned(),
                namespace: namespace.to_owned(),
                display_name: short.to_owned(),
                labels: BTreeMap::new(),
                verified: true,
            },
            _ => FacilityFacts { name: name.to_string(), ..FacilityFacts::default() },
        };
        Sender { facts: Arc::new(facts), limits: Limits::default() }
    }

    /// Whether it reads from a listener.
    #[must_use]
    pub fn reads(&self, listener: &Name) -> bool {
        match self.settings.from.as_ref().map(|from| from.listeners.as_slice()) {
            None => false,
            Some([]) => listener.namespace() == self.name.namespace(),
            Some(named) => named.contains(listener),
        }
    }
}
