//! Destinations: how each is reached, and what its answers mean.

use std::collections::BTreeMap;
use std::sync::Arc;

use barid_expr::{Place, Scope, Type};
use barid_model::Name;

use super::check::Check;
use super::exchange::Installed;
use super::listener::release;
use super::shelf::Shelf;
use super::{Layers, destination_settings, mllp_settings, unchanged, with_last_good};
use crate::document::{
    AwaitAck, Backlog, Destination, FileTarget, HttpAuth, HttpTarget, MllpTarget, Outbound, Period, Retry, Spec,
    TargetTls,
};
use crate::problem::Problem;
use crate::settings::{
    AnswerSettings, CA_CRT, Connect, DestinationSpec, FileConnect, HeaderSettings, HttpConnect, HttpCredentials,
    MllpConnect, MllpRelease, OutboundSettings, TLS_CRT, TLS_KEY, TlsClient, defaults,
};
use crate::snapshot::Snapshot;

/// Most endpoints of an MLLP destination.
const ENDPOINTS_MAX: usize = 8;
/// Most connections to a destination.
const CONNECTIONS_MAX: u16 = 64;
/// Most headers of an HTTP destination, and most rules about answers.
const RULES_MAX: usize = 32;
/// How often a message may get no answer: once may be chance.
const UNANSWERED: std::ops::RangeInclusive<u32> = 2..=1_000;
/// Headers that the connection itself writes.
const OWN_HEADERS: [&str; 6] =
    ["host", "content-length", "transfer-encoding", "connection", "content-type", "authorization"];

pub(super) fn compile(
    shelf: &mut Shelf,
    exchange: &Installed,
    previous: &Snapshot,
    problems: &mut Vec<Problem>,
) -> BTreeMap<Name, Arc<DestinationSpec>> {
    let same_constants = previous.exchange.constants == exchange.spec.constants;
    let good = shelf.check("Destination", problems, |_, entry, spec, check| {
        let Spec::Destination(destination) = spec else { return None };
        let spec = destination_spec(&entry.name, destination, exchange, check)?;
        // Expressions are compared by their text: with other constants the same text means something else.
        Some(if same_constants { unchanged(spec, &entry.name, &previous.destinations) } else { Arc::new(spec) })
    });
    with_last_good(good, shelf.faulty("Destination"), &previous.destinations)
}

fn destination_spec(
    name: &Name,
    own: &Destination,
    exchange: &Installed,
    check: &mut Check<'_>,
) -> Option<DestinationSpec> {
    check.one_of("", &[("mllp", own.mllp.is_some()), ("http", own.http.is_some()), ("file", own.file.is_some())]);
    let scope = exchange.scope_at(Place::Delivery);
    let connect = connect(own, &scope, check);
    let tls = own.tls.as_ref().map(|tls| tls_client(tls, check));
    if own.tls.is_some() && own.file.is_some() {
        check.error("tls", "files need no TLS", "remove tls");
    }
    let shared = exchange.document.defaults.clone().unwrap_or_default();
    let layered = destination_settings(own, &shared, &mut Layers::default());
    check_times(own, &layered.retry, check);
    let answers = answers(own, exchange, check);
    let outbound = outbound("outbound", own.outbound.as_ref(), check);
    Some(DestinationSpec {
        name: name.clone(),
        display_name: own.display_name.clone().unwrap_or_else(|| name.name().to_owned()),
        connect: connect?,
        tls,
        timeout: layered.timeout,
        retry: layered.retry,
        repeat_bound: usize::from(check.range("repeatBound", layered.repeat_bound, 1..=64)),
        answers,
        on_reject: layered.on_reject,
        outbound,
        backlog: layered.backlog,
        state: layered.state,
    })
}

fn check_times(own: &Destination, retry: &crate::settings::RetrySettings, check: &mut Check<'_>) {
    check_ranges("", own.timeout, own.retry.as_ref(), own.backlog.as_ref(), check);
    if retry.initial > retry.max {
        check.error(
            "retry",
            "the first pause is longer than the longest",
            "make retry.max at least as long as retry.initial",
        );
    }
}

/// The ranges of what a destination, or the Exchange for all of them, may say.
pub(super) fn check_ranges(
    at: &str,
    timeout: Option<Period>,
    retry: Option<&Retry>,
    backlog: Option<&Backlog>,
    check: &mut Check<'_>,
) {
    if let Some(timeout) = timeout {
        check.range(&format!("{at}timeout"), timeout, Period::millis(100)..=Period::seconds(600));
    }
    let (low, high) = (Period::millis(10), Period::seconds(3_600));
    let pauses = [("initial", retry.and_then(|retry| retry.initial)), ("max", retry.and_then(|retry| retry.max))];
    for (name, pause) in pauses {
        if let Some(pause) = pause {
            check.range(&format!("{at}retry.{name}"), pause, low..=high);
        }
    }
    if let Some(times) = retry.and_then(|retry| retry.unanswered) {
        check.range(&format!("{at}retry.unanswered"), times, UNANSWERED);
    }
    if backlog.and_then(|backlog| backlog.messages) == Some(0) {
        check.error(&format!("{at}backlog.messages"), "no message could ever wait", "write 1 or more");
    }
}

