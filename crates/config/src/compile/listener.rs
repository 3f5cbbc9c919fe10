//! Listeners: what they speak, where, and their bounds.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use barid_model::Name;

use super::check::Check;
use super::shelf::Shelf;
use super::{Layers, listener_ack, unchanged, with_last_good};
use crate::document::{
    ClientAuth, Defaults, Identify, Listener, ListenerLimits, MllpMode, OnUnknown, Period, Size, Spec,
};
use crate::problem::Problem;
use crate::settings::{
    CA_CRT, HttpSettings, LimitSettings, ListenerSpec, ListenerTransport, MllpRelease, MllpSettings, TLS_CRT, TLS_KEY,
    TlsServer, defaults,
};
use crate::snapshot::Snapshot;

/// Most paths of an HTTPS listener.
const PATHS_MAX: usize = 64;

pub(super) fn compile(
    shelf: &mut Shelf,
    exchange: &Defaults,
    previous: &Snapshot,
    problems: &mut Vec<Problem>,
) -> BTreeMap<Name, Arc<ListenerSpec>> {
    let good = shelf.check("Listener", problems, |_, entry, spec, check| {
        let Spec::Listener(listener) = spec else { return None };
        let spec = listener_spec(&entry.name, listener, exchange, check)?;
        Some(unchanged(spec, &entry.name, &previous.listeners))
    });
    with_last_good(good, shelf.faulty("Listener"), &previous.listeners)
}

fn listener_spec(name: &Name, listener: &Listener, exchange: &Defaults, check: &mut Check<'_>) -> Option<ListenerSpec> {
    let kind = check.one_of("", &[("mllp", listener.mllp.is_some()), ("https", listener.https.is_some())]);
    let (transport, port, address) = transport(listener, check);
    let tls = tls(listener, check);
    let identify = listener.identify.unwrap_or(Identify::Declared);
    check_identify(listener, identify, tls.as_ref(), check);
    let socket = SocketAddr::new(address, port);
    let limits = limits(listener.limits.as_ref(), check);
    kind?;
    Some(ListenerSpec {
        name: name.clone(),
        socket,
        transport: transport?,
        tls,
        identify,
        on_unmatched: listener.on_unmatched.unwrap_or(OnUnknown::Reject),
        unknown_facility: listener.unknown_facility.unwrap_or(OnUnknown::Reject),
        ack_mode: listener_ack(Some(listener), exchange, &mut Layers::default()),
        limits,
    })
}

fn transport(listener: &Listener, check: &mut Check<'_>) -> (Option<ListenerTransport>, u16, IpAddr) {
    if let Some(mllp) = &listener.mllp {
        let address = address("mllp.address", mllp.address.as_deref(), check);
        let pipeline = check.range("mllp.pipeline", mllp.pipeline.unwrap_or(defaults::PIPELINE), 1..=1_024);
        let settings = MllpSettings {
            release: release("mllp.release", mllp.release, check),
            mode: mllp.mode.unwrap_or(MllpMode::Tolerant),
            pipeline: usize::from(pipeline),
        };
        return (Some(ListenerTransport::Mllp(settings)), mllp.port, address);
    }
    let Some(https) = &listener.https else { return (None, 0, Ipv4Addr::UNSPECIFIED.into()) };
    let address = address("https.address", https.address.as_deref(), check);
    check.at_most("https.paths", https.paths.len(), PATHS_MAX);
    for (i, path) in https.paths.iter().enumerate() {
        let field = format!("https.paths[{i}]");
        if !path.starts_with('/') || path.contains(['?', '#', ' ', '*']) || !path.is_ascii() {
            check.error(&field, format!("`{path}` is not a path"), "write one such as /hl7, without `?`, `#` and `*`");
        } else if https.paths.iter().take(i).any(|other| other == path) {
            check.error(&field, format!("`{path}` stands twice"), "keep one of the two");
        }
    }
    let paths = if https.paths.is_empty() { vec!["/".to_owned()] } else { https.paths.clone() };
    (Some(ListenerTransport::Http(HttpSettings { paths })), https.port, address)
}

