//! The table of the parse stage, from what is in effect.

use std::sync::Arc;

use barid_expr::Place;
use barid_hl7::{Charset, Limits, ack};
use barid_model::{Name, Revision};
use barid_transform::RouteTarget;
use barid_validate::{
    AckAfter as RuleAfter, AckRules, CertificateMatch, ChannelRules, ChannelState as RuleState, CheckRules,
    FacilityRules, Identity, IndexRule, ListenerRules, MshMatch, OnInvalid as RuleInvalid, OnStranger, OrderRule,
    ParseTable, Proof,
};

use super::channel::selects;
use super::program::from_settings;
use super::shelf::Shelf;
use crate::document::{
    AckAfter, AckMode, Channel as ChannelDocument, ChannelState, Identify, MllpMode, OnInvalid, OnUnknown, Spec,
};
use crate::settings::{ChannelSettings, FacilitySpec, FromSettings, IdentitySettings, ListenerSpec, ListenerTransport};
use crate::snapshot::{Channel, Snapshot};

pub(super) fn build(shelf: &Shelf, snapshot: &Snapshot) -> ParseTable {
    let listeners = snapshot.listeners.values().map(|listener| listener_rules(listener)).collect();
    let facilities = snapshot.facilities.values().map(|facility| facility_rules(facility)).collect();
    let mut channels: Vec<ChannelRules> =
        snapshot.channels.values().filter_map(|channel| channel_rules(snapshot, channel)).collect();
    channels.extend(snapshot.invalid.keys().filter_map(|name| invalid_rules(shelf, snapshot, name)));
    ParseTable::new(listeners, facilities, channels)
}

/// A table in which a channel that only other channels lead to takes everything from one listener.
pub(crate) fn table_for_test(snapshot: &Snapshot, channel: &Channel, listener: &Name) -> Arc<ParseTable> {
    let facilities = snapshot.facilities.values().map(|facility| facility_rules(facility)).collect();
    let rules = rules(snapshot, channel, vec![listener.clone()], None);
    let listener = ListenerRules {
        name: listener.clone(),
        identify: Proof::Declared,
        unknown_facility: OnStranger::Accept,
        on_unmatched: OnStranger::Reject,
        ack: ack::Mode::Standard,
        limits: Limits::default(),
    };
    Arc::new(ParseTable::new(vec![listener], facilities, vec![rules]))
}

fn listener_rules(listener: &ListenerSpec) -> ListenerRules {
    let strict = matches!(&listener.transport, ListenerTransport::Mllp(mllp) if mllp.mode == MllpMode::Strict);
    ListenerRules {
        name: listener.name.clone(),
        identify: match listener.identify {
            Identify::Certificate => Proof::Certificate,
            Identify::Token => Proof::Token,
            Identify::Address => Proof::Address,
            Identify::Declared => Proof::Declared,
        },
        unknown_facility: stranger(listener.unknown_facility),
        on_unmatched: stranger(listener.on_unmatched),
        ack: ack_mode(listener.ack_mode),
        limits: Limits { message_bytes: listener.limits.message_bytes, line_feeds: !strict, ..Limits::default() },
    }
}

const fn stranger(on: OnUnknown) -> OnStranger {
    match on {
        OnUnknown::Reject => OnStranger::Reject,
        OnUnknown::Accept => OnStranger::Accept,
    }
}

const fn ack_mode(mode: AckMode) -> ack::Mode {
    match mode {
        AckMode::Standard => ack::Mode::Standard,
        AckMode::Always => ack::Mode::Always,
        AckMode::Original => ack::Mode::Original,
        AckMode::CommitOnly => ack::Mode::CommitOnly,
    }
}

fn facility_rules(facility: &FacilitySpec) -> FacilityRules {
    let labels = facility.labels.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into()));
    FacilityRules {
        name: facility.name.clone(),
        display_name: facility.display_name.as_str().into(),
        labels: labels.collect(),
        identities: facility.identities.iter().map(identity).collect(),
        speaks_for: facility.speaks_for.clone(),
        fallback_charset: Charset::from_name(&facility.fallback_charset).ok(),
    }
}

fn identity(own: &IdentitySettings) -> Identity {
    Identity {
        certificate: own.certificate.as_ref().map(|certificate| CertificateMatch {
            dns_name: certificate.dns_name.clone(),
            common_name: certificate.common_name.clone(),
            organization: certificate.organization.clone(),
            fingerprint: certificate.fingerprint.as_deref().and_then(barid_model::Digest::read).map(|d| *d.as_bytes()),
        }),
        msh: own.msh.as_ref().map(|msh| MshMatch {
            sending_application: msh.sending_application.clone(),
            sending_facility: msh.sending_facility.clone(),
        }),
        addresses: own.addresses.iter().filter_map(|address| address.parse().ok()).collect(),
        listener: own.listener.clone(),
        token: own.token.as_ref().map(|token| token.to_string().into()),
    }
}

