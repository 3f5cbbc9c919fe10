//! A channel's expressions and steps, compiled: the same for a document and for a stored revision.

use std::collections::BTreeSet;
use std::sync::Arc;

use barid_expr::{Constants, ExprError, Place, Program, Scope, Type};
use barid_hl7::Path;
use barid_model::Name;
use barid_transform::{ChannelProgram, CompileEnv, Library, Mapping, Outgoing, RouteProgram, RouteTarget, StepError};
use barid_validate::{OrderRule, PatientRule};

use super::check::Check;
use super::shelf::Shelf;
use super::{Layers, channel_settings, outbound_settings};
use crate::document::{AckAfter, Channel, Defaults, OrderBy, Outbound, Period, Route, Spec, Step, To, full_name};
use crate::settings::{ChannelSettings, FromSettings, OrderSettings, RouteSettings};

/// Most routes of a channel.
const ROUTES_MAX: usize = 64;
/// Most own search keys of a channel.
const INDEX_MAX: usize = 16;
/// Search keys that every message has.
const OWN_KEYS: [&str; 7] = ["patient", "channel", "facility", "type", "controlId", "outcome", "time"];

/// What is wrong with a field of a channel's `spec`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldFault {
    pub field: String,
    pub text: String,
    pub remedy: String,
}

/// What a channel is compiled from.
pub(crate) struct Input<'a> {
    pub name: &'a Name,
    pub spec: &'a Channel,
    pub defaults: &'a Defaults,
    pub constants: Arc<Constants>,
    pub library: &'a dyn Library,
    /// How messages are written for a destination.
    pub outbound: &'a dyn Fn(&Name) -> Outbound,
}

/// What a channel is compiled to.
pub(crate) struct Parts {
    pub settings: ChannelSettings,
    pub program: ChannelProgram,
    pub when: Option<Arc<Program>>,
    pub order: OrderRule,
    pub index: Vec<Path>,
}

/// Compiles a channel, or tells all that is wrong with it.
pub(crate) fn parts(input: &Input<'_>) -> Result<Parts, Vec<FieldFault>> {
    let mut work = Work { input, faults: Vec::new() };
    let settings = work.settings();
    let order = work.order(&settings.order);
    let index = work.index();
    let from = input.spec.from.as_ref();
    let when = from.and_then(|from| from.when.as_deref());
    let when = when.and_then(|source| work.expression("from.when", source, Place::Message, Type::Bool)).map(Arc::new);
    let filter = input.spec.filter.as_deref();
    let filter = filter.and_then(|source| work.expression("filter", source, Place::Message, Type::Bool));
    let transform = work.mapping("transform", &input.spec.transform);
    let routes = work.routes();
    if !work.faults.is_empty() {
        return Err(work.faults);
    }
    let program = ChannelProgram { filter, transform, routes };
    Ok(Parts { settings, program, when, order, index })
}

struct Work<'a> {
    input: &'a Input<'a>,
    faults: Vec<FieldFault>,
}

