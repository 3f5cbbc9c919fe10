//! The table that the compiler of documents builds and every parse looks things up in. Built once a snapshot; whatever
//! would cost an allocation or a search a message is prepared here.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use barid_expr::FacilityFacts;
use barid_model::{Name, Revision};

use crate::channel::ChannelRules;
use crate::facility::FacilityRules;
use crate::intern::Words;
use crate::listener::ListenerRules;
use crate::recognise::Identities;

/// Listeners, facilities and channels, prepared for the parse stage.
pub struct ParseTable {
    listeners: HashMap<Name, ListenerEntry>,
    pub(crate) facilities: Vec<FacilityEntry>,
    pub(crate) identities: Identities,
    channels: Vec<ChannelEntry>,
    pub(crate) words: Words,
    /// The name of the search key of patients.
    pub(crate) patient: Arc<str>,
    identity: Revision,
}

pub(crate) struct ListenerEntry {
    pub(crate) rules: ListenerRules,
    /// Places in `channels`, first choice first.
    candidates: Vec<usize>,
}

pub(crate) struct FacilityEntry {
    pub(crate) rules: FacilityRules,
    /// `namespace/name`, as envelopes have it.
    pub(crate) text: Arc<str>,
    /// As expressions see it.
    pub(crate) facts: FacilityFacts,
}

pub(crate) struct ChannelEntry {
    pub(crate) rules: ChannelRules,
    /// By place in `facilities`; none: any sender.
    facilities: Option<Vec<bool>>,
}

impl ChannelEntry {
    /// Whether it takes messages of this facility (by place; none for a stranger).
    pub(crate) fn takes_from(&self, facility: Option<usize>) -> bool {
        match (&self.facilities, facility) {
            (None, _) => true,
            (Some(taken), Some(place)) => taken.get(place).copied().unwrap_or(false),
            (Some(_), None) => false,
        }
    }
}

impl ParseTable {
    /// Prepares the rules. Conflicts between them are the compiler's to report: here the first by name wins.
    #[must_use]
    pub fn new(listeners: Vec<ListenerRules>, facilities: Vec<FacilityRules>, channels: Vec<ChannelRules>) -> Self {
        let mut facilities = facilities;
        facilities.sort_by(|a, b| a.name.cmp(&b.name));
        let places: HashMap<Name, usize> = facilities.iter().enumerate().map(|(i, f)| (f.name.clone(), i)).collect();
        let mut channels = channels;
        channels.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.name.cmp(&b.name)));
        let channels: Vec<ChannelEntry> = channels
            .into_iter()
            .map(|rules| {
                let facilities = rules.facilities.as_ref().map(|names| selected(names, &places));
                ChannelEntry { rules, facilities }
            })
            .collect();
        let listeners = listeners.into_iter().map(|rules| (rules.name.clone(), listener(rules, &channels))).collect();
        let identities = Identities::new(&facilities, &places);
        let facilities = facilities.into_iter().map(facility).collect();
        Self {
            listeners,
            facilities,
            identities,
            channels,
            words: Words::new(),
            patient: "patient".into(),
            identity: Revision::default(),
        }
    }

    /// The same table under the hash of the snapshot it was built from: how a call names it to a stage elsewhere.
    #[must_use]
    pub fn identified(self, identity: Revision) -> Self {
        Self { identity, ..self }
    }

    /// The hash of its snapshot; zeros where nobody named it.
    #[must_use]
    pub const fn identity(&self) -> Revision {
        self.identity
    }

    /// The places (`namespace/secret/key`) of all bearer tokens that identities ask for.
    pub fn tokens(&self) -> impl Iterator<Item = &Arc<str>> {
        let identities = self.facilities.iter().flat_map(|facility| &facility.rules.identities);
        identities.filter_map(|identity| identity.token.as_ref())
    }

    pub(crate) fn listener(&self, name: &Name) -> Option<&ListenerEntry> {
        self.listeners.get(name)
    }

    /// The channel of this name.
    pub(crate) fn channel(&self, name: &Name) -> Option<&ChannelEntry> {
        self.channels.iter().find(|entry| entry.rules.name == *name)
    }

    /// The place of the facility that envelopes name so.
    pub(crate) fn facility(&self, text: &str) -> Option<usize> {
        self.facilities.iter().position(|entry| *entry.text == *text)
    }

    /// The channels of a listener, first choice first.
    pub(crate) fn candidates(&self, listener: &ListenerEntry) -> impl Iterator<Item = &ChannelEntry> {
        listener.candidates.iter().filter_map(|at| self.channels.get(*at))
    }
}

fn facility(rules: FacilityRules) -> FacilityEntry {
    let facts = FacilityFacts {
        name: rules.name.name().to_owned(),
        namespace: rules.name.namespace().to_owned(),
        display_name: rules.display_name.to_string(),
        labels: rules.labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        verified: true,
    };
    FacilityEntry { text: rules.name.to_string().into(), facts, rules }
}

fn listener(rules: ListenerRules, channels: &[ChannelEntry]) -> ListenerEntry {
    let takes = |entry: &ChannelEntry| entry.rules.listeners.contains(&rules.name);
    let candidates = channels.iter().enumerate().filter(|(_, entry)| takes(entry)).map(|(at, _)| at).collect();
    ListenerEntry { rules, candidates }
}

fn selected(names: &[Name], places: &HashMap<Name, usize>) -> Vec<bool> {
    let mut taken = vec![false; places.len()];
    for place in names.iter().filter_map(|name| places.get(name)) {
        if let Some(slot) = taken.get_mut(*place) {
            *slot = true;
        }
    }
    taken
}

impl fmt::Debug for ParseTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (listeners, facilities, channels) = (self.listeners.len(), self.facilities.len(), self.channels.len());
        write!(f, "ParseTable({listeners} listeners, {facilities} facilities, {channels} channels)")
    }
}
