//! One tree to one document, with all that is wrong with it.

use barid_model::Name;
use barid_model::name::DEFAULT_NAMESPACE;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::de::NodeReader;
use super::fault::Fault;
use super::suggest::nearest;
use crate::document::{API_VERSION, Document, KINDS, Metadata, RESERVED_KINDS, Spec};
use crate::yaml::{At, Node, Step};

/// Most problems that are named of one document.
const FAULTS_MAX: usize = 50;
/// Longest name of a document or namespace: a DNS label.
const NAME_MAX: usize = 63;
/// Most labels, and most annotations, of a document.
const LABELS_MAX: usize = 64;

/// What one tree says.
pub(crate) struct Read {
    /// The kind, where it is one of ours.
    pub kind: Option<&'static str>,
    /// The name, where it could be read.
    pub name: Option<Name>,
    /// The document without what is wrong in it; none where that is no document any more.
    pub document: Option<Document>,
    /// What is wrong.
    pub faults: Vec<(String, At, Fault)>,
}

/// The fields that all documents have.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Outline {
    api_version: Option<String>,
    kind: String,
    metadata: Metadata,
    #[serde(rename = "spec")]
    _spec: Option<IgnoredAny>,
}

/// Reads a tree as a document.
pub(crate) fn read_document(root: &Node) -> Read {
    let mut faults = Vec::new();
    let outline: Option<Outline> = read_all(root, &[], &mut faults);
    let kind = root.get("kind").and_then(Node::text).and_then(|kind| KINDS.into_iter().find(|known| *known == kind));
    let metadata = root.get("metadata");
    let label = |key| metadata.and_then(|node| node.get(key)).and_then(Node::text);
    let name = label("name").filter(|name| is_label(name));
    let name = name.map(|name| Name::new(label("namespace").unwrap_or(DEFAULT_NAMESPACE), name));
    if let Some(outline) = &outline {
        check_outline(root, outline, kind, &mut faults);
    }
    let spec = match (root.get("spec"), kind) {
        (Some(node), Some(kind)) if !node.is_null() => read_spec(kind, node, &mut faults),
        (_, Some(_)) => {
            let fault = Fault::new("the document has no spec", "add it");
            faults.push(("spec".to_owned(), root.locate("spec"), fault));
            None
        }
        _ => None,
    };
    let document = outline.zip(spec).map(|(outline, spec)| Document { metadata: outline.metadata, spec });
    Read { kind, name, document, faults }
}

fn read_spec(kind: &'static str, node: &Node, faults: &mut Vec<(String, At, Fault)>) -> Option<Spec> {
    let under = [Step::Key("spec".to_owned())];
    let under = under.as_slice();
    Some(match kind {
        "Exchange" => Spec::Exchange(read_all(node, under, faults)?),
        "Listener" => Spec::Listener(read_all(node, under, faults)?),
        "Facility" => Spec::Facility(read_all(node, under, faults)?),
        "Channel" => Spec::Channel(read_all(node, under, faults)?),
        "Mapping" => Spec::Mapping(read_all(node, under, faults)?),
        "Destination" => Spec::Destination(read_all(node, under, faults)?),
        "CodeTable" => Spec::CodeTable(read_all(node, under, faults)?),
        "Profile" => Spec::Profile(read_all(node, under, faults)?),
        "ChannelTest" => Spec::ChannelTest(read_all(node, under, faults)?),
        _ => return None,
    })
}

/// Reads a tree again and again without what was wrong in it, until nothing is.
fn read_all<T: DeserializeOwned>(root: &Node, under: &[Step], faults: &mut Vec<(String, At, Fault)>) -> Option<T> {
    match T::deserialize(NodeReader(root)) {
        Ok(value) => Some(value),
        // A copy of the tree is made only where something is wrong.
        Err(fault) => read_rest(root.clone(), fault, under, faults),
    }
}

fn read_rest<T: DeserializeOwned>(
    mut root: Node,
    mut fault: Fault,
    under: &[Step],
    faults: &mut Vec<(String, At, Fault)>,
) -> Option<T> {
    for _ in 0..FAULTS_MAX {
        let way = fault.way.clone();
        let left_out = |field: &str| root_at(&root, &way).is_some_and(|node| node.get(field).is_some());
        // A field that was left out because it is wrong is not missing as well.
        if !fault.missing.is_some_and(left_out) {
            let mut whole = under.to_vec();
            whole.extend(way.iter().cloned());
            whole.extend(fault.missing.map(|field| Step::Key(field.to_owned())));
            let at = fault.at.unwrap_or(root.at);
            faults.push((field(&whole), at, fault));
        }
        if way.is_empty() {
            return None;
        }
        root.walk_mut(&way)?.skip = true;
        match T::deserialize(NodeReader(&root)) {
            Ok(value) => return Some(value),
            Err(next) => fault = next,
        }
    }
    None
}

fn root_at<'a>(root: &'a Node, way: &[Step]) -> Option<&'a Node> {
    way.iter().try_fold(root, |node, step| match step {
        Step::Key(key) => node.get(key),
        Step::Index(index) => match &node.value {
            crate::yaml::Value::List(items) => items.get(*index),
            _ => None,
        },
    })
}

/// A way as people write it: `spec.routes[1].when`.
fn field(way: &[Step]) -> String {
    let mut field = String::new();
    for step in way {
        match step {
            Step::Index(index) => field.push_str(&format!("[{index}]")),
            Step::Key(key) if key.contains(['.', '[', ']', '"']) => field.push_str(&format!("[\"{key}\"]")),
            Step::Key(key) => {
                if !field.is_empty() {
                    field.push('.');
                }
                field.push_str(key);
            }
        }
    }
    field
}

fn is_label(name: &str) -> bool {
    let inner = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    inner && !name.is_empty() && name.len() <= NAME_MAX && !name.starts_with('-') && !name.ends_with('-')
}

fn check_outline(root: &Node, outline: &Outline, kind: Option<&str>, faults: &mut Vec<(String, At, Fault)>) {
    let mut wrong = |field: &str, text: String, remedy: String| {
        faults.push((field.to_owned(), root.locate(field), Fault::new(text, remedy)));
    };
    if let Some(version) = outline.api_version.as_deref().filter(|version| *version != API_VERSION) {
        wrong("apiVersion", format!("`{version}` is not a version this Barid knows"), format!("write {API_VERSION}"));
    }
    if kind.is_none() {
        let written = &outline.kind;
        if RESERVED_KINDS.contains(&written.as_str()) {
            wrong(
                "kind",
                format!("the kind {written} is reserved and not built yet"),
                "remove the document".to_owned(),
            );
        } else {
            let known = KINDS.join(", ");
            let guess = nearest(written, KINDS).map_or(String::new(), |word| format!("did you mean {word}? "));
            wrong("kind", format!("`{written}` is not a kind"), format!("{guess}kinds: {known}"));
        }
    }
    let label = "use lower case letters, digits and `-`, at most 63 characters, first and last no `-`";
    let metadata = &outline.metadata;
    if !is_label(&metadata.name) {
        wrong("metadata.name", format!("`{}` cannot be a name", metadata.name), label.to_owned());
    }
    if let Some(namespace) = metadata.namespace.as_deref().filter(|namespace| !is_label(namespace)) {
        wrong("metadata.namespace", format!("`{namespace}` cannot be a namespace"), label.to_owned());
    }
    for (field, count) in
        [("metadata.labels", metadata.labels.len()), ("metadata.annotations", metadata.annotations.len())]
    {
        if count > LABELS_MAX {
            wrong(field, format!("there are {count} of them"), format!("keep at most {LABELS_MAX}"));
        }
    }
}