impl Work<'_> {
    fn fault(&mut self, field: impl Into<String>, text: impl Into<String>, remedy: impl Into<String>) {
        self.faults.push(FieldFault { field: field.into(), text: text.into(), remedy: remedy.into() });
    }

    fn scope(&self, place: Place) -> Scope {
        Scope::new(place).with_constants(Arc::clone(&self.input.constants))
    }

    fn expression(&mut self, field: &str, source: &str, place: Place, want: Type) -> Option<Program> {
        match Program::compile(source, &self.scope(place), want) {
            Ok(program) => Some(program),
            Err(ExprError { offset, text, remedy }) => {
                let place = source.get(..offset).map_or(offset, |before| before.chars().count()) + 1;
                let text = if offset == 0 { text } else { format!("{text} (at character {place})") };
                self.fault(field, text, remedy);
                None
            }
        }
    }

    fn mapping(&mut self, at: &str, steps: &[Step]) -> Mapping {
        let scope = self.scope(Place::Step);
        let env = CompileEnv { scope: &scope, namespace: self.input.name.namespace(), library: self.input.library };
        match Mapping::compile(steps, at, &env) {
            Ok(mapping) => mapping,
            Err(errors) => {
                self.faults.extend(errors.into_iter().map(FieldFault::from));
                Mapping::default()
            }
        }
    }

    fn settings(&mut self) -> ChannelSettings {
        let (name, spec) = (self.input.name, self.input.spec);
        let mut settings = channel_settings(spec, self.input.defaults, &mut Layers::default());
        settings.from = spec.from.as_ref().map(|_| from_settings(name, spec));
        settings.profile = spec
            .validate
            .as_ref()
            .and_then(|validate| validate.profile.as_ref())
            .map(|reference| full_name(reference, name.namespace()));
        settings.routes = spec.routes.iter().filter_map(|route| self.route_settings(route)).collect();
        self.check_times(&settings);
        self.check_ack(&settings);
        settings
    }

    fn route_settings(&self, route: &Route) -> Option<RouteSettings> {
        let to = target(&route.to, self.input.name.namespace())?;
        Some(RouteSettings { name: route.name.clone(), to })
    }

    fn check_times(&mut self, settings: &ChannelSettings) {
        if settings.metadata_retention < settings.payload_retention {
            let text = "metadata would be gone before the messages they describe";
            self.fault("retention", text, "make retention.metadata at least as long as retention.payload");
        }
        if settings.duplicate_window > Period::days(30).duration() {
            self.fault("duplicates.window", "more than 30 days are not remembered", "write 0s to 30d");
        }
        let (low, high) = (Period::seconds(1).duration(), Period::seconds(600).duration());
        if !(low..=high).contains(&settings.ack.timeout) {
            self.fault("ack.timeout", "the time is out of range", "write 1s to 10m");
        }
    }

    /// A sender can wait for one answer only, so it has to be clear whose.
    fn check_ack(&mut self, settings: &ChannelSettings) {
        let ack = &settings.ack;
        let answering = |route: &&RouteSettings| matches!(route.to, RouteTarget::Destination(_));
        if let Some(name) = &ack.route {
            let route = settings.routes.iter().find(|route| route.name == *name);
            match route {
                None => self.fault("ack.route", format!("there is no route `{name}`"), route_names(settings)),
                Some(route) if !answering(&route) => {
                    let text = format!("the route `{name}` leads to a channel, which answers nothing");
                    self.fault("ack.route", text, "name a route to a destination");
                }
                Some(_) => {}
            }
        } else if ack.after == AckAfter::Delivered && settings.routes.iter().filter(answering).count() != 1 {
            let text = "it is not clear whose answer the sender waits for";
            self.fault("ack", text, "name the route in ack.route");
        }
    }

    fn order(&mut self, order: &OrderSettings) -> OrderRule {
        let spec = self.input.spec.order.as_ref();
        let has_patient = spec.is_some_and(|spec| spec.path.is_some() || spec.authority.is_some());
        if has_patient && order.by != OrderBy::Patient {
            self.fault("order", "path and authority belong to `by: patient`", "remove them, or write by: patient");
        }
        if order.expression.is_some() && order.by != OrderBy::Expression {
            self.fault("order.expression", "this belongs to `by: expression`", "remove it, or write by: expression");
        }
        match order.by {
            OrderBy::Facility => OrderRule::Facility,
            OrderBy::None => OrderRule::None,
            OrderBy::Patient => {
                let Some(path) = self.path("order.path", &order.path) else { return OrderRule::Facility };
                if path.field().is_none() || path.component().is_some() {
                    let remedy = "write one such as PID-3: its repetitions are looked through";
                    self.fault("order.path", format!("`{}` is not a whole field", order.path), remedy);
                }
                OrderRule::Patient(PatientRule { path, authority: order.authority.as_deref().map(Arc::from) })
            }
            OrderBy::Expression => match &order.expression {
                Some(source) => self
                    .expression("order.expression", source, Place::Message, Type::Text)
                    .map_or(OrderRule::Facility, |program| OrderRule::Expression(Arc::new(program))),
                None => {
                    self.fault("order", "the expression is missing", "add expression, such as \"msg['PV1-19.1']\"");
                    OrderRule::Facility
                }
            },
        }
    }

    fn index(&mut self) -> Vec<Path> {
        let keys = &self.input.spec.index;
        if keys.len() > INDEX_MAX {
            self.fault("index", format!("there are {} search keys", keys.len()), format!("keep at most {INDEX_MAX}"));
        }
        let mut names = BTreeSet::new();
        let mut paths = Vec::new();
        for (i, key) in keys.iter().enumerate() {
            let field = format!("index[{i}].name");
            let plain = key.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            if !plain || key.name.is_empty() || key.name.len() > 32 {
                let remedy = "use letters, digits, `-` and `_`, at most 32";
                self.fault(field, format!("`{}` cannot be a search key", key.name), remedy);
            } else if OWN_KEYS.contains(&key.name.as_str()) || !names.insert(&key.name) {
                self.fault(field, format!("the search key `{}` is there already", key.name), "give it another name");
            }
            paths.extend(self.path(&format!("index[{i}].path"), &key.path));
        }
        paths
    }

    fn path(&mut self, field: &str, text: &str) -> Option<Path> {
        match Path::parse(text) {
            Ok(path) => Some(path),
            Err(error) => {
                let remedy = "write one such as PID-3[2].4 or PV1-19.1";
                self.fault(field, format!("`{text}` is not a path: {error}"), remedy);
                None
            }
        }
    }

    fn routes(&mut self) -> Vec<RouteProgram> {
        let routes = &self.input.spec.routes;
        if routes.len() > ROUTES_MAX {
            self.fault("routes", format!("there are {} routes", routes.len()), format!("keep at most {ROUTES_MAX}"));
        }
        let mut names = BTreeSet::new();
        let mut programs = Vec::new();
        for (i, route) in routes.iter().enumerate() {
            if !is_route_name(&route.name) {
                let remedy = "use letters, digits, `-`, `_` and `.`, at most 63";
                self.fault(format!("routes[{i}].name"), format!("`{}` cannot name a route", route.name), remedy);
            } else if !names.insert(&route.name) {
                let text = format!("there are two routes `{}`", route.name);
                self.fault(format!("routes[{i}].name"), text, "rename one: a delivery is known by its route's name");
            }
            programs.extend(self.route(i, route));
        }
        programs
    }

    fn route(&mut self, i: usize, route: &Route) -> Option<RouteProgram> {
        let at = format!("routes[{i}]");
        let when = route.when.as_deref();
        let when = when.and_then(|when| self.expression(&format!("{at}.when"), when, Place::Message, Type::Bool));
        let transform = self.mapping(&format!("{at}.transform"), &route.transform);
        let Some(target) = target(&route.to, self.input.name.namespace()) else {
            let text = "a route leads to exactly one of `destination` and `channel`";
            self.fault(format!("{at}.to"), text, "write {destination: NAME} or {channel: NAME}");
            return None;
        };
        let outgoing = self.outgoing(&at, route, &target)?;
        Some(RouteProgram { name: route.name.as_str().into(), target, when, transform, outgoing })
    }

    /// How the bytes leave: what the route says over what the destination says. A channel gets them as they came.
    fn outgoing(&mut self, at: &str, route: &Route, target: &RouteTarget) -> Option<Outgoing> {
        let base = match target {
            RouteTarget::Destination(name) => Some((self.input.outbound)(name)),
            RouteTarget::Channel(_) => None,
        };
        let merged = outbound_settings(route.outbound.as_ref(), base.as_ref(), &mut Layers::default());
        match Outgoing::compile(&merged) {
            Ok(outgoing) => Some(outgoing),
            Err(error) => {
                let name = merged.charset.unwrap_or_default();
                self.fault(format!("{at}.outbound.charset"), format!("`{name}`: {error}"), "");
                None
            }
        }
    }
}

