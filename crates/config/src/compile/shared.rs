//! What channels share: mappings, code tables and profiles.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use barid_expr::Scope;
use barid_model::Name;
use barid_transform::{CompileEnv, Library, Mapping, Table, Unresolved};

use super::check::Check;
use super::program::unresolved;
use super::shelf::Shelf;
use crate::document::{Reference, Spec, Step, full_name};
use crate::problem::Problem;
use crate::snapshot::Snapshot;

/// Mappings and tables in effect: as written where they are good, else their last good version.
#[derive(Default)]
pub(super) struct Shared {
    pub tables: BTreeMap<Name, Arc<Table>>,
    pub mappings: BTreeMap<Name, Arc<[Step]>>,
}

/// Gives steps what they refer to, and remembers what that was.
pub(super) struct Lender<'a> {
    shelf: &'a Shelf,
    shared: &'a Shared,
    pub used_tables: RefCell<BTreeSet<Name>>,
    pub used_mappings: RefCell<BTreeSet<Name>>,
}

impl<'a> Lender<'a> {
    pub(super) fn new(shelf: &'a Shelf, shared: &'a Shared) -> Self {
        Self { shelf, shared, used_tables: RefCell::default(), used_mappings: RefCell::default() }
    }

    /// The steps of all mappings that were used.
    pub(super) fn used_steps(&self) -> BTreeMap<Name, Arc<[Step]>> {
        let steps = |name: &Name| Some((name.clone(), Arc::clone(self.shared.mappings.get(name)?)));
        self.used_mappings.borrow().iter().filter_map(steps).collect()
    }

    fn lend<T: Clone>(
        &self,
        kind: &'static str,
        from: &str,
        reference: &Reference,
        shelf_of: &BTreeMap<Name, T>,
    ) -> Result<(Name, T), Unresolved> {
        let name = full_name(reference, from);
        if let Some((text, remedy)) = unresolved(self.shelf, kind, &name, from) {
            return Err(Unresolved { text, remedy });
        }
        match shelf_of.get(&name) {
            Some(found) => Ok((name, found.clone())),
            None => Err(Unresolved {
                text: format!("{kind} {} has errors and no good version yet", name.short()),
                remedy: "correct it first".to_owned(),
            }),
        }
    }
}

impl Library for Lender<'_> {
    fn table(&self, from: &str, reference: &Reference) -> Result<Arc<Table>, Unresolved> {
        let (name, table) = self.lend("CodeTable", from, reference, &self.shared.tables)?;
        self.used_tables.borrow_mut().insert(name);
        Ok(table)
    }

    fn mapping(&self, from: &str, reference: &Reference) -> Result<(Name, Arc<[Step]>), Unresolved> {
        let (name, steps) = self.lend("Mapping", from, reference, &self.shared.mappings)?;
        self.used_mappings.borrow_mut().insert(name.clone());
        Ok((name, steps))
    }
}

/// Checks them all and gives what is in effect.
pub(super) fn check(shelf: &mut Shelf, scope: &Scope, previous: &Snapshot, problems: &mut Vec<Problem>) -> Shared {
    let mut shared = Shared { tables: tables(shelf, previous, problems), mappings: BTreeMap::new() };
    shelf.check("Profile", problems, |_, _, _, _| Some(()));
    // The steps as written are lent out first, so that a mapping's own errors are told where they stand.
    shared.mappings = steps_in_effect(shelf, previous);
    let inside = applied_inside_loops(shelf);
    let lender_shared = Shared { tables: shared.tables.clone(), mappings: shared.mappings.clone() };
    shelf.check("Mapping", problems, |shelf, entry, spec, check| {
        let Spec::Mapping(mapping) = spec else { return None };
        if mapping.steps.is_empty() {
            check.warning("steps", "the mapping has no steps", "add some, or remove it");
        }
        // One that is applied inside a forEach uses that item: it can only be checked where it is applied.
        if !inside.contains(&entry.name) {
            let lender = Lender::new(shelf, &lender_shared);
            let env = CompileEnv { scope, namespace: entry.name.namespace(), library: &lender };
            if let Err(errors) = Mapping::compile(&mapping.steps, "steps", &env) {
                // What is wrong inside a mapping that this one applies is told there; a circle has no other place.
                let short = entry.name.short();
                let in_circle = |text: &str| {
                    let way = text.split_once("applies itself: ").map(|(_, way)| way);
                    way.is_some_and(|way| way.split(" > ").any(|name| name == short))
                };
                let own = errors.into_iter().filter_map(|mut error| match error.place.split_once(".apply(") {
                    None => Some(error),
                    Some((step, _)) if in_circle(&error.text) => {
                        error.place = format!("{step}.apply.mapping");
                        Some(error)
                    }
                    Some(_) => None,
                });
                let own = own.collect();
                check.steps(own);
            }
        }
        Some(())
    });
    shared.mappings = steps_in_effect(shelf, previous);
    shared
}

