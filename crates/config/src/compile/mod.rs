//! The compiler: documents to a snapshot, each on its own.
//!
//! Every document is checked alone first, then what it refers to, then what it may not share with others (a port, an
//! identity, a place in the line). Whatever fails keeps its last good version: other documents see that one, so that a
//! bad edit changes nothing but the list of problems.

mod channel;
mod check;
mod closure;
mod conflicts;
mod destination;
mod exchange;
mod facility;
mod layers;
mod listener;
mod problems;
mod program;
mod shared;
mod shelf;
mod suite;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use barid_model::{Name, Revision};

use crate::load::Sources;
use crate::problem::Problem;
use crate::snapshot::{Channel, Snapshot};

pub use closure::ClosureError;
pub(crate) use closure::{rebuild, with_constants};
pub use layers::{Layer, Setting};
pub(crate) use layers::{
    Layers, channel_settings, destination_settings, listener_ack, mllp_settings, outbound_settings,
};
pub(crate) use shelf::Given;
use shelf::Shelf;
pub(crate) use table::table_for_test;

/// What a compilation gave.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// What the data plane runs.
    pub snapshot: Arc<Snapshot>,
    /// What is wrong, by file and line.
    pub problems: Vec<Problem>,
}

impl Compiled {
    /// Whether every document is in effect as it is written.
    #[must_use]
    pub fn is_good(&self) -> bool {
        !self.problems.iter().any(Problem::is_error)
    }
}

/// Compiles documents; what is wrong with one leaves its version of `previous` in effect.
#[must_use]
pub fn compile(sources: &Sources, previous: Option<&Snapshot>) -> Compiled {
    let (shelf, problems) = Shelf::read(sources, previous);
    assemble(shelf, problems, previous, None)
}

/// Compiles documents that were read before, with channels as somebody else has decided.
pub(crate) fn compile_given(given: Vec<Given>, decided: Option<Decided>) -> Compiled {
    assemble(Shelf::of(given), Vec::new(), None, decided)
}

/// Which revisions run, and which channels do not: decided where the documents were compiled first.
pub(crate) struct Decided {
    pub number: u64,
    pub identity: Revision,
    pub channels: BTreeMap<Name, Arc<Channel>>,
    pub invalid: BTreeMap<Name, String>,
}

fn assemble(
    mut shelf: Shelf,
    mut problems: Vec<Problem>,
    previous: Option<&Snapshot>,
    decided: Option<Decided>,
) -> Compiled {
    let empty = Snapshot::default();
    let previous = previous.unwrap_or(&empty);
    let exchange = exchange::compile(&mut shelf, previous, &mut problems);
    let defaults = exchange.document.defaults.clone().unwrap_or_default();
    let shared = shared::check(&mut shelf, &exchange.scope, previous, &mut problems);
    let mut snapshot = Snapshot {
        number: previous.number + 1,
        exchange: Arc::clone(&exchange.spec),
        listeners: listener::compile(&mut shelf, &defaults, previous, &mut problems),
        facilities: facility::compile(&mut shelf, previous, &mut problems),
        destinations: destination::compile(&mut shelf, &exchange, previous, &mut problems),
        ..Snapshot::default()
    };
    conflicts::ports(&mut shelf, &mut snapshot.listeners, previous, &mut problems);
    conflicts::identities(&mut shelf, &mut snapshot.facilities, previous, &mut problems);
    channel::compile(&mut shelf, &exchange, &shared, &mut snapshot, previous, &mut problems);
    conflicts::priorities(&mut shelf, &mut snapshot, previous, &mut problems);
    let identity = decided.map(|Decided { number, identity, channels, invalid }| {
        (snapshot.number, snapshot.channels, snapshot.invalid) = (number, channels, invalid);
        identity
    });
    snapshot.tests = suite::compile(&mut shelf, &snapshot, previous, &mut problems);
    problems::unused(&shelf, &snapshot, &mut problems);
    snapshot.documents = shelf.good_documents(previous);
    channel::keep_documents(&mut snapshot, previous);
    snapshot.claims = shelf.claims(snapshot.invalid.keys());
    let identity = identity.unwrap_or_else(|| snapshot.pack().id);
    snapshot.parse = Arc::new(table::build(&shelf, &snapshot).identified(identity));
    problems.sort();
    problems.dedup();
    Compiled { snapshot: Arc::new(snapshot), problems }
}

/// The last good of each, by name: what was compiled now, or what `previous` has where that failed.
fn with_last_good<T>(
    mut good: BTreeMap<Name, Arc<T>>,
    faulty: impl IntoIterator<Item = Name>,
    previous: &BTreeMap<Name, Arc<T>>,
) -> BTreeMap<Name, Arc<T>> {
    for name in faulty {
        if let (false, Some(kept)) = (good.contains_key(&name), previous.get(&name)) {
            good.insert(name, Arc::clone(kept));
        }
    }
    good
}

/// What was compiled now, or the very same object as before where nothing changed, so that readers see no change.
fn unchanged<T: PartialEq>(new: T, name: &Name, previous: &BTreeMap<Name, Arc<T>>) -> Arc<T> {
    match previous.get(name) {
        Some(same) if **same == new => Arc::clone(same),
        _ => Arc::new(new),
    }
}
