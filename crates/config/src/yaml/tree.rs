//! The tree: scalars, lists and maps with their places.

/// A place in a file, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct At {
    pub line: usize,
    pub column: usize,
}

/// One node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub at: At,
    pub value: Value,
    /// Left out when the tree is read again after a problem was found in it.
    pub skip: bool,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Text; `plain` where it stands without quotes and without `!!str`.
    Scalar {
        text: Box<str>,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One entry of a map.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub key: Box<str>,
    pub plain: bool,
    pub at: At,
    pub value: Node,
}

/// One step of the way from the root to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

impl Node {
    /// What it is, for people.
    pub(crate) const fn what(&self) -> &'static str {
        match &self.value {
            Value::Scalar { .. } => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "an object",
        }
    }

    /// Whether nothing is written: an empty plain scalar, `~` or `null`.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(&**text, "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The entries of a map; none for anything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// A map's value.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| &*entry.key == key).map(|entry| &entry.value)
    }

    /// A scalar's text.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The node at the end of a way, to change.
    pub(crate) fn walk_mut(&mut self, way: &[Step]) -> Option<&mut Self> {
        let Some((first, rest)) = way.split_first() else { return Some(self) };
        let next = match (first, &mut self.value) {
            (Step::Key(key), Value::Map(entries)) => {
                entries.iter_mut().find(|entry| *entry.key == **key).map(|entry| &mut entry.value)
            }
            (Step::Index(index), Value::List(items)) => items.get_mut(*index),
            _ => None,
        }?;
        next.walk_mut(rest)
    }

    /// The place of a field path such as `spec.routes[1].when`; of its nearest part that is written where it is not.
    pub(crate) fn locate(&self, field: &str) -> At {
        let mut node = self;
        let mut at = self.at;
        for step in steps(field) {
            let next = match (&step, &node.value) {
                (Step::Key(key), Value::Map(entries)) => {
                    entries.iter().find(|entry| *entry.key == **key).map(|entry| (entry.at, &entry.value))
                }
                (Step::Index(index), Value::List(items)) => items.get(*index).map(|item| (item.at, item)),
                _ => None,
            };
            let Some((place, inner)) = next else { return at };
            // A scalar is pointed at itself, a block at its key.
            at = if matches!(inner.value, Value::Scalar { .. }) && !inner.is_null() { inner.at } else { place };
            node = inner;
        }
        at
    }

    /// How many nodes it is.
    pub(crate) fn count(&self) -> usize {
        1 + match &self.value {
            Value::Scalar { .. } => 0,
            Value::List(items) => items.iter().map(Self::count).sum(),
            Value::Map(entries) => entries.iter().map(|entry| entry.value.count()).sum::<usize>(),
        }
    }
}

/// Takes a field path apart. A key that holds a dot or bracket is written in quotes: `labels["a.b"]`.
fn steps(field: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = field;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("[\"") {
            let Some((key, after)) = after.split_once("\"]") else { break };
            steps.push(Step::Key(key.to_owned()));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('[') {
            let Some((index, after)) = after.split_once(']') else { break };
            let Ok(index) = index.parse() else { break };
            steps.push(Step::Index(index));
            rest = after;
        } else {
            let plain = rest.strip_prefix('.').unwrap_or(rest);
            let end = plain.find(['.', '[']).unwrap_or(plain.len());
            let (key, after) = plain.split_at_checked(end).unwrap_or((plain, ""));
            if key.is_empty() {
                break;
            }
            steps.push(Step::Key(key.to_owned()));
            rest = after;
        }
    }
    steps
}