fn steps_in_effect(shelf: &Shelf, previous: &Snapshot) -> BTreeMap<Name, Arc<[Step]>> {
    let in_effect = |name: &Name| match &shelf.in_effect("Mapping", name, previous)?.spec {
        Spec::Mapping(mapping) => Some(Arc::from(mapping.steps.as_slice())),
        _ => None,
    };
    shelf.of_kind("Mapping").filter_map(|entry| Some((entry.name.clone(), in_effect(&entry.name)?))).collect()
}

fn tables(shelf: &mut Shelf, previous: &Snapshot, problems: &mut Vec<Problem>) -> BTreeMap<Name, Arc<Table>> {
    let mut tables = shelf.check("CodeTable", problems, |_, _, spec, check| {
        let Spec::CodeTable(table) = spec else { return None };
        match Table::compile(&table.rows) {
            Ok(compiled) => Some(Arc::new(compiled)),
            Err(errors) => {
                for error in errors {
                    check.error(&format!("rows[{}].from", error.row), error.text, error.remedy);
                }
                None
            }
        }
    });
    for name in shelf.faulty("CodeTable") {
        if let Some(Spec::CodeTable(kept)) =
            shelf.in_effect("CodeTable", &name, previous).as_deref().map(|kept| &kept.spec)
            && let Ok(compiled) = Table::compile(&kept.rows)
        {
            tables.insert(name, Arc::new(compiled));
        }
    }
    tables
}

/// Mappings that some `forEach` applies, directly or through others.
fn applied_inside_loops(shelf: &Shelf) -> BTreeSet<Name> {
    let mut edges: BTreeMap<Name, Vec<Name>> = BTreeMap::new();
    let mut inside = BTreeSet::new();
    let mut note = |from: Option<&Name>, namespace: &str, steps: &[Step]| {
        for step in steps {
            let Some(apply) = &step.apply else { continue };
            let name = full_name(&apply.mapping, namespace);
            if step.for_each.is_some() {
                inside.insert(name);
            } else if let Some(from) = from {
                edges.entry(from.clone()).or_default().push(name);
            }
        }
    };
    for entry in shelf.of_kind("Mapping").chain(shelf.of_kind("Channel")) {
        match entry.written.as_ref().map(|document| &document.spec) {
            Some(Spec::Mapping(mapping)) => note(Some(&entry.name), entry.name.namespace(), &mapping.steps),
            Some(Spec::Channel(channel)) => {
                note(None, entry.name.namespace(), &channel.transform);
                channel.routes.iter().for_each(|route| note(None, entry.name.namespace(), &route.transform));
            }
            _ => {}
        }
    }
    let mut queue: Vec<Name> = inside.iter().cloned().collect();
    while let Some(name) = queue.pop() {
        for next in edges.get(&name).into_iter().flatten() {
            if inside.insert(next.clone()) {
                queue.push(next.clone());
            }
        }
    }
    inside
}

/// Where a fault stands in a mapping that was applied: the mapping and the field there.
pub(super) fn applied_place(place: &str) -> Option<(Name, &str)> {
    let (_, inner) = place.rsplit_once(".apply(")?;
    let (name, field) = inner.split_once(").")?;
    Some((Name::read(name), field))
}

/// Tells the faults of a channel, each in the document it stands in.
pub(super) fn tell(shelf: &Shelf, faults: Vec<super::program::FieldFault>, check: &mut Check<'_>) {
    for fault in faults {
        let elsewhere =
            applied_place(&fault.field).and_then(|(name, field)| Some((shelf.get("Mapping", &name)?, field)));
        match elsewhere {
            Some((entry, field)) => check.error_in(entry, field, fault.text, fault.remedy),
            None => check.error(&fault.field, fault.text, fault.remedy),
        }
    }
}