fn connect(own: &Destination, scope: &Scope, check: &mut Check<'_>) -> Option<Connect> {
    if let Some(mllp) = &own.mllp {
        return Some(Connect::Mllp(mllp_connect(mllp, check)));
    }
    if let Some(http) = &own.http {
        return Some(Connect::Http(http_connect(http, scope, check)));
    }
    own.file.as_ref().and_then(|file| file_connect(file, scope, check)).map(Connect::File)
}

fn mllp_connect(mllp: &MllpTarget, check: &mut Check<'_>) -> MllpConnect {
    if mllp.endpoints.is_empty() {
        check.error("mllp.endpoints", "there is no endpoint", "add one such as \"registry.example.mr:2575\"");
    }
    check.at_most("mllp.endpoints", mllp.endpoints.len(), ENDPOINTS_MAX);
    for (i, endpoint) in mllp.endpoints.iter().enumerate() {
        if !is_endpoint(endpoint) {
            check.error(
                &format!("mllp.endpoints[{i}]"),
                format!("`{endpoint}` is not a host and port"),
                "write one such as \"registry.example.mr:2575\" or \"[::1]:2575\"",
            );
        }
    }
    let layered = mllp_settings(mllp, &mut Layers::default());
    let connections = check.range("mllp.connections", layered.connections, 1..=CONNECTIONS_MAX);
    let release = release("mllp.release", Some(layered.release), check);
    let await_ack = layered.await_ack;
    if await_ack == AwaitAck::Commit && release == MllpRelease::One {
        check.error("mllp.awaitAck", "release 1 has no commit block", "write `release: 2`, or `awaitAck: first`");
    }
    let endpoints = mllp.endpoints.clone();
    MllpConnect { endpoints, connections: usize::from(connections), release, await_ack }
}

/// `host:port`, where the host is a name, an IPv4 address, or an IPv6 address in brackets.
fn is_endpoint(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let port = port.parse::<u16>().is_ok_and(|port| port > 0) && !port.starts_with(['+', '0']);
    let host = match host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => is_host(host),
    };
    port && host
}

fn is_host(host: &str) -> bool {
    let plain = host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    plain && !host.is_empty() && host.len() <= 253 && !host.starts_with(['.', '-'])
}

fn http_connect(http: &HttpTarget, scope: &Scope, check: &mut Check<'_>) -> HttpConnect {
    check_url(&http.url, check);
    let method = http.method.clone().unwrap_or_else(|| "POST".to_owned());
    if !["POST", "PUT"].contains(&method.as_str()) {
        check.error("http.method", format!("`{method}` cannot carry a message"), "write POST or PUT");
    }
    check.at_most("http.headers", http.headers.len(), RULES_MAX);
    let mut headers = Vec::new();
    for (i, header) in http.headers.iter().enumerate() {
        let field = format!("http.headers[{i}]");
        header_name(&format!("{field}.name"), &header.name, check);
        let value = check.expression(&format!("{field}.value"), &header.value, scope, Type::Text);
        headers.extend(value.map(|value| HeaderSettings { name: header.name.clone(), value }));
    }
    let idempotency = http.idempotency_header.clone().unwrap_or_else(|| defaults::IDEMPOTENCY_HEADER.to_owned());
    header_name("http.idempotencyHeader", &idempotency, check);
    if http.auth.is_some() && http.url.starts_with("http://") {
        check.warning("http.auth", "credentials travel in the clear", "use an https:// URL");
    }
    let connections = http.connections.unwrap_or(defaults::HTTP_CONNECTIONS);
    HttpConnect {
        url: http.url.clone(),
        method,
        content_type: http.content_type.clone(),
        headers,
        credentials: http.auth.as_ref().and_then(|auth| credentials(auth, check)),
        idempotency_header: idempotency,
        connections: usize::from(check.range("http.connections", connections, 1..=CONNECTIONS_MAX)),
    }
}

fn check_url(url: &str, check: &mut Check<'_>) {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let authority = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or(""));
    let good = authority.is_some_and(|authority| is_host(authority) || is_endpoint(authority));
    if authority.is_some_and(|authority| authority.contains('@')) {
        check.error("http.url", "the URL carries a user or password", "use http.auth with a secret");
    } else if !good || url.contains(|c: char| c.is_whitespace() || c.is_control()) || url.contains('#') {
        check.error("http.url", format!("`{url}` is not an HTTP URL"), "write one such as https://fhir.example.mr/hl7");
    }
}

