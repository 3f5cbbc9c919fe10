//! Trees to documents: every error with its place, its field, and what would be right.
//!
//! serde stops at the first error. Here the faulty node is then left out and the document read again, so that one run
//! names all that is wrong with it; what could be read besides is kept, for what can still be said about the document.

mod de;
mod document;
mod fault;
mod suggest;
#[cfg(test)]
mod tests;

pub(crate) use document::read_document;
pub(crate) use fault::remedied;
pub(crate) use suggest::nearest;
