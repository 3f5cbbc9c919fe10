//! Events of the YAML parser to trees, within bounds.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::tree::{At, Entry, Node, Value};

/// Deepest nesting of a document: ours need about ten levels.
pub(crate) const DEPTH_MAX: usize = 64;
/// Most nodes that anchors and aliases may add to a file, so that a few lines cannot become gigabytes.
pub(crate) const ALIAS_NODES_MAX: usize = 100_000;

/// A file, or the rest of one, cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub at: At,
    pub text: String,
    pub remedy: String,
}

/// The documents of a file up to the first place that cannot be read, and that place.
pub(crate) fn read(text: &str) -> (Vec<Node>, Option<Unreadable>) {
    if let Some(refused) = forbidden_character(text) {
        return (Vec::new(), Some(refused));
    }
    let mut builder = Builder::default();
    let failed = builder.run(text).err();
    (builder.documents, failed)
}

/// A control character would end the reading early (NUL) or hide something.
fn forbidden_character(text: &str) -> Option<Unreadable> {
    let is_forbidden = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
    let index = text.find(is_forbidden)?;
    let before = text.get(..index).unwrap_or("");
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    Some(unreadable(
        At { line, column },
        "there is a control character here",
        "remove it, or write it as an escape such as \"\\u0001\" in double quotes",
    ))
}

fn unreadable(at: At, text: impl Into<String>, remedy: impl Into<String>) -> Unreadable {
    Unreadable { at, text: text.into(), remedy: remedy.into() }
}

fn not_yaml(error: &ScanError) -> Unreadable {
    let at = place(*error.marker());
    match error.info() {
        "recursion limit exceeded" => unreadable(at, "this is nested too deeply", "documents need about ten levels"),
        info => {
            let remedy = if info.contains("tabs") {
                "indent with spaces"
            } else if info.contains("mapping values are not allowed") {
                "put text with `: ` in it in quotes, or correct the indent"
            } else {
                "look for a missing quote, bracket or indent"
            };
            unreadable(at, format!("this is not YAML: {info}"), remedy)
        }
    }
}

fn place(marker: Marker) -> At {
    At { line: marker.line(), column: marker.col() + 1 }
}

/// A list or map that is not finished, and the key that waits for its value.
enum Open {
    List {
        at: At,
        anchor: usize,
        items: Vec<Node>,
    },
    Map {
        at: At,
        anchor: usize,
        entries: Vec<Entry>,
        keys: BTreeMap<Box<str>, usize>,
        key: Option<(Box<str>, bool, At)>,
    },
}

#[derive(Default)]
struct Builder {
    documents: Vec<Node>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    alias_nodes: usize,
}

type Step = Result<(), Unreadable>;

impl Builder {
    fn run(&mut self, text: &str) -> Step {
        let mut parser: Parser<'_, StrInput<'_>> = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| not_yaml(&error))?;
            self.take(event, span)?;
        }
        Ok(())
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Step {
        let at = place(span.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = check_tag(tag.as_deref(), at, "str")?;
                let plain = style == ScalarStyle::Plain && !is_text;
                self.put(Node { at, value: Value::Scalar { text: text.into(), plain }, skip: false }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                check_tag(tag.as_deref(), at, "seq")?;
                self.begin(Open::List { at, anchor, items: Vec::new() }, at)
            }
            Event::MappingStart(anchor, tag) => {
                check_tag(tag.as_deref(), at, "map")?;
                let (entries, keys) = (Vec::new(), BTreeMap::new());
                self.begin(Open::Map { at, anchor, entries, keys, key: None }, at)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(anchor, at),
            Event::DocumentEnd => {
                self.anchors.clear();
                Ok(())
            }
            Event::DocumentStart(_) | Event::StreamStart | Event::StreamEnd | Event::Nothing => Ok(()),
        }
    }

    fn begin(&mut self, open: Open, at: At) -> Step {
        if self.open.len() >= DEPTH_MAX {
            return Err(unreadable(
                at,
                format!("this is nested deeper than {DEPTH_MAX} levels"),
                "documents need about ten",
            ));
        }
        if matches!(self.open.last(), Some(Open::Map { key: None, .. })) {
            return Err(unreadable(at, "a key is a list or an object", "write the key as text"));
        }
        self.open.push(open);
        Ok(())
    }

    fn end(&mut self) -> Step {
        match self.open.pop() {
            Some(Open::List { at, anchor, items }) => {
                self.put(Node { at, value: Value::List(items), skip: false }, anchor)
            }
            Some(Open::Map { at, anchor, entries, .. }) => {
                self.put(Node { at, value: Value::Map(entries), skip: false }, anchor)
            }
            None => Ok(()),
        }
    }

    fn alias(&mut self, anchor: usize, at: At) -> Step {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(unreadable(at, "this alias stands inside what it refers to", "write the value out"));
        };
        let node = Node { at, ..node.clone() };
        self.spend(node.count(), at)?;
        self.put(node, 0)
    }

    /// Counts what anchors keep and aliases add.
    fn spend(&mut self, nodes: usize, at: At) -> Step {
        self.alias_nodes = self.alias_nodes.saturating_add(nodes);
        if self.alias_nodes <= ALIAS_NODES_MAX {
            return Ok(());
        }
        let text = format!("anchors and aliases add more than {ALIAS_NODES_MAX} values to this file");
        Err(unreadable(at, text, "write fewer of them"))
    }

    fn put(&mut self, node: Node, anchor: usize) -> Step {
        if anchor > 0 {
            self.spend(node.count(), node.at)?;
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            None => self.documents.push(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { entries, keys, key, .. }) => match key.take() {
                Some((name, plain, at)) => entries.push(Entry { key: name, plain, at, value: node }),
                None => {
                    let Value::Scalar { text, plain } = node.value else {
                        return Err(unreadable(node.at, "a key is a list or an object", "write the key as text"));
                    };
                    if plain && &*text == "<<" {
                        return Err(unreadable(node.at, "merge keys (`<<`) are not read", "write the fields out"));
                    }
                    if let Some(line) = keys.insert(text.clone(), node.at.line) {
                        let text = format!("`{text}` stands twice here, first on line {line}");
                        return Err(unreadable(node.at, text, "keep one of the two"));
                    }
                    *key = Some((text, plain, node.at));
                }
            },
        }
        Ok(())
    }
}

/// Whether the node carries the standard tag it would have anyway; another one is refused.
fn check_tag(tag: Option<&Tag>, at: At, own: &str) -> Result<bool, Unreadable> {
    match tag {
        None => Ok(false),
        Some(tag) if (tag.is_yaml_core_schema() && tag.suffix == own) || tag.to_string() == "!" => Ok(true),
        Some(tag) => Err(unreadable(at, format!("the tag `{tag}` means nothing here"), "remove it")),
    }
}
