//! What is no error and still worth a look: documents that nobody uses, channels that lead nowhere.

use std::collections::BTreeSet;

use barid_model::Name;
use barid_transform::RouteTarget;

use super::check::Check;
use super::program::{from_settings, target};
use super::shelf::{Entry, Shelf};
use crate::document::{AckMode, Channel, Spec, full_name};
use crate::problem::Problem;
use crate::settings::FromSettings;
use crate::snapshot::Snapshot;

pub(super) fn unused(shelf: &Shelf, snapshot: &Snapshot, problems: &mut Vec<Problem>) {
    let mut destinations = BTreeSet::new();
    let mut targets = BTreeSet::new();
    let mut read = BTreeSet::new();
    for (name, channel) in written_channels(shelf) {
        for route in &channel.routes {
            match target(&route.to, name.namespace()) {
                Some(RouteTarget::Destination(name)) => destinations.insert(name),
                Some(RouteTarget::Channel(name)) => targets.insert(name),
                None => false,
            };
        }
        if channel.from.is_some() {
            let named = from_settings(name, channel).listeners;
            read.extend(snapshot.listeners.keys().filter(|at| named.contains(at)).cloned());
            read.extend(
                snapshot.listeners.keys().filter(|at| named.is_empty() && at.namespace() == name.namespace()).cloned(),
            );
        }
    }
    for entry in shelf.of_kind("Destination").filter(|entry| !destinations.contains(&entry.name)) {
        warn(entry, problems, "", "no route leads here", "add a route, or remove it");
    }
    for entry in shelf.of_kind("Listener") {
        if !read.contains(&entry.name) && snapshot.listeners.contains_key(&entry.name) {
            warn(entry, problems, "", "no channel reads from this listener", "add a channel, or remove it");
        }
    }
    channels(shelf, snapshot, &targets, problems);
    shared(shelf, problems);
}

/// All channels as written, those with errors included: what they mean to use is used.
fn written_channels(shelf: &Shelf) -> impl Iterator<Item = (&Name, &Channel)> {
    shelf.of_kind("Channel").filter_map(|entry| match entry.written.as_ref().map(|document| &document.spec) {
        Some(Spec::Channel(channel)) => Some((&entry.name, &**channel)),
        _ => None,
    })
}

fn channels(shelf: &Shelf, snapshot: &Snapshot, targets: &BTreeSet<Name>, problems: &mut Vec<Problem>) {
    for entry in shelf.of_kind("Channel") {
        let Some(channel) = snapshot.channels.get(&entry.name) else { continue };
        let settings = &channel.settings;
        if settings.from.is_none() && !targets.contains(&entry.name) {
            warn(entry, problems, "", "nothing comes in: it has no `from` and no route leads here", "add from");
        }
        if settings.routes.is_empty() {
            warn(entry, problems, "", "its messages go nowhere", "add routes");
        }
        let modes: BTreeSet<&'static str> =
            settings.from.iter().flat_map(|from| modes(snapshot, &entry.name, from)).collect();
        if settings.ack.mode.is_none() && modes.len() > 1 {
            warn(entry, problems, "ack", "its listeners answer in different ways", "write ack.mode here");
        }
    }
}

fn modes<'a>(
    snapshot: &'a Snapshot,
    channel: &'a Name,
    from: &'a FromSettings,
) -> impl Iterator<Item = &'static str> + 'a {
    let reads = move |name: &Name| match from.listeners.as_slice() {
        [] => name.namespace() == channel.namespace(),
        named => named.contains(name),
    };
    snapshot.listeners.values().filter(move |listener| reads(&listener.name)).map(|listener| match listener.ack_mode {
        AckMode::Standard => "standard",
        AckMode::Always => "always",
        AckMode::Original => "original",
        AckMode::CommitOnly => "commitOnly",
    })
}

fn shared(shelf: &Shelf, problems: &mut Vec<Problem>) {
    let mut used = BTreeSet::new();
    for entry in ["Channel", "Mapping"].into_iter().flat_map(|kind| shelf.of_kind(kind)) {
        let namespace = entry.name.namespace();
        let mut note = |steps: &[crate::document::Step]| {
            for step in steps {
                let table = step.lookup.as_ref().map(|lookup| ("CodeTable", full_name(&lookup.table, namespace)));
                let mapping = step.apply.as_ref().map(|apply| ("Mapping", full_name(&apply.mapping, namespace)));
                used.extend(table.into_iter().chain(mapping));
            }
        };
        match entry.written.as_ref().map(|document| &document.spec) {
            Some(Spec::Mapping(mapping)) => note(&mapping.steps),
            Some(Spec::Channel(channel)) => {
                note(&channel.transform);
                channel.routes.iter().for_each(|route| note(&route.transform));
                let profile = channel.validate.as_ref().and_then(|validate| validate.profile.as_ref());
                used.extend(profile.map(|profile| ("Profile", full_name(profile, namespace))));
            }
            _ => {}
        }
    }
    for kind in ["CodeTable", "Mapping", "Profile"] {
        for entry in shelf.of_kind(kind).filter(|entry| !used.contains(&(kind, entry.name.clone()))) {
            warn(entry, problems, "", "no channel uses it", "use it, or remove it");
        }
    }
}

fn warn(entry: &Entry, problems: &mut Vec<Problem>, field: &str, text: &str, remedy: &str) {
    Check::new(entry, problems).warning(field, text, remedy);
}
