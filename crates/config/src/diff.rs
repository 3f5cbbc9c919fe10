//! What a change of documents touches: for `barid diff`, and for a reload that leaves everything else alone.

use std::collections::{BTreeMap, BTreeSet};

use barid_model::Name;
use serde::Serialize;
use serde_json::Value;

use crate::snapshot::{Channel, Snapshot};

/// Most fields named of one change.
const FIELDS_MAX: usize = 200;

/// What became of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is another.
    Changed,
}

/// One listener, facility, channel or destination that a change touches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The kind.
    pub kind: &'static str,
    /// The name.
    pub name: Name,
    /// What became of it.
    pub what: What,
    /// What that does to what is running.
    pub effect: String,
    /// The fields that differ. For a channel also those of what it refers to: `mappings[default/x].steps[0].set.to`.
    pub fields: Vec<FieldChange>,
}

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// The field.
    pub field: String,
    /// What was written; none: nothing.
    pub before: Option<String>,
    /// What is written now; none: nothing.
    pub after: Option<String>,
}

/// All that a change touches, by kind and name.
#[must_use]
pub fn diff(old: &Snapshot, new: &Snapshot) -> Vec<Change> {
    let mut changes = Vec::new();
    if old.exchange != new.exchange {
        changes.push(Change {
            kind: "Exchange",
            name: Name::local(&new.exchange.name),
            what: What::Changed,
            effect: "holds for new messages".to_owned(),
            fields: documents(old, new, "Exchange", &Name::local(&new.exchange.name)),
        });
    }
    compare("Listener", &old.listeners, &new.listeners, &mut changes, |name, before, after| {
        let effect = if after.needs_new_socket(before) {
            "opens a new socket; its connections end"
        } else {
            "keeps its connections"
        };
        (effect.to_owned(), documents(old, new, "Listener", name))
    });
    compare("Facility", &old.facilities, &new.facilities, &mut changes, |name, _, _| {
        ("holds for new messages".to_owned(), documents(old, new, "Facility", name))
    });
    compare("Destination", &old.destinations, &new.destinations, &mut changes, |name, before, after| {
        let effect = if after.needs_new_connections(before) { "connects anew" } else { "keeps its connections" };
        (effect.to_owned(), documents(old, new, "Destination", name))
    });
    compare_channels(old, new, &mut changes);
    changes
}

fn compare<T: PartialEq>(
    kind: &'static str,
    old: &BTreeMap<Name, std::sync::Arc<T>>,
    new: &BTreeMap<Name, std::sync::Arc<T>>,
    changes: &mut Vec<Change>,
    changed: impl Fn(&Name, &T, &T) -> (String, Vec<FieldChange>),
) {
    let names: BTreeSet<&Name> = old.keys().chain(new.keys()).collect();
    for name in names {
        let (what, (effect, fields)) = match (old.get(name), new.get(name)) {
            (Some(before), Some(after)) if before != after => (What::Changed, changed(name, before, after)),
            (None, Some(_)) => (What::Added, (added(kind).to_owned(), Vec::new())),
            (Some(_), None) => (What::Removed, (removed(kind).to_owned(), Vec::new())),
            _ => continue,
        };
        changes.push(Change { kind, name: name.clone(), what, effect, fields });
    }
}

fn added(kind: &str) -> &'static str {
    match kind {
        "Listener" => "opens a socket",
        "Destination" => "is sent to",
        _ => "takes new messages",
    }
}

fn removed(kind: &str) -> &'static str {
    match kind {
        "Listener" => "closes its socket",
        "Destination" => "is drained: what waits for it is still sent",
        _ => "takes no new messages; those it has are finished",
    }
}

fn compare_channels(old: &Snapshot, new: &Snapshot, changes: &mut Vec<Change>) {
    let names: BTreeSet<&Name> = old.channels.keys().chain(new.channels.keys()).collect();
    for name in names {
        let (what, effect, fields) = match (old.channels.get(name), new.channels.get(name)) {
            (Some(before), Some(after)) if before.revision != after.revision => {
                let effect = format!("new messages under revision {after:.8}", after = after.revision.to_string());
                (What::Changed, effect, closures(before, after))
            }
            (None, Some(_)) => (What::Added, added("Channel").to_owned(), Vec::new()),
            (Some(_), None) => (What::Removed, removed("Channel").to_owned(), Vec::new()),
            _ => continue,
        };
        changes.push(Change { kind: "Channel", name: name.clone(), what, effect, fields });
    }
}

/// The fields of a channel, and of all that it refers to, that differ.
fn closures(before: &Channel, after: &Channel) -> Vec<FieldChange> {
    let read = |channel: &Channel| serde_json::from_slice::<Value>(&channel.closure).unwrap_or_default();
    let mut fields = Vec::new();
    differences("", Some(&read(before)), Some(&read(after)), &mut fields);
    fields
}

/// The fields of a document that differ.
fn documents(old: &Snapshot, new: &Snapshot, kind: &str, name: &Name) -> Vec<FieldChange> {
    let read = |snapshot: &Snapshot| {
        let document = snapshot.document(kind, name)?;
        let mut both = serde_json::Map::new();
        both.insert("labels".to_owned(), serde_json::to_value(&document.metadata.labels).ok()?);
        both.extend(serde_json::to_value(&document.spec).ok()?.as_object().cloned()?);
        both.remove("kind");
        Some(Value::Object(both))
    };
    let mut fields = Vec::new();
    differences("", read(old).as_ref(), read(new).as_ref(), &mut fields);
    fields
}

fn differences(at: &str, before: Option<&Value>, after: Option<&Value>, out: &mut Vec<FieldChange>) {
    if before == after || out.len() >= FIELDS_MAX {
        return;
    }
    match (before, after) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for key in keys {
                let plain = key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
                let field = match (plain, at.is_empty()) {
                    (true, true) => key.clone(),
                    (true, false) => format!("{at}.{key}"),
                    (false, _) => format!("{at}[{key}]"),
                };
                differences(&field, one.get(key), other.get(key), out);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            for i in 0..one.len().max(other.len()) {
                differences(&format!("{at}[{i}]"), one.get(i), other.get(i), out);
            }
        }
        _ => out.push(FieldChange { field: at.to_owned(), before: before.map(text), after: after.map(text) }),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
