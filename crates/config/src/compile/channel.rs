//! Channels: what each refers to, its closure, and its place among the others.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use barid_hl7::varies::VALUE_TYPES;
use barid_model::Name;
use barid_transform::RouteTarget;

use super::check::Check;
use super::closure::{Closure, FacilityClosure, finish};
use super::exchange::Installed;
use super::program::{Input, from_settings, parts, refer, target};
use super::shared::{Lender, Shared, tell};
use super::shelf::{Entry, Shelf};
use crate::document::{Channel, CodeRow, Outbound, Spec, Step, Validate, full_name};
use crate::problem::Problem;
use crate::settings::{FacilitySpec, FromSettings, defaults};
use crate::snapshot::{self, DocumentKey, Snapshot};

/// Most channels in a row that routes may lead through.
pub(crate) const CHAIN_MAX: usize = 8;

/// Compiles all channels into the snapshot; those without any good version become invalid there.
pub(super) fn compile(
    shelf: &mut Shelf,
    exchange: &Installed,
    shared: &Shared,
    snapshot: &mut Snapshot,
    previous: &Snapshot,
    problems: &mut Vec<Problem>,
) {
    let chains = Chains::of(shelf);
    let world = World { exchange, shared, snapshot, previous, chains: &chains };
    let good = shelf.check("Channel", problems, |shelf, entry, spec, check| {
        let Spec::Channel(channel) = spec else { return None };
        channel_of(&world, shelf, entry, channel, check)
    });
    let faulty = shelf.faulty("Channel");
    snapshot.channels = super::with_last_good(good, faulty.clone(), &previous.channels);
    for name in faulty {
        if !snapshot.channels.contains_key(&name) {
            snapshot.invalid.insert(name, "its document has errors and there is no good version yet".to_owned());
        }
    }
    keep_destinations(snapshot, previous);
}

/// A channel that keeps its last good version may lead to a destination that is no longer there: that stays with it.
fn keep_destinations(snapshot: &mut Snapshot, previous: &Snapshot) {
    let routes = snapshot.channels.values().flat_map(|channel| &channel.settings.routes);
    let wanted: Vec<Name> = routes
        .filter_map(|route| match &route.to {
            RouteTarget::Destination(name) if !snapshot.destinations.contains_key(name) => Some(name.clone()),
            _ => None,
        })
        .collect();
    for name in wanted {
        if let Some(kept) = previous.destinations.get(&name) {
            snapshot.destinations.insert(name, Arc::clone(kept));
        }
    }
}

/// The documents of those stay too, for the next start.
pub(super) fn keep_documents(snapshot: &mut Snapshot, previous: &Snapshot) {
    for name in snapshot.destinations.keys() {
        let key = DocumentKey { kind: "Destination", name: name.clone() };
        if let (false, Some(kept)) = (snapshot.documents.contains_key(&key), previous.documents.get(&key)) {
            snapshot.documents.insert(key, kept.clone());
        }
    }
}

struct World<'a> {
    exchange: &'a Installed,
    shared: &'a Shared,
    snapshot: &'a Snapshot,
    previous: &'a Snapshot,
    chains: &'a Chains,
}

fn channel_of(
    world: &World<'_>,
    shelf: &Shelf,
    entry: &Entry,
    channel: &Channel,
    check: &mut Check<'_>,
) -> Option<Arc<snapshot::Channel>> {
    references(world, shelf, entry, channel, check);
    let lender = Lender::new(shelf, world.shared);
    let shared_defaults = world.exchange.document.defaults.clone().unwrap_or_default();
    let outbound = |name: &Name| outbound_of(world, shelf, name);
    let input = Input {
        name: &entry.name,
        spec: channel,
        defaults: &shared_defaults,
        constants: Arc::clone(&world.exchange.spec.constants),
        library: &lender,
        outbound: &outbound,
    };
    let parts = match parts(&input) {
        Ok(parts) => parts,
        Err(faults) => {
            tell(shelf, faults, check);
            return None;
        }
    };
    let mut closure = Closure::new(&entry.name, channel, &shared_defaults);
    for route in &parts.settings.routes {
        if let RouteTarget::Destination(name) = &route.to {
            let outbound = outbound_of(world, shelf, name);
            if outbound != Outbound::default() {
                closure.outbound.insert(name.clone(), outbound);
            }
        }
    }
    let documents = Used::of(&lender, shelf, world.previous);
    closure.mappings = documents.mappings.iter().map(|(name, steps)| (name.clone(), Cow::Borrowed(&**steps))).collect();
    closure.tables = documents.tables.iter().map(|(name, rows)| (name.clone(), Cow::Borrowed(rows.rows()))).collect();
    let text = String::from_utf8_lossy(&closure.text()).into_owned();
    closure.constants = used_constants(&world.exchange.spec.constants, &text);
    closure.facilities = facilities(world, &entry.name, text.contains("facility"));
    let text = closure.text();
    let compiled = finish(&closure, text, parts);
    Some(match world.previous.channels.get(&entry.name) {
        Some(same) if same.revision == compiled.revision => Arc::clone(same),
        _ => Arc::new(compiled),
    })
}

