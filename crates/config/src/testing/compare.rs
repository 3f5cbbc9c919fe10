//! What came out against what was expected, as differences field by field.

use barid_expr::Fields as _;
use barid_hl7::{Limits, Message, Path, Presence};
use barid_model::{Finding, Payload};
use barid_transform::{Applied, RouteOutput, RouteResult};
use regex::Regex;

use super::Failure;
use crate::document::{Expectation, FieldCheck, RouteCheck};

/// Most bytes shown of a value.
const SHOWN_MAX: usize = 200;

/// What came out.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// The acknowledgement code; none where none is sent.
    pub ack: Option<&'static str>,
    pub findings: Vec<Finding>,
    pub lanes: usize,
    /// None where the message was not accepted.
    pub applied: Option<Applied>,
}

type Read<'a> = &'a dyn Fn(&str) -> Result<Vec<u8>, Failure>;

/// All that is not as expected.
pub(super) fn compare(expect: &Expectation, looked: &Looked, read: Read<'_>) -> Vec<Failure> {
    let mut failures = Vec::new();
    let was_ack = looked.ack.unwrap_or("none");
    if let Some(ack) = expect.ack.as_deref().filter(|ack| *ack != was_ack) {
        let why: Vec<String> = looked.findings.iter().map(|f| format!("{} {} {}", f.code, f.path, f.text)).collect();
        let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) };
        failures.push(failure("ack", ack, format!("{was_ack}{why}")));
    }
    if let Some(findings) = &expect.findings {
        compare_findings(findings, &looked.findings, &mut failures);
    }
    if let Some(lanes) = expect.lanes.filter(|lanes| usize::try_from(*lanes) != Ok(looked.lanes)) {
        failures.push(failure("lanes", lanes, looked.lanes));
    }
    let filtered = matches!(looked.applied, Some(Applied::Filtered { .. }));
    if let Some(wanted) = expect.filtered.filter(|wanted| *wanted != filtered) {
        failures.push(failure("filtered", wanted, filtered));
    }
    for route in &expect.routes {
        compare_route(route, looked.applied.as_ref(), read, &mut failures);
    }
    failures
}

fn failure(what: impl Into<String>, expected: impl ToString, was: impl ToString) -> Failure {
    Failure { what: what.into(), expected: expected.to_string(), was: was.to_string() }
}

fn compare_findings(wanted: &[String], found: &[Finding], failures: &mut Vec<Failure>) {
    let mut wanted: Vec<String> = wanted.iter().map(|text| text.trim().to_owned()).collect();
    let mut found: Vec<String> = found.iter().map(|f| format!("{} {}", f.code, f.path).trim().to_owned()).collect();
    wanted.sort();
    found.sort();
    if wanted != found {
        let list = |all: &[String]| if all.is_empty() { "none".to_owned() } else { all.join(", ") };
        failures.push(failure("findings", list(&wanted), list(&found)));
    }
}

fn compare_route(check: &RouteCheck, applied: Option<&Applied>, read: Read<'_>, failures: &mut Vec<Failure>) {
    let what = format!("routes[{}]", check.name);
    let wanted = if check.filtered == Some(true) {
        "filtered"
    } else if check.failed == Some(true) {
        "failed"
    } else {
        "sent"
    };
    let (was, detail, parts) = outcome(check, applied);
    if was != wanted {
        let detail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
        failures.push(failure(what, wanted, format!("{was}{detail}")));
        return;
    }
    if was != "sent" {
        return;
    }
    if let Some(count) = check.parts.filter(|count| usize::try_from(*count) != Ok(parts.len())) {
        failures.push(failure(format!("{what} parts"), count, parts.len()));
    }
    let Some(first) = parts.first() else { return };
    if let Some(file) = &check.equals {
        compare_bytes(&format!("{what} equals {file}"), &read(file), first, failures);
    }
    compare_fields(&what, check, first, failures);
}

