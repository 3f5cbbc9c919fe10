//! A channel's closure: itself and all that it refers to, as one text whose hash is the revision.
//!
//! A message is mapped and routed under the revision it was accepted with, maybe long after the documents changed, so
//! everything that decides its output is in here: steps, tables, constants, how destinations want it written, and what
//! expressions may ask about facilities. Nothing else is: timeouts, pauses and retries act at their newest.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use barid_expr::FacilityFacts;
use barid_hl7::{Charset, Limits};
use barid_model::{ErrorClass, Name, Revision};
use barid_transform::{Library, Table, Unresolved};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::program::{Input, Parts, parts};
use crate::document::{Channel, CodeRow, Defaults, Outbound, Reference, Step, full_name};
use crate::snapshot;

/// The form of closures that this Barid writes.
const FORMAT: u32 = 1;

/// A stored closure cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClosureError {
    /// It is no closure.
    #[error("not a channel's closure: {0}")]
    Malformed(String),
    /// It was written by a newer Barid.
    #[error("closure format {0} is newer than this Barid reads ({FORMAT})")]
    Format(u32),
    /// It does not compile any more, with an older Barid's meaning of something.
    #[error("the stored revision of {channel} does not compile: {field}: {text}")]
    Compile {
        /// The channel.
        channel: String,
        /// The field.
        field: String,
        /// What is wrong.
        text: String,
    },
}

impl ClosureError {
    /// A stored text does not get better by itself.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        ErrorClass::Fatal
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Closure<'a> {
    pub format: u32,
    pub channel: Name,
    pub spec: Cow<'a, Channel>,
    pub defaults: Defaults,
    pub constants: BTreeMap<String, String>,
    pub mappings: BTreeMap<Name, Cow<'a, [Step]>>,
    pub tables: BTreeMap<Name, Cow<'a, [CodeRow]>>,
    pub outbound: BTreeMap<Name, Outbound>,
    pub facilities: BTreeMap<Name, FacilityClosure>,
}

/// What a channel's outputs can depend on of a facility.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FacilityClosure {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_charset: Option<String>,
}

impl<'a> Closure<'a> {
    pub(super) fn new(name: &Name, spec: &Channel, defaults: &Defaults) -> Self {
        // What people call it is no part of what it does.
        let spec = Channel { description: None, ..spec.clone() };
        let defaults = Defaults { timeout: None, retry: None, backlog: None, ..defaults.clone() };
        Self {
            format: FORMAT,
            channel: name.clone(),
            spec: Cow::Owned(spec),
            defaults,
            constants: BTreeMap::new(),
            mappings: BTreeMap::new(),
            tables: BTreeMap::new(),
            outbound: BTreeMap::new(),
            facilities: BTreeMap::new(),
        }
    }

    /// The canonical text: no white space, fields in the order of their declaration, maps in the order of their keys.
    pub(super) fn text(&self) -> Bytes {
        serde_json::to_vec(self).map(Bytes::from).unwrap_or_default()
    }
}

/// What expressions may ask about a facility, and how its bytes are read.
pub(super) fn sender(name: &Name, facts: &FacilityClosure) -> snapshot::Sender {
    let limits = match facts.fallback_charset.as_deref().map(Charset::from_name) {
        Some(Ok(charset)) => Limits { fallback_charset: charset, ..Limits::default() },
        _ => Limits::default(),
    };
    let facts = FacilityFacts {
        name: name.name().to_owned(),
        namespace: name.namespace().to_owned(),
        display_name: facts.display_name.clone().unwrap_or_else(|| name.name().to_owned()),
        labels: facts.labels.clone(),
        verified: true,
    };
    snapshot::Sender { facts: Arc::new(facts), limits }
}

/// The channel as it runs.
pub(super) fn finish(closure: &Closure<'_>, text: Bytes, parts: Parts) -> snapshot::Channel {
    let senders = closure.facilities.iter().map(|(name, facts)| (name.to_string().into(), sender(name, facts)));
    snapshot::Channel {
        name: closure.channel.clone(),
        revision: Revision::of(&text),
        settings: parts.settings,
        program: Arc::new(parts.program),
        when: parts.when,
        order: parts.order,
        index: parts.index,
        senders: senders.collect(),
        closure: text,
    }
}

/// A channel from its stored closure.
pub(crate) fn rebuild(text: &Bytes) -> Result<snapshot::Channel, ClosureError> {
    let malformed = |error: serde_json::Error| ClosureError::Malformed(error.to_string());
    let outline: Outline = serde_json::from_slice(text).map_err(malformed)?;
    if outline.format > FORMAT {
        return Err(ClosureError::Format(outline.format));
    }
    let closure: Closure<'static> = serde_json::from_slice(text).map_err(malformed)?;
    let library = Stored(&closure);
    let outbound = |name: &Name| closure.outbound.get(name).cloned().unwrap_or_default();
    let input = Input {
        name: &closure.channel,
        spec: &closure.spec,
        defaults: &closure.defaults,
        constants: Arc::new(closure.constants.clone()),
        library: &library,
        outbound: &outbound,
    };
    let parts = parts(&input).map_err(|faults| {
        let (field, text) = faults.into_iter().next().map(|fault| (fault.field, fault.text)).unwrap_or_default();
        ClosureError::Compile { channel: closure.channel.short(), field, text }
    })?;
    Ok(finish(&closure, text.clone(), parts))
}

/// The channel with other constants, for a test.
pub(crate) fn with_constants(
    channel: &snapshot::Channel,
    constants: &BTreeMap<String, String>,
) -> Result<snapshot::Channel, ClosureError> {
    let mut closure: Closure<'static> =
        serde_json::from_slice(&channel.closure).map_err(|error| ClosureError::Malformed(error.to_string()))?;
    closure.constants.extend(constants.iter().map(|(name, value)| (name.clone(), value.clone())));
    rebuild(&closure.text())
}

#[derive(Deserialize)]
struct Outline {
    format: u32,
}

/// Gives steps what was stored with them.
struct Stored<'a>(&'a Closure<'static>);

impl Library for Stored<'_> {
    fn table(&self, from: &str, reference: &Reference) -> Result<Arc<Table>, Unresolved> {
        let name = full_name(reference, from);
        let rows = self.0.tables.get(&name).ok_or_else(|| not_stored("CodeTable", &name))?;
        Table::compile(rows).map(Arc::new).map_err(|_| not_stored("CodeTable", &name))
    }

    fn mapping(&self, from: &str, reference: &Reference) -> Result<(Name, Arc<[Step]>), Unresolved> {
        let name = full_name(reference, from);
        let steps = self.0.mappings.get(&name).ok_or_else(|| not_stored("Mapping", &name))?;
        Ok((name, Arc::from(&**steps)))
    }
}

fn not_stored(kind: &str, name: &Name) -> Unresolved {
    Unresolved { text: format!("{kind} {} was not stored with the revision", name.short()), remedy: String::new() }
}
