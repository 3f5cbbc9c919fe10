//! Places in a message as mappings write them: absolute (`PID-3.1`), or relative to the item at hand (`item-5.1`).
//!
//! Inside `forEach`, the item's name stands for the segment (`OBX[n]`) or repetition (`PID-3[n]`) at hand, and what
//! follows it is written as it would be after that: `item-5.1`, `item.4.1`. In expressions the item is indexed:
//! `item['5.1']`, `item['4.1']`. Item names begin with a small letter and segment ids with a capital, so the two cannot
//! be confused. An address is read once and turned into a concrete path by two assignments.

use barid_hl7::{Index, Path, PathError, SegmentId};

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    /// A segment of this id.
    Segment(SegmentId),
    /// A repetition of this field.
    Repetition(SegmentId, u16),
}

/// An item of an enclosing `forEach`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What it is called.
    pub name: String,
    /// What it is.
    pub kind: ItemKind,
}

/// A place, absolute or within the item at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    path: Path,
    /// Which of the enclosing items it is relative to, from the outermost.
    item: Option<(u8, ItemKind)>,
}

/// What is wrong with an address, and what would be right.
pub(crate) type Wrong = (String, String);

impl Address {
    /// An absolute place.
    #[must_use]
    pub const fn absolute(path: Path) -> Self {
        Self { path, item: None }
    }

    /// Reads an address as steps write it; `items` are those of the enclosing `forEach`, the innermost last.
    ///
    /// # Errors
    /// What is wrong and what would be right.
    pub fn parse(text: &str, items: &[Item]) -> Result<Self, (String, String)> {
        let length = text.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        let (name, rest) = (text.get(..length).unwrap_or_default(), text.get(length..).unwrap_or_default());
        let known = items.iter().rposition(|item| item.name == name);
        let Some((level, item)) = known.and_then(|level| Some((level, items.get(level)?))) else {
            return match Path::parse(text) {
                Ok(path) => Ok(Self::absolute(path)),
                Err(_) if is_item_name(name) && !is_segment_id_in_small(name) => Err(no_item(name, items)),
                Err(error) => Err(of_path(&error)),
            };
        };
        let path = match (item.kind, rest.bytes().next()) {
            (ItemKind::Segment(id), None) => Ok(Path::of_segment(id)),
            (ItemKind::Repetition(id, field), None) => Ok(Path::of_segment(id).with_field(field)),
            (ItemKind::Segment(id), Some(b'-')) => Path::parse(&format!("{id}{rest}")),
            (ItemKind::Repetition(id, field), Some(b'.')) => Path::parse(&format!("{id}-{field}{rest}")),
            (ItemKind::Segment(id), _) => {
                return Err((format!("`{name}` is a segment {id} here"), format!("write its field as `{name}-5.1`")));
            }
            (ItemKind::Repetition(id, field), _) => {
                let text = format!("`{name}` is a repetition of {id}-{field} here");
                return Err((text, format!("write its component as `{name}.4`")));
            }
        };
        Self::relative(path, level, item.kind)
    }

    /// Reads an address as expressions write it after an item: `item['5.1']`, or with the item's own path
    /// (`item['OBX-5.1']`).
    pub(crate) fn inside(text: &str, level: usize, kind: ItemKind) -> Result<Self, Wrong> {
        let full = match kind {
            _ if !text.starts_with(|c: char| c.is_ascii_digit()) => text.to_owned(),
            ItemKind::Segment(id) => format!("{id}-{text}"),
            ItemKind::Repetition(id, field) => format!("{id}-{field}.{text}"),
        };
        let path = Path::parse(&full);
        if let Ok(path) = &path {
            let (same, example) = match kind {
                ItemKind::Segment(id) => (path.segment() == id, format!("the item is a segment {id}; write `'5.1'`")),
                ItemKind::Repetition(id, field) => (
                    path.segment() == id && path.field() == Some(field) && path.repetition() == Index::First,
                    format!("the item is a repetition of {id}-{field}; write `'4.1'`"),
                ),
            };
            if !same || path.occurrence() != Index::First {
                return Err((format!("`{text}` is not inside the item"), example));
            }
        }
        Self::relative(path, level, kind)
    }

    fn relative(path: Result<Path, PathError>, level: usize, kind: ItemKind) -> Result<Self, Wrong> {
        let path = path.map_err(|error| of_path(&error))?;
        let level = u8::try_from(level).map_err(|_| ("too many items".to_owned(), "nest less deeply".to_owned()))?;
        Ok(Self { path, item: Some((level, kind)) })
    }

    /// The concrete path, given where the items at hand stand, the outermost first.
    #[must_use]
    pub fn resolve(&self, items: &[Path]) -> Path {
        let Some((level, kind)) = self.item else { return self.path };
        let Some(base) = items.get(usize::from(level)) else { return self.path };
        let path = self.path.with_occurrence(base.occurrence());
        match kind {
            ItemKind::Segment(_) => path,
            ItemKind::Repetition(..) => path.with_repetition(base.repetition()),
        }
    }

    /// The path as written; of a relative address without the item's own index.
    #[must_use]
    pub const fn path(&self) -> Path {
        self.path
    }

    /// Whether it is relative to an item.
    #[must_use]
    pub const fn is_relative(&self) -> bool {
        self.item.is_some()
    }

    /// Whether it names the item itself, all of it.
    #[must_use]
    pub const fn is_item(&self) -> bool {
        match self.item {
            None => false,
            Some((_, ItemKind::Segment(_))) => self.path.field().is_none(),
            Some((_, ItemKind::Repetition(..))) => self.path.component().is_none(),
        }
    }

    /// Whether it can name more than one place.
    #[must_use]
    pub const fn is_wild(&self) -> bool {
        self.path.is_wild()
    }
}

/// Segment ids that people write in small letters; items are rarely called so.
fn is_segment_id_in_small(name: &str) -> bool {
    ["msh", "pid", "nk1", "pv1", "pv2", "evn", "mrg", "orc", "dg1", "al1", "in1"].contains(&name)
}

fn is_item_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
}

fn no_item(name: &str, items: &[Item]) -> Wrong {
    let text = format!("there is no item `{name}` here");
    match items.last() {
        Some(item) => (text, format!("the item at hand is called `{}`", item.name)),
        None => {
            (text, "items are known inside a step with `forEach`; elsewhere write a path such as `PID-3.1`".to_owned())
        }
    }
}

fn of_path(error: &PathError) -> Wrong {
    (format!("`{}` is not an HL7 path (character {})", error.path, error.column), error.problem.clone())
}