/// The rules of a channel; none where only routes of other channels lead to it.
pub(super) fn channel_rules(snapshot: &Snapshot, channel: &Channel) -> Option<ChannelRules> {
    let from = channel.settings.from.as_ref()?;
    let listeners: Vec<Name> = snapshot.listeners.keys().filter(|name| channel.reads(name)).cloned().collect();
    Some(rules(snapshot, channel, listeners, selected(snapshot, from)))
}

fn rules(snapshot: &Snapshot, channel: &Channel, listeners: Vec<Name>, facilities: Option<Vec<Name>>) -> ChannelRules {
    let settings = &channel.settings;
    let index = settings.index.iter().zip(&channel.index).map(|(key, path)| IndexRule {
        name: key.name.as_str().into(),
        path: *path,
        sensitive: key.sensitive.unwrap_or(true),
    });
    ChannelRules {
        name: channel.name.clone(),
        revision: channel.revision,
        priority: settings.priority,
        ack: ack_rules(snapshot, settings, &listeners),
        listeners,
        facilities,
        when: channel.when.clone(),
        state: if settings.state == ChannelState::Closed { RuleState::Closed } else { RuleState::Open },
        checks: CheckRules { strict: settings.strict, value_type: settings.value_type.as_deref().map(Arc::from) },
        on_invalid: match settings.on_invalid {
            OnInvalid::Log => RuleInvalid::Log,
            OnInvalid::Quarantine => RuleInvalid::Quarantine,
            OnInvalid::Reject => RuleInvalid::Reject,
        },
        processing_id: snapshot.exchange.processing_id.map(|id| id.code().into()),
        order: channel.order.clone(),
        index: index.collect(),
        accept_without_control_id: settings.missing_control_id == OnUnknown::Accept,
    }
}

fn ack_rules(snapshot: &Snapshot, settings: &ChannelSettings, listeners: &[Name]) -> AckRules {
    let own = settings.ack.mode;
    let listener = listeners.first().and_then(|name| snapshot.listeners.get(name)).map(|listener| listener.ack_mode);
    let destinations = settings.routes.iter().filter(|route| matches!(route.to, RouteTarget::Destination(_))).count();
    AckRules {
        mode: ack_mode(own.or(listener).unwrap_or_default()),
        after: match settings.ack.after {
            AckAfter::Accepted => RuleAfter::Accepted,
            AckAfter::Delivered => RuleAfter::Delivered,
        },
        route: settings.ack.route.as_deref().map(Arc::from),
        answerable: settings.ack.route.is_some() || (settings.routes.len() == 1 && destinations == 1),
        timeout: settings.ack.timeout,
    }
}

fn selected(snapshot: &Snapshot, from: &FromSettings) -> Option<Vec<Name>> {
    if from.facilities.is_empty() && from.labels.is_empty() {
        return None;
    }
    let facilities = snapshot.facilities.values().filter(|facility| selects(from, facility));
    Some(facilities.map(|facility| facility.name.clone()).collect())
}

/// A channel without any good version still claims its messages, as far as can be told which those are, so that they
/// are refused as retryable and never taken by another.
fn invalid_rules(shelf: &Shelf, snapshot: &Snapshot, name: &Name) -> Option<ChannelRules> {
    let document = shelf.get("Channel", name)?.written.as_ref()?;
    let Spec::Channel(channel) = &document.spec else { return None };
    let channel: &ChannelDocument = channel;
    channel.from.as_ref()?;
    let from = from_settings(name, channel);
    let scope = barid_expr::Scope::new(Place::Message).with_constants(Arc::clone(&snapshot.exchange.constants));
    let when = from.when.as_deref();
    let when = when.and_then(|source| barid_expr::Program::compile(source, &scope, barid_expr::Type::Bool).ok());
    let reads = |listener: &&Name| match from.listeners.as_slice() {
        [] => listener.namespace() == name.namespace(),
        named => named.contains(listener),
    };
    Some(ChannelRules {
        name: name.clone(),
        revision: Revision::default(),
        priority: channel.priority.unwrap_or(0),
        listeners: snapshot.listeners.keys().filter(reads).cloned().collect(),
        facilities: selected(snapshot, &from),
        when: when.map(Arc::new),
        state: RuleState::Invalid,
        checks: CheckRules::default(),
        on_invalid: RuleInvalid::Reject,
        processing_id: None,
        order: OrderRule::Facility,
        index: Vec::new(),
        ack: AckRules::default(),
        accept_without_control_id: true,
    })
}