impl From<StepError> for FieldFault {
    fn from(error: StepError) -> Self {
        let text = match error.offset {
            Some(offset) if offset > 0 => format!("{} (at character {})", error.text, offset + 1),
            _ => error.text,
        };
        Self { field: error.place, text, remedy: error.remedy }
    }
}

fn route_names(settings: &ChannelSettings) -> String {
    let names: Vec<String> = settings.routes.iter().map(|route| format!("`{}`", route.name)).collect();
    format!("routes here: {}", names.join(", "))
}

fn is_route_name(name: &str) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    plain && !name.is_empty() && name.len() <= 63
}

/// Where a route leads; none unless it is exactly one.
pub(crate) fn target(to: &To, namespace: &str) -> Option<RouteTarget> {
    let namespace = to.namespace.as_deref().unwrap_or(namespace);
    match (&to.destination, &to.channel) {
        (Some(name), None) => Some(RouteTarget::Destination(Name::new(namespace, name))),
        (None, Some(name)) => Some(RouteTarget::Channel(Name::new(namespace, name))),
        _ => None,
    }
}

/// Which messages a channel takes, with full names.
pub(crate) fn from_settings(name: &Name, spec: &Channel) -> FromSettings {
    let from = spec.from.clone().unwrap_or_default();
    let selector = from.facilities.unwrap_or_default();
    let namespace = selector.namespace.clone().unwrap_or_else(|| name.namespace().to_owned());
    FromSettings {
        listeners: from.listeners.iter().map(|reference| full_name(reference, name.namespace())).collect(),
        facilities: selector.names.iter().map(|facility| Name::new(&namespace, facility)).collect(),
        labels: selector.labels,
        namespace,
        when: from.when,
    }
}

