//! The installation: one document at most.

use std::sync::Arc;

use barid_expr::{Place, Scope};

use super::check::Check;
use super::shelf::Shelf;
use crate::document::{Exchange, Spec};
use crate::problem::Problem;
use crate::settings::ExchangeSpec;
use crate::snapshot::Snapshot;

/// Most constants.
const CONSTANTS_MAX: usize = 256;

/// The installation and what is made of it.
pub(super) struct Installed {
    pub document: Exchange,
    pub spec: Arc<ExchangeSpec>,
    /// The scope of mapping steps.
    pub scope: Scope,
}

impl Installed {
    /// The scope of expressions at a place.
    pub(super) fn scope_at(&self, place: Place) -> Scope {
        Scope::new(place).with_constants(Arc::clone(&self.spec.constants))
    }
}

pub(super) fn compile(shelf: &mut Shelf, previous: &Snapshot, problems: &mut Vec<Problem>) -> Installed {
    let names: Vec<_> = shelf.of_kind("Exchange").map(|entry| entry.name.clone()).collect();
    let first = names.first().cloned();
    let mut good = shelf.check("Exchange", problems, |_, entry, spec, check| {
        let Spec::Exchange(exchange) = spec else { return None };
        if Some(&entry.name) != first.as_ref() {
            let other = first.as_ref().map(|name| name.short()).unwrap_or_default();
            check.error("", format!("there is another Exchange, {other}"), "keep one: there is one per installation");
        }
        check_constants(exchange, check);
        check_defaults(exchange, check);
        Some((entry.name.name().to_owned(), exchange.clone()))
    });
    let written = first.as_ref().and_then(|name| good.remove(name));
    // A faulty one leaves the last good one in effect; none at all leaves the built-in defaults.
    let kept = first.as_ref().and_then(|name| shelf.in_effect("Exchange", name, previous));
    let (name, document) = match (written, kept.as_deref().map(|document| (&document.metadata.name, &document.spec))) {
        (Some(written), _) => written,
        (None, Some((name, Spec::Exchange(exchange)))) => (name.clone(), exchange.clone()),
        (None, _) => ("default".to_owned(), Box::default()),
    };
    let built_in = ExchangeSpec::default();
    let spec = ExchangeSpec {
        name,
        processing_id: document.processing_id,
        application: document.application.clone().unwrap_or(built_in.application),
        facility: document.facility.clone().unwrap_or(built_in.facility),
        constants: Arc::new(document.constants.clone()),
    };
    let spec = if *previous.exchange == spec { Arc::clone(&previous.exchange) } else { Arc::new(spec) };
    let scope = Scope::new(Place::Step).with_constants(Arc::clone(&spec.constants));
    Installed { document: *document, spec, scope }
}

/// Defaults are for what any channel or destination can share, and in the ranges that hold there.
fn check_defaults(exchange: &Exchange, check: &mut Check<'_>) {
    let defaults = exchange.defaults.clone().unwrap_or_default();
    if defaults.ack.as_ref().is_some_and(|ack| ack.route.is_some()) {
        check.error("defaults.ack.route", "routes belong to a channel", "name the route in the channel's ack.route");
    }
    if defaults.validate.as_ref().is_some_and(|validate| validate.profile.is_some()) {
        let remedy = "name the profile in the channel's validate.profile";
        check.error("defaults.validate.profile", "a profile fits some messages and not others", remedy);
    }
    super::channel::value_type("defaults.validate.valueType", defaults.validate.as_ref(), check);
    super::destination::check_ranges(
        "defaults.",
        defaults.timeout,
        defaults.retry.as_ref(),
        defaults.backlog.as_ref(),
        check,
    );
}

fn check_constants(exchange: &Exchange, check: &mut Check<'_>) {
    check.at_most("constants", exchange.constants.len(), CONSTANTS_MAX);
    for name in exchange.constants.keys() {
        let mut chars = name.chars();
        let plain = chars.next().is_some_and(|c| c.is_ascii_alphabetic())
            && chars.all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !plain {
            check.error(
                &format!("constants.{name}"),
                format!("`{name}` cannot be used as const.{name}"),
                "use letters, digits and `_`, first a letter",
            );
        }
    }
}
