//! What an expression is evaluated against: a message's fields, and what is known about it besides.
//!
//! Everything is asked for when it is needed and nothing is collected beforehand. Each host (parse stage, mapping,
//! delivery) answers for the names its scope knows; what it does not know reads as empty.

use std::borrow::Cow;

use barid_hl7::{Draft, Message, Path, Presence, Value as Part};

use crate::value::Value;
use crate::variable::Variable;

/// The fields of a message.
pub trait Fields {
    /// The text of the first place a path names; empty where there is none.
    fn text(&self, path: &Path) -> Cow<'_, str>;
    /// Empty, null or valued.
    fn presence(&self, path: &Path) -> Presence;
    /// How many places a path names.
    fn count(&self, path: &Path) -> usize;
    /// The texts of all places a path names, in order, until `visit` says false.
    fn visit<'a>(&'a self, path: &Path, visit: &mut dyn FnMut(Cow<'a, str>) -> bool);
    /// How many segments there are: what finding one costs.
    fn segments(&self) -> usize;
}

/// What an expression can ask for.
pub trait Facts {
    /// The message's fields.
    fn fields(&self) -> &dyn Fields {
        &NoMessage
    }

    /// The value of a name. Asked only for names of the program's scope.
    fn variable(&self, variable: Variable) -> Value<'_>;

    /// A label of the facility.
    fn label(&self, name: &str) -> Option<&str> {
        let _ = name;
        None
    }

    /// Where the items of the enclosing `forEach` stand, the outermost first.
    fn items(&self) -> &[Path] {
        &[]
    }
}

/// There is no message: everything is empty.
#[derive(Debug, Clone, Copy)]
pub struct NoMessage;

impl Fields for NoMessage {
    fn text(&self, _: &Path) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn presence(&self, _: &Path) -> Presence {
        Presence::Empty
    }

    fn count(&self, _: &Path) -> usize {
        0
    }

    fn visit<'a>(&'a self, _: &Path, _: &mut dyn FnMut(Cow<'a, str>) -> bool) {}

    fn segments(&self) -> usize {
        0
    }
}

/// The presence of the first populated place.
fn presence<'a>(mut parts: impl Iterator<Item = Part<'a>>) -> Presence {
    parts.find_map(|part| Some(part.presence()).filter(|found| *found != Presence::Empty)).unwrap_or(Presence::Empty)
}

macro_rules! read_fields {
    ($type:ty) => {
        impl Fields for $type {
            fn text(&self, path: &Path) -> Cow<'_, str> {
                self.text(path)
            }

            fn presence(&self, path: &Path) -> Presence {
                if path.is_wild() {
                    presence(self.all(path).map(|(_, part)| part))
                } else {
                    self.get(path).map_or(Presence::Empty, |part| part.presence())
                }
            }

            fn count(&self, path: &Path) -> usize {
                self.count(path)
            }

            fn visit<'a>(&'a self, path: &Path, visit: &mut dyn FnMut(Cow<'a, str>) -> bool) {
                for (_, part) in self.all(path) {
                    if !visit(part.text()) {
                        return;
                    }
                }
            }

            fn segments(&self) -> usize {
                self.segment_count()
            }
        }
    };
}

read_fields!(Message);
read_fields!(Draft<'_>);