/// What a channel refers to besides what its steps use.
fn references(world: &World<'_>, shelf: &Shelf, entry: &Entry, channel: &Channel, check: &mut Check<'_>) {
    let own = entry.name.namespace();
    if channel.from.is_some() {
        let from = from_settings(&entry.name, channel);
        for (i, listener) in from.listeners.iter().enumerate() {
            refer(shelf, "Listener", listener, &format!("from.listeners[{i}].name"), check);
        }
        for (i, facility) in from.facilities.iter().enumerate() {
            refer(shelf, "Facility", facility, &format!("from.facilities.names[{i}]"), check);
        }
        if from.listeners.is_empty() && !shelf.of_kind("Listener").any(|entry| entry.name.namespace() == own) {
            check.error("from", format!("there is no Listener in namespace {own}"), "name one in from.listeners");
        }
        if !from.labels.is_empty() && !world.snapshot.facilities.values().any(|facility| selects(&from, facility)) {
            check.warning(
                "from.facilities.labels",
                "no Facility carries these labels",
                "nothing is taken until one does",
            );
        }
    }
    value_type("validate.valueType", channel.validate.as_ref(), check);
    if let Some(profile) = channel.validate.as_ref().and_then(|validate| validate.profile.as_ref()) {
        refer(shelf, "Profile", &full_name(profile, own), "validate.profile.name", check);
    }
    for (i, route) in channel.routes.iter().enumerate() {
        match target(&route.to, own) {
            Some(RouteTarget::Destination(name)) => {
                let field = format!("routes[{i}].to.destination");
                if refer(shelf, "Destination", &name, &field, check) && !world.snapshot.destinations.contains_key(&name)
                {
                    let text = format!("Destination {} has errors and no good version yet", name.short());
                    check.error(&field, text, "correct it first");
                }
            }
            Some(RouteTarget::Channel(name)) => {
                let field = format!("routes[{i}].to.channel");
                if refer(shelf, "Channel", &name, &field, check)
                    && let Some(way) = world.chains.fault(&entry.name, &name)
                {
                    check.error(&field, way, "remove one of these routes");
                }
            }
            None => {}
        }
        if route.outbound.is_some() {
            super::destination::outbound(&format!("routes[{i}].outbound"), route.outbound.as_ref(), check);
        }
    }
}

/// That the type assumed of observations is one.
pub(super) fn value_type(field: &str, validate: Option<&Validate>, check: &mut Check<'_>) {
    let written = validate.and_then(|validate| validate.value_type.as_deref());
    if let Some(other) = written.filter(|name| VALUE_TYPES.binary_search(name).is_err()) {
        let remedy = "write a value type of HL7 table 0125, such as ST";
        check.error(field, format!("`{other}` is no type of an observation's value"), remedy);
    }
}

fn outbound_of(world: &World<'_>, shelf: &Shelf, name: &Name) -> Outbound {
    let document = shelf.in_effect("Destination", name, world.previous);
    match document.as_deref().map(|document| &document.spec) {
        Some(Spec::Destination(destination)) => destination.outbound.clone().unwrap_or_default(),
        _ => Outbound::default(),
    }
}

/// The documents that a channel's steps used.
struct Used {
    mappings: BTreeMap<Name, Arc<[Step]>>,
    tables: BTreeMap<Name, UsedTable>,
}

struct UsedTable(Arc<crate::document::Document>);

impl UsedTable {
    fn rows(&self) -> &[CodeRow] {
        match &self.0.spec {
            Spec::CodeTable(table) => &table.rows,
            _ => &[],
        }
    }
}

impl Used {
    fn of(lender: &Lender<'_>, shelf: &Shelf, previous: &Snapshot) -> Self {
        let table = |name: &Name| Some((name.clone(), UsedTable(shelf.in_effect("CodeTable", name, previous)?)));
        Self { mappings: lender.used_steps(), tables: lender.used_tables.borrow().iter().filter_map(table).collect() }
    }
}

