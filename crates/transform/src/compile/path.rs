//! Checks of paths: what can be written, and how a `[*]` in one path goes with a `[*]` in another.

use barid_expr::{Address, Scope};
use barid_hl7::{Index, Path, SegmentId};

use super::Compiler;

impl Compiler<'_> {
    /// An address whose field a step may write.
    pub(super) fn writable(&mut self, text: &str, place: &str, scope: &Scope) -> Option<Address> {
        let address = self.address(text, place, scope)?;
        let path = address.path();
        match path.field() {
            None if address.is_item() => {
                self.error(
                    place.to_owned(),
                    format!("`{text}` is a whole segment"),
                    format!("name a field of it, as in `{text}-5`"),
                );
                None
            }
            None => {
                self.error(
                    place.to_owned(),
                    format!("`{text}` is a whole segment"),
                    format!("name a field of it, as in `{text}-3`"),
                );
                None
            }
            Some(1 | 2) if path.segment() == SegmentId::MSH => {
                let text = "MSH-1 and MSH-2 are the delimiters of the message and cannot be changed";
                self.error(place.to_owned(), text, "remove the step");
                None
            }
            Some(_) => Some(address),
        }
    }

    /// An address whose field a step reads.
    pub(super) fn readable(&mut self, text: &str, place: &str, scope: &Scope) -> Option<Address> {
        let address = self.address(text, place, scope)?;
        if address.path().field().is_none() {
            self.error(place.to_owned(), format!("`{text}` is a whole segment"), "name a field of it, as in `PID-3`");
            return None;
        }
        Some(address)
    }

    /// Whether each place of `from` has its own place in `to`.
    pub(super) fn follows(&mut self, from: &Address, to: &Address, place: &str) -> Option<()> {
        let (source, target) = (from.path(), to.path());
        let segment_wild = (source.occurrence() == Index::All, target.occurrence() == Index::All);
        let field_wild = (source.repetition() == Index::All, target.repetition() == Index::All);
        let lost = (segment_wild.0 && !segment_wild.1) || (field_wild.0 && !field_wild.1);
        if lost {
            let text = "each place of a path with [*] would be written to the same target";
            self.error(place.to_owned(), text, "give the target [*] at the same place, or use forEach");
            return None;
        }
        if segment_wild.0 && source.segment() != target.segment() {
            let text = format!("{} segments have no partners among {} segments", source.segment(), target.segment());
            self.error(place.to_owned(), text, "write to the same segment, or use forEach");
            return None;
        }
        Some(())
    }
}

/// The place of a target that goes with a concrete place of the source.
pub(crate) fn partner(target: Path, source: &Path) -> Path {
    let target = if target.occurrence() == Index::All { target.with_occurrence(source.occurrence()) } else { target };
    if target.repetition() == Index::All { target.with_repetition(source.repetition()) } else { target }
}