/// Whether a reference leads to a document that lets itself be referred to; says why not.
pub(crate) fn unresolved(shelf: &Shelf, kind: &'static str, name: &Name, from: &str) -> Option<(String, String)> {
    let Some(entry) = shelf.get(kind, name) else {
        let known: Vec<&Name> = shelf.of_kind(kind).map(|entry| &entry.name).collect();
        return Some(missing(kind, name, &known));
    };
    if name.namespace() == from {
        return None;
    }
    let allowed = entry.written.as_ref().and_then(|document| match &document.spec {
        Spec::Listener(listener) => listener.allowed_from.as_ref(),
        Spec::Facility(facility) => facility.allowed_from.as_ref(),
        Spec::Destination(destination) => destination.allowed_from.as_ref(),
        Spec::Mapping(mapping) => mapping.allowed_from.as_ref(),
        Spec::CodeTable(table) => table.allowed_from.as_ref(),
        Spec::Profile(profile) => profile.allowed_from.as_ref(),
        Spec::Exchange(_) | Spec::Channel(_) | Spec::ChannelTest(_) => None,
    });
    if allowed.is_some_and(|allowed| allowed.allows(from)) {
        return None;
    }
    let text = format!("{kind} {name} does not let documents of namespace {from} refer to it");
    let remedy = match kind {
        "Channel" => "a route to a channel stays inside its namespace".to_owned(),
        _ => format!("add {from} to allowedFrom.namespaces there"),
    };
    Some((text, remedy))
}

fn missing(kind: &str, name: &Name, known: &[&Name]) -> (String, String) {
    let text = format!("there is no {kind} {}", name.short());
    let same_name = known.iter().find(|other| other.name() == name.name());
    let near = crate::read::nearest(name.name(), known.iter().map(|other| other.name()));
    let remedy = match (same_name, near) {
        (Some(other), _) => format!("the one in namespace {} is meant? add namespace: {0}", other.namespace()),
        (None, Some(near)) => format!("did you mean {near}?"),
        (None, None) => format!("add a {kind} of this name"),
    };
    (text, remedy)
}

/// Checks a reference of a document.
pub(crate) fn refer(shelf: &Shelf, kind: &'static str, name: &Name, field: &str, check: &mut Check<'_>) -> bool {
    match unresolved(shelf, kind, name, check.namespace()) {
        None => true,
        Some((text, remedy)) => {
            check.error(field, text, remedy);
            false
        }
    }
}