fn header_name(field: &str, name: &str, check: &mut Check<'_>) {
    let token = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
    if !token || name.is_empty() {
        check.error(field, format!("`{name}` cannot be the name of a header"), "use letters, digits and `-`");
    } else if OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
        check.error(
            field,
            format!("`{name}` is written by Barid itself"),
            "use http.contentType or http.auth, or remove it",
        );
    }
}

fn credentials(auth: &HttpAuth, check: &mut Check<'_>) -> Option<HttpCredentials> {
    match check.one_of("http.auth", &[("bearer", auth.bearer.is_some()), ("basic", auth.basic.is_some())])? {
        "bearer" => check.secret("http.auth.bearer", auth.bearer.as_ref()?).map(HttpCredentials::Bearer),
        _ => {
            let basic = auth.basic.as_ref()?;
            if basic.username.contains(':') || basic.username.is_empty() {
                check.error(
                    "http.auth.basic.username",
                    "a user's name is not empty and has no `:`",
                    "write it without",
                );
            }
            let password = check.secret("http.auth.basic.password", &basic.password)?;
            Some(HttpCredentials::Basic { username: basic.username.clone(), password })
        }
    }
}

fn file_connect(file: &FileTarget, scope: &Scope, check: &mut Check<'_>) -> Option<FileConnect> {
    if file.directory.is_empty() || file.directory.split(['/', '\\']).any(|part| part == "..") {
        check.error(
            "file.directory",
            format!("`{}` is not a folder Barid writes to", file.directory),
            "write one without `..`",
        );
    }
    let name = file.name.as_deref().unwrap_or(defaults::FILE_NAME);
    let name = check.expression("file.name", name, scope, Type::Text)?;
    let mode = file.mode.as_deref().map_or(Some(defaults::FILE_MODE), |text| file_mode(text, check))?;
    Some(FileConnect { directory: file.directory.clone(), name, mode })
}

/// Permission bits: the owner's are fixed, nobody executes a message.
fn file_mode(text: &str, check: &mut Check<'_>) -> Option<u32> {
    let octal = (3..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let mode = octal.then(|| u32::from_str_radix(text, 8).ok()).flatten();
    let mode = mode.filter(|mode| mode & 0o600 == 0o600 && mode & !0o666 == 0);
    if mode.is_none() {
        check.error(
            "file.mode",
            format!("`{text}` is no mode of files with messages"),
            "write \"0600\" to \"0666\" in octal: read and write for the owner, then for its group and others",
        );
    }
    mode
}

fn tls_client(tls: &TargetTls, check: &mut Check<'_>) -> TlsClient {
    if let Some(name) = tls.server_name.as_deref().filter(|name| !is_host(name)) {
        check.error("tls.serverName", format!("`{name}` is not a host name"), "write one such as registry.example.mr");
    }
    let certificate = tls.certificate.as_ref().map(|secret| {
        let field = "tls.certificate.secret";
        (check.secret_file(field, secret, TLS_CRT), check.secret_file(field, secret, TLS_KEY))
    });
    TlsClient {
        ca: tls.ca.as_ref().map(|secret| check.secret_file("tls.ca.secret", secret, CA_CRT)),
        certificate,
        server_name: tls.server_name.clone(),
    }
}

fn answers(own: &Destination, exchange: &Installed, check: &mut Check<'_>) -> Vec<AnswerSettings> {
    let scope = exchange.scope_at(Place::Answer);
    check.at_most("answers", own.answers.len(), RULES_MAX);
    let mut answers = Vec::new();
    for (i, rule) in own.answers.iter().enumerate() {
        let when = check.expression(&format!("answers[{i}].when"), &rule.when, &scope, Type::Bool);
        answers.extend(when.map(|when| AnswerSettings { when, then: rule.then }));
    }
    answers
}

/// A destination's or route's way of writing messages, checked.
pub(super) fn outbound(field: &str, written: Option<&Outbound>, check: &mut Check<'_>) -> OutboundSettings {
    let own = written.cloned().unwrap_or_default();
    if let Some(name) = &own.charset {
        check.charset(&format!("{field}.charset"), name);
    } else if own.on_unmappable.is_some() {
        check.warning(
            &format!("{field}.onUnmappable"),
            "without a charset nothing is converted",
            "add charset, or remove it",
        );
    }
    OutboundSettings {
        charset: own.charset,
        on_unmappable: own.on_unmappable.unwrap_or_default(),
        segment_ends: own.segment_ends.unwrap_or_default(),
    }
}
