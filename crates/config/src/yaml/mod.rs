//! YAML (and JSON, which is YAML) as a tree in which every node knows its line and column.
//!
//! The grammar is read by `saphyr-parser`; what is ours are the bounds, and that nothing is guessed: a key that stands
//! twice, a tag, a merge key, and a plain scalar that YAML 1.1 and 1.2 read differently are errors with a remedy.

mod read;
mod scalar;
#[cfg(test)]
mod tests;
mod tree;

pub(crate) use read::read;
pub(crate) use scalar::{Scalar, plain};
pub(crate) use tree::{At, Entry, Node, Step, Value};