fn address(field: &str, written: Option<&str>, check: &mut Check<'_>) -> IpAddr {
    let Some(text) = written else { return Ipv4Addr::UNSPECIFIED.into() };
    text.parse().unwrap_or_else(|_| {
        check.error(field, format!("`{text}` is not an IP address"), "write one such as 0.0.0.0, 127.0.0.1 or \"::\"");
        Ipv4Addr::UNSPECIFIED.into()
    })
}

pub(super) fn release(field: &str, written: Option<u8>, check: &mut Check<'_>) -> MllpRelease {
    match written {
        None | Some(1) => MllpRelease::One,
        Some(2) => MllpRelease::Two,
        Some(other) => {
            check.error(field, format!("MLLP has no release {other}"), "write 1 or 2");
            MllpRelease::One
        }
    }
}

fn tls(listener: &Listener, check: &mut Check<'_>) -> Option<TlsServer> {
    let tls = listener.tls.as_ref()?;
    let client_auth = tls.client_auth.unwrap_or(ClientAuth::None);
    if client_auth == ClientAuth::None && tls.ca.is_some() {
        check.error(
            "tls.ca",
            "nobody is asked for a certificate, so no authority is needed",
            "set tls.clientAuth to optional or required, or remove tls.ca",
        );
    }
    let ca = tls.ca.as_ref().unwrap_or(&tls.certificate);
    let ca = (client_auth != ClientAuth::None).then(|| check.secret_file("tls.ca.secret", ca, CA_CRT));
    Some(TlsServer {
        certificate: check.secret_file("tls.certificate.secret", &tls.certificate, TLS_CRT),
        key: check.secret_file("tls.certificate.secret", &tls.certificate, TLS_KEY),
        client_auth,
        ca,
    })
}

/// A proof that no sender could ever give is a mistake; one that travels in the clear is worth a look.
fn check_identify(listener: &Listener, identify: Identify, tls: Option<&TlsServer>, check: &mut Check<'_>) {
    let asks = tls.is_some_and(|tls| tls.client_auth != ClientAuth::None);
    match identify {
        Identify::Certificate if !asks => {
            check.error("identify", "nobody is asked for a certificate here", "set tls.clientAuth to required");
        }
        Identify::Token if listener.mllp.is_some() => {
            check.error("identify", "MLLP carries no tokens", "write certificate, address or declared");
        }
        _ => {}
    }
    let loopback = |address: &Option<String>| {
        address.as_deref().and_then(|text| text.parse::<IpAddr>().ok()).is_some_and(|address| address.is_loopback())
    };
    let is_local = listener.mllp.as_ref().is_some_and(|mllp| loopback(&mllp.address))
        || listener.https.as_ref().is_some_and(|https| loopback(&https.address));
    if tls.is_none() && !is_local {
        let (what, field) = match (&listener.mllp, &listener.https) {
            (Some(_), _) => ("MLLP", "mllp"),
            (None, Some(_)) => ("HTTP", "https"),
            (None, None) => return,
        };
        let text = format!("{what} without TLS: patient data travels in the clear");
        check.warning(field, text, "add tls, or keep the port inside a network that is trusted");
    }
}

fn limits(written: Option<&ListenerLimits>, check: &mut Check<'_>) -> LimitSettings {
    let own = written.cloned().unwrap_or_default();
    let size = |size: Size| usize::try_from(size.bytes()).unwrap_or(usize::MAX);
    let message = own.message_bytes.unwrap_or(Size::of(defaults::MESSAGE_BYTES));
    let message = check.range("limits.messageBytes", message, Size::of(1 << 10)..=Size::of(256 << 20));
    let connections = check.range("limits.connections", own.connections.unwrap_or(defaults::CONNECTIONS), 1..=65_536);
    let period = super::layers::period;
    let hour = Period::seconds(86_400);
    let idle = own.idle.unwrap_or(period(defaults::IDLE));
    let frame = own.frame.unwrap_or(period(defaults::FRAME));
    let refused = own.refused_bytes.unwrap_or(Size::of(defaults::REFUSED_BYTES));
    LimitSettings {
        message_bytes: size(message),
        connections: usize::try_from(connections).unwrap_or(usize::MAX),
        idle: check.period("limits.idle", idle, Period::seconds(1)..=hour),
        frame: check.period("limits.frame", frame, Period::seconds(1)..=hour),
        refused_bytes: size(check.range("limits.refusedBytes", refused, Size::of(0)..=Size::of(1 << 20))),
    }
}