/// The constants whose name stands somewhere after `const`; too many do no harm.
fn used_constants(constants: &BTreeMap<String, String>, text: &str) -> BTreeMap<String, String> {
    if !text.contains("const") {
        return BTreeMap::new();
    }
    constants.iter().filter(|(name, _)| text.contains(name.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// What the channel's outputs can depend on of the facilities whose messages can reach it.
fn facilities(world: &World<'_>, name: &Name, uses_facts: bool) -> BTreeMap<Name, FacilityClosure> {
    let sources = world.chains.upstream(name);
    let reaches = |facility: &FacilitySpec| sources.iter().any(|from| selects(from, facility));
    let closure = |facility: &FacilitySpec| FacilityClosure {
        display_name: uses_facts.then(|| facility.display_name.clone()),
        labels: if uses_facts { facility.labels.clone() } else { BTreeMap::new() },
        fallback_charset: (facility.fallback_charset != defaults::FALLBACK_CHARSET)
            .then(|| facility.fallback_charset.clone()),
    };
    let reaching = world.snapshot.facilities.values().filter(|facility| reaches(facility));
    reaching
        .map(|facility| (facility.name.clone(), closure(facility)))
        .filter(|(_, closure)| *closure != FacilityClosure::default())
        .collect()
}

/// Whether a channel that takes from these takes from this facility.
pub(super) fn selects(from: &FromSettings, facility: &FacilitySpec) -> bool {
    let named = from.facilities.is_empty() || from.facilities.contains(&facility.name);
    let labelled = from.labels.is_empty()
        || (facility.name.namespace() == from.namespace
            && from.labels.iter().all(|(key, value)| facility.labels.get(key) == Some(value)));
    named && labelled
}

/// Routes from channel to channel.
struct Chains {
    next: BTreeMap<Name, BTreeSet<Name>>,
    from: BTreeMap<Name, FromSettings>,
}

impl Chains {
    fn of(shelf: &Shelf) -> Self {
        let mut chains = Self { next: BTreeMap::new(), from: BTreeMap::new() };
        for entry in shelf.of_kind("Channel") {
            let Some(Spec::Channel(channel)) = entry.written.as_ref().map(|document| &document.spec) else { continue };
            if channel.from.is_some() {
                chains.from.insert(entry.name.clone(), from_settings(&entry.name, channel));
            }
            let targets = channel.routes.iter().filter_map(|route| target(&route.to, entry.name.namespace()));
            let channels = targets.filter_map(|target| match target {
                RouteTarget::Channel(name) => Some(name),
                RouteTarget::Destination(_) => None,
            });
            chains.next.insert(entry.name.clone(), channels.collect());
        }
        chains
    }

    /// Why a route from one channel to another is refused: it leads back, or too far.
    fn fault(&self, from: &Name, to: &Name) -> Option<String> {
        let mut reached: BTreeMap<&Name, &Name> = BTreeMap::from([(to, from)]);
        let mut edge = vec![to];
        let mut depth = 1;
        while !edge.is_empty() {
            if edge.contains(&from) {
                let mut way = vec![from.short()];
                let mut at = from;
                while let Some(before) = reached.get(at).filter(|_| way.len() <= CHAIN_MAX + 1) {
                    way.push(before.short());
                    if *before == from {
                        break;
                    }
                    at = before;
                }
                way.reverse();
                return Some(format!("messages would come back: {}", way.join(" > ")));
            }
            depth += 1;
            if depth > CHAIN_MAX {
                return Some(format!("routes lead through more than {CHAIN_MAX} channels"));
            }
            let mut further = Vec::new();
            for channel in edge {
                for next in self.next.get(channel).into_iter().flatten() {
                    if !reached.contains_key(next) || next == from {
                        reached.insert(next, channel);
                        further.push(next);
                    }
                }
            }
            edge = further;
        }
        None
    }

    /// What the messages that can reach a channel are taken from: by itself, and by those that lead to it.
    fn upstream(&self, name: &Name) -> Vec<&FromSettings> {
        let mut reached = BTreeSet::from([name]);
        let mut queue = vec![name];
        while let Some(at) = queue.pop() {
            let before = self.next.iter().filter(|(_, next)| next.contains(at)).map(|(before, _)| before);
            for before in before {
                if reached.insert(before) {
                    queue.push(before);
                }
            }
        }
        reached.into_iter().filter_map(|name| self.from.get(name)).collect()
    }
}
