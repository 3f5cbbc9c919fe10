//! What two documents may not share: a port, an identity, a place in the line.
//!
//! The one that was there before keeps it; of two new ones the first by name. The other keeps its last good version if
//! that does not clash as well, else it is left out, so that a mistake takes nothing from those who were right.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use barid_model::Name;

use super::channel::selects;
use super::check::Check;
use super::shelf::Shelf;
use crate::problem::Problem;
use crate::settings::{FacilitySpec, ListenerSpec, ListenerTransport};
use crate::snapshot::{Channel, Snapshot};

/// Names in the order of their right: those that were there before first.
fn by_right<T>(map: &BTreeMap<Name, Arc<T>>, previous: &BTreeMap<Name, Arc<T>>) -> Vec<Name> {
    let mut names: Vec<Name> = map.keys().cloned().collect();
    // An object that did not change was there before; a changed one asks for something new.
    let is_new = |name: &Name| match (map.get(name), previous.get(name)) {
        (Some(now), Some(before)) => !Arc::ptr_eq(now, before),
        _ => true,
    };
    names.sort_by_key(|name| (is_new(name), name.clone()));
    names
}

/// Lets each in by right; a loser falls back to its version of `previous` where that does not clash.
fn settle<T>(
    kind: &'static str,
    map: &mut BTreeMap<Name, Arc<T>>,
    previous: &BTreeMap<Name, Arc<T>>,
    shelf: &mut Shelf,
    problems: &mut Vec<Problem>,
    mut clash: impl FnMut(&T, &T) -> Option<(String, String, String)>,
) {
    let mut settled: BTreeMap<Name, Arc<T>> = BTreeMap::new();
    for name in by_right(map, previous) {
        let Some(candidate) = map.get(&name) else { continue };
        let found = settled.values().find_map(|other| clash(candidate, other));
        let Some((field, text, remedy)) = found else {
            settled.insert(name, Arc::clone(candidate));
            continue;
        };
        if let Some(entry) = shelf.get(kind, &name) {
            Check::new(entry, problems).error(&field, text, remedy);
        }
        shelf.mark_faulty(kind, &name);
        let kept = previous.get(&name).filter(|kept| !settled.values().any(|other| clash(kept, other).is_some()));
        if let Some(kept) = kept {
            settled.insert(name, Arc::clone(kept));
        }
    }
    *map = settled;
}

/// No two listeners on one port.
pub(super) fn ports(
    shelf: &mut Shelf,
    listeners: &mut BTreeMap<Name, Arc<ListenerSpec>>,
    previous: &Snapshot,
    problems: &mut Vec<Problem>,
) {
    settle("Listener", listeners, &previous.listeners, shelf, problems, |one, other| {
        let field = match one.transport {
            ListenerTransport::Mllp(_) => "mllp.port",
            ListenerTransport::Http(_) => "https.port",
        };
        overlaps(one.socket, other.socket).then(|| {
            let text = format!("port {} is taken by Listener {}", one.socket.port(), other.name.short());
            (field.to_owned(), text, "give one of them another port or address".to_owned())
        })
    });
}

fn overlaps(one: SocketAddr, other: SocketAddr) -> bool {
    let same_address = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && same_address
}

/// No two facilities with one identity.
pub(super) fn identities(
    shelf: &mut Shelf,
    facilities: &mut BTreeMap<Name, Arc<FacilitySpec>>,
    previous: &Snapshot,
    problems: &mut Vec<Problem>,
) {
    settle("Facility", facilities, &previous.facilities, shelf, problems, |one: &FacilitySpec, other| {
        let shared = one.identities.iter().position(|identity| other.identities.contains(identity))?;
        let text = format!("Facility {} has the same identity", other.name.short());
        Some((format!("identities[{shared}]"), text, "make one of them ask for more, or remove it".to_owned()))
    });
}

/// No two channels of different namespaces with equal priority for one listener and facility.
pub(super) fn priorities(shelf: &mut Shelf, snapshot: &mut Snapshot, previous: &Snapshot, problems: &mut Vec<Problem>) {
    let (listeners, facilities) = (snapshot.listeners.clone(), snapshot.facilities.clone());
    let mut channels = std::mem::take(&mut snapshot.channels);
    settle("Channel", &mut channels, &previous.channels, shelf, problems, |one: &Channel, other: &Channel| {
        if one.name.namespace() == other.name.namespace() || one.settings.priority != other.settings.priority {
            return None;
        }
        let listener = listeners.keys().find(|name| one.reads(name) && other.reads(name))?;
        let (mine, theirs) = (one.settings.from.as_ref()?, other.settings.from.as_ref()?);
        let open = |from: &crate::settings::FromSettings| from.facilities.is_empty() && from.labels.is_empty();
        let shared = facilities.values().any(|facility| selects(mine, facility) && selects(theirs, facility));
        (shared || (open(mine) && open(theirs))).then(|| {
            let text = format!(
                "Channel {} of another namespace takes from Listener {} and the same senders with equal priority",
                other.name,
                listener.short()
            );
            ("priority".to_owned(), text, "give the two different priorities, or different facilities".to_owned())
        })
    });
    snapshot.channels = channels;
}