/// What became of a route: in a word, why, and what it sends.
fn outcome<'a>(check: &RouteCheck, applied: Option<&'a Applied>) -> (&'static str, String, &'a [Payload]) {
    let texts = |findings: &[Finding]| findings.iter().map(|f| f.text.clone()).collect::<Vec<_>>().join("; ");
    match applied {
        None => ("not accepted", String::new(), &[]),
        Some(Applied::Filtered { by }) => ("filtered", format!("by the channel's {by}"), &[]),
        Some(Applied::Failed(findings)) => ("failed", texts(findings), &[]),
        Some(Applied::Routed(routes)) => match routes.iter().find(|route| *route.route == *check.name) {
            None => ("not there", String::new(), &[]),
            Some(RouteResult { output: RouteOutput::Filtered, .. }) => ("filtered", String::new(), &[]),
            Some(RouteResult { output: RouteOutput::Failed(findings), .. }) => ("failed", texts(findings), &[]),
            Some(RouteResult { output: RouteOutput::Sent(parts), .. }) => ("sent", String::new(), parts),
        },
    }
}

fn compare_bytes(what: &str, wanted: &Result<Vec<u8>, Failure>, was: &Payload, failures: &mut Vec<Failure>) {
    let wanted = match wanted {
        Ok(wanted) => wanted,
        Err(failure) => return failures.push(failure.clone()),
    };
    if wanted[..] == was[..] {
        return;
    }
    let differs = wanted.iter().zip(was.iter()).take_while(|(a, b)| a == b).count();
    let before = was.get(..differs).unwrap_or_default();
    let segment = before.iter().filter(|byte| **byte == b'\r').count() + 1;
    let around = |bytes: &[u8]| {
        let from = differs.saturating_sub(20);
        let to = bytes.len().min(differs + 40);
        let text = String::from_utf8_lossy(bytes.get(from..to).unwrap_or_default()).replace('\r', "\\r");
        format!("…{text}… at byte {differs} (segment {segment})")
    };
    failures.push(failure(what, around(wanted), around(was)));
}

fn compare_fields(what: &str, check: &RouteCheck, sent: &Payload, failures: &mut Vec<Failure>) {
    if check.fields.is_empty() {
        return;
    }
    let limits = Limits { message_bytes: sent.len().max(Limits::MESSAGE_BYTES), ..Limits::default() };
    match Message::parse(sent.bytes(), &limits) {
        Ok(parsed) => {
            for field in &check.fields {
                failures.extend(compare_field(what, field, &parsed.message));
            }
        }
        Err(error) => failures.push(failure(what, "a message that can be read", error)),
    }
}

fn compare_field(what: &str, check: &FieldCheck, message: &Message) -> Option<Failure> {
    let what = format!("{what} {}", check.path);
    let path = match Path::parse(&check.path) {
        Ok(path) => path,
        Err(error) => return Some(failure(what, "a path", error)),
    };
    let (text, presence) = (message.text(&path), message.presence(&path));
    let was = match presence {
        Presence::Null => "null".to_owned(),
        Presence::Empty => "absent".to_owned(),
        _ => quoted(&text),
    };
    let valued = !matches!(presence, Presence::Null | Presence::Empty);
    let (wanted, holds) = match check {
        FieldCheck { is: Some(is), .. } => {
            (quoted(is), valued && *is == text || is.is_empty() && presence == Presence::Empty)
        }
        FieldCheck { matches: Some(pattern), .. } => {
            let holds = Regex::new(pattern).is_ok_and(|pattern| valued && pattern.is_match(&text));
            (format!("a match of /{pattern}/"), holds)
        }
        FieldCheck { absent: Some(true), .. } => ("absent".to_owned(), presence == Presence::Empty),
        _ => ("null".to_owned(), presence == Presence::Null),
    };
    (!holds).then(|| failure(what, wanted, was))
}

/// A value in quotes, cut at a character where it is long.
fn quoted(text: &str) -> String {
    let cut = text.char_indices().map(|(at, _)| at).find(|at| *at >= SHOWN_MAX);
    match cut.and_then(|cut| text.get(..cut)) {
        Some(start) => format!("{start:?}… ({} characters)", text.chars().count()),
        None => format!("{text:?}"),
    }
}
