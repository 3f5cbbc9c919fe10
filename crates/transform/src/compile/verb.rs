//! Compilation of each verb.

use barid_expr::{Type, Variable};
use barid_hl7::{Index, Path, SegmentId};

use super::{Around, Compiler};
use crate::document::{self, OnMiss, Reference};
use crate::mapping::{AddSegment, CopyVerb, Lookup, Miss, Set, Verb, Where};

impl Compiler<'_> {
    pub(super) fn verb(&mut self, step: &document::Step, name: &str, around: &Around<'_>) -> Option<Verb> {
        if let Some(set) = &step.set {
            return self.set(set, around);
        }
        if let Some(copy) = &step.copy {
            return self.copy(&copy.from, &copy.to, name, around);
        }
        if let Some(r#move) = &step.r#move {
            return self.copy(&r#move.from, &r#move.to, name, around);
        }
        if let Some(delete) = &step.delete {
            return self.delete(delete, around);
        }
        if let Some(lookup) = &step.lookup {
            return self.lookup(lookup, around);
        }
        if let Some(format) = &step.format {
            return self.format(format, around).map(Verb::Format);
        }
        if let Some(add) = &step.add_segment {
            return self.add_segment(add, around);
        }
        step.apply.as_ref().and_then(|apply| self.apply(apply, around))
    }

    fn set(&mut self, set: &document::Set, around: &Around<'_>) -> Option<Verb> {
        let to = self.writable(&set.path, &format!("{}.set.path", around.place), around.scope);
        let value = self.program(&set.to, &format!("{}.set.to", around.place), around.scope, Type::Text);
        let (to, value) = (to?, value?);
        let is_uniform = !value.uses(Variable::Value);
        let bare = value.bare_field();
        Some(Verb::Set(Set { to, value, is_uniform, bare }))
    }

    fn copy(&mut self, from: &str, to: &str, verb: &str, around: &Around<'_>) -> Option<Verb> {
        let removes = verb == "move";
        let source_place = format!("{}.{verb}.from", around.place);
        let source = if removes {
            self.writable(from, &source_place, around.scope)
        } else {
            self.readable(from, &source_place, around.scope)
        };
        let target_place = format!("{}.{verb}.to", around.place);
        let target = self.writable(to, &target_place, around.scope);
        let (from, to) = (source?, target?);
        self.follows(&from, &to, &target_place)?;
        if from == to {
            self.error(target_place, "the two paths are the same", "remove the step, or change one of them");
            return None;
        }
        if removes && to.is_wild() && !from.is_wild() {
            self.error(target_place, "one place cannot be moved to many", "use copy, then delete");
            return None;
        }
        Some(Verb::Copy(CopyVerb { from, to, removes }))
    }

    fn delete(&mut self, delete: &document::Delete, around: &Around<'_>) -> Option<Verb> {
        let place = format!("{}.delete.path", around.place);
        let what = self.address(&delete.path, &place, around.scope)?;
        let path = what.path();
        if path.segment() == SegmentId::MSH && matches!(path.field(), None | Some(1 | 2)) {
            self.error(place, "MSH is what makes it a message", "delete fields of it from MSH-3 on");
            return None;
        }
        Some(Verb::Delete(what))
    }

    fn lookup(&mut self, lookup: &document::Lookup, around: &Around<'_>) -> Option<Verb> {
        let at = |field: &str| format!("{}.lookup.{field}", around.place);
        let from = match lookup.into {
            None => self.writable(&lookup.path, &at("path"), around.scope),
            Some(_) => self.readable(&lookup.path, &at("path"), around.scope),
        };
        let table = self.table(&lookup.table, &at("table"), around);
        let from = from?;
        let mut targets = [None; 3];
        let texts = [("into", &lookup.into), ("display", &lookup.display), ("system", &lookup.system)];
        for (target, (field, text)) in targets.iter_mut().zip(texts) {
            let Some(text) = text else { continue };
            let address = self.writable(text, &at(field), around.scope)?;
            self.follows(&from, &address, &at(field))?;
            if address.is_wild() && !from.is_wild() {
                self.error(at(field), "the target has [*] and `path` has not", "give both the same [*]");
                return None;
            }
            *target = Some(address);
        }
        let miss = match (lookup.on_miss, &lookup.default) {
            (Some(_), Some(_)) => {
                self.error(
                    at("default"),
                    "`default` and `onMiss` both say what a missing code becomes",
                    "keep one of them",
                );
                return None;
            }
            (_, Some(default)) => Miss::Default(default.as_str().into()),
            (Some(OnMiss::Fail), None) => Miss::Fail,
            (Some(OnMiss::Empty), None) => Miss::Empty,
            (Some(OnMiss::Keep) | None, None) => Miss::Keep,
        };
        let [into, display, system] = targets;
        Some(Verb::Lookup(Lookup { from, table: table?, into, display, system, miss }))
    }

    fn table(
        &mut self,
        reference: &Reference,
        place: &str,
        around: &Around<'_>,
    ) -> Option<std::sync::Arc<crate::table::Table>> {
        match self.env.library.table(around.namespace, reference) {
            Ok(table) => Some(table),
            Err(error) => {
                self.error(place.to_owned(), error.text, error.remedy);
                None
            }
        }
    }

    fn add_segment(&mut self, add: &document::AddSegment, around: &Around<'_>) -> Option<Verb> {
        let at = |field: &str| format!("{}.addSegment.{field}", around.place);
        let id = <[u8; 3]>::try_from(add.id.as_bytes()).ok().and_then(SegmentId::new);
        let headers = ["MSH", "FHS", "BHS", "FTS", "BTS"];
        let Some(id) = id.filter(|id| !headers.contains(&id.as_str())) else {
            let remedy =
                "write three capital letters or digits such as `ZPI`; a message has one header, its first segment";
            self.error(at("id"), format!("`{}` is no segment that can be added", add.id), remedy);
            return None;
        };
        let place = match (&add.after, &add.before, add.at) {
            (Some(text), None, None) => Where::After(self.anchor(text, &at("after"), around)?),
            (None, Some(text), None) => {
                let anchor = self.anchor(text, &at("before"), around)?;
                if anchor.path().segment() == SegmentId::MSH {
                    self.error(at("before"), "nothing goes before MSH", "write `after: MSH`");
                    return None;
                }
                Where::Before(anchor)
            }
            (None, None, Some(_)) => Where::End,
            _ => {
                let text = "the place of the new segment has to be said once";
                self.error(
                    format!("{}.addSegment", around.place),
                    text,
                    "give one of `after: PID`, `before: PV1`, `at: end`",
                );
                return None;
            }
        };
        let mut fields = Vec::with_capacity(add.fields.len());
        for (key, source) in &add.fields {
            let place = format!("{}.addSegment.fields[{key}]", around.place);
            let path = self.field_of(id, key, &place);
            let program = self.program(source, &place, around.scope, Type::Text);
            if program.as_ref().is_some_and(|program| program.uses(Variable::Value)) {
                self.error(
                    place,
                    "`value` is the text at the step's path, and `addSegment` has none",
                    "write msg['..'] for a field",
                );
                continue;
            }
            fields.extend(path.zip(program));
        }
        Some(Verb::AddSegment(AddSegment { id, place, fields }))
    }

    fn anchor(&mut self, text: &str, place: &str, around: &Around<'_>) -> Option<barid_expr::Address> {
        let anchor = self.address(text, place, around.scope)?;
        if anchor.path().field().is_some() {
            let remedy = format!("write `{}`", anchor.path().segment());
            self.error(place.to_owned(), format!("`{text}` is a field, and a segment is wanted"), remedy);
            return None;
        }
        Some(anchor)
    }

    /// The path of a new segment's field, such as `ZPI-2.1`.
    fn field_of(&mut self, id: SegmentId, key: &str, place: &str) -> Option<Path> {
        let wrong = |compiler: &mut Self, text: String, remedy: String| {
            compiler.error(place.to_owned(), text, remedy);
            None
        };
        match Path::parse(key) {
            Err(error) => wrong(self, format!("`{key}` is not an HL7 path"), error.problem),
            Ok(path)
                if path.segment() != id
                    || path.field().is_none()
                    || path.occurrence() != Index::First
                    || path.is_wild() =>
            {
                wrong(self, format!("`{key}` is not a field of the new segment"), format!("write `{id}-1`"))
            }
            Ok(path) => Some(path),
        }
    }
}
