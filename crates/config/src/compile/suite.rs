//! ChannelTests: whether each says something that can be true or false.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use barid_model::Name;
use regex::Regex;

use super::check::Check;
use super::program::refer;
use super::shelf::Shelf;
use super::with_last_good;
use crate::document::{ChannelTest, FieldCheck, RouteCheck, Send, Spec, TestCase, full_name};
use crate::problem::Problem;
use crate::snapshot::{Channel, Snapshot};

/// Most cases of a document.
const CASES_MAX: usize = 1_000;
/// What can be expected of an acknowledgement.
const ACK_CODES: [&str; 7] = ["AA", "AE", "AR", "CA", "CE", "CR", "none"];

pub(super) fn compile(
    shelf: &mut Shelf,
    snapshot: &Snapshot,
    previous: &Snapshot,
    problems: &mut Vec<Problem>,
) -> BTreeMap<Name, Arc<ChannelTest>> {
    let good = shelf.check("ChannelTest", problems, |shelf, entry, spec, check| {
        let Spec::ChannelTest(test) = spec else { return None };
        let channel = full_name(&test.channel, entry.name.namespace());
        refer(shelf, "Channel", &channel, "channel.name", check);
        if let Some(now) = test.given.as_ref().and_then(|given| given.now.as_deref())
            && now.parse::<jiff::Timestamp>().is_err()
        {
            check.error("given.now", format!("`{now}` is not a time"), "write one such as \"2026-11-22T10:00:00Z\"");
        }
        if test.cases.is_empty() {
            check.error("cases", "there is no case, so nothing is tested", "add one");
        }
        check.at_most("cases", test.cases.len(), CASES_MAX);
        let mut names = BTreeSet::new();
        for (i, case) in test.cases.iter().enumerate() {
            let at = format!("cases[{i}]");
            if !names.insert(&case.name) {
                check.error(&format!("{at}.name"), "there are two cases of this name", "rename one of the two");
            }
            check_case(shelf, &at, case, snapshot.channels.get(&channel), check);
        }
        Some(Arc::new(test.clone()))
    });
    with_last_good(good, shelf.faulty("ChannelTest"), &previous.tests)
}

fn check_case(shelf: &Shelf, at: &str, case: &TestCase, channel: Option<&Arc<Channel>>, check: &mut Check<'_>) {
    check_send(shelf, at, &case.send, check);
    let expect = &case.expect;
    let asserts = expect.ack.is_some()
        || expect.findings.is_some()
        || expect.lanes.is_some()
        || expect.filtered.is_some()
        || !expect.routes.is_empty();
    if !asserts {
        check.error(
            &format!("{at}.expect"),
            "the case asserts nothing, so it could never fail",
            "expect an ack, findings, lanes, filtered or routes",
        );
    }
    if let Some(code) = expect.ack.as_deref().filter(|code| !ACK_CODES.contains(code)) {
        check.error(
            &format!("{at}.expect.ack"),
            format!("`{code}` is no acknowledgement code"),
            format!("write one of {}", ACK_CODES.join(", ")),
        );
    }
    for (i, route) in expect.routes.iter().enumerate() {
        let at = format!("{at}.expect.routes[{i}]");
        let routes = channel.map(|channel| &channel.settings.routes);
        if let Some(routes) = routes
            && !routes.iter().any(|known| known.name == route.name)
        {
            let known: Vec<&str> = routes.iter().map(|known| known.name.as_str()).collect();
            let text = format!("the channel has no route `{}`", route.name);
            check.error(&format!("{at}.name"), text, format!("routes there: {}", known.join(", ")));
        }
        check_route(shelf, &at, route, check);
    }
}

fn check_send(shelf: &Shelf, at: &str, send: &Send, check: &mut Check<'_>) {
    check.one_of(&format!("{at}.send"), &[("file", send.file.is_some()), ("text", send.text.is_some())]);
    if let Some(file) = &send.file {
        check_file(shelf, &format!("{at}.send.file"), file, check);
    }
    let name = |name: &String| Name::new(check.namespace(), name);
    let (facility, listener) = (send.facility.as_ref().map(name), send.listener.as_ref().map(name));
    if let Some(facility) = facility {
        refer(shelf, "Facility", &facility, &format!("{at}.send.facility"), check);
    }
    if let Some(listener) = listener {
        refer(shelf, "Listener", &listener, &format!("{at}.send.listener"), check);
    }
}

/// A file lies in the folder of documents: a test reads nothing else.
fn check_file(shelf: &Shelf, field: &str, file: &str, check: &mut Check<'_>) {
    let escapes = file.split(['/', '\\']).any(|part| part == "..");
    if file.is_empty() || escapes || file.starts_with(['/', '\\']) || file.contains(':') {
        check.error(
            field,
            format!("`{file}` is not a file beside the documents"),
            "write a relative path without `..`",
        );
    } else if let Some(missing) = shelf.missing(check.file(), file) {
        check.error(
            field,
            format!("there is no file `{missing}`"),
            "put it there, or correct the path, which begins at the document's own folder",
        );
    }
}

fn check_route(shelf: &Shelf, at: &str, route: &RouteCheck, check: &mut Check<'_>) {
    let unsent = route.filtered == Some(true) || route.failed == Some(true);
    let looks = !route.fields.is_empty() || route.equals.is_some() || route.parts.is_some();
    if unsent && looks {
        check.error(
            at,
            "a route that sends nothing has no fields, parts or bytes",
            "remove them, or filtered and failed",
        );
    }
    if route.filtered.is_none() && route.failed.is_none() && !looks {
        check.error(at, "nothing is asserted of this route", "expect fields, equals, parts, filtered or failed");
    }
    if let Some(file) = &route.equals {
        check_file(shelf, &format!("{at}.equals"), file, check);
    }
    for (i, field) in route.fields.iter().enumerate() {
        check_field(&format!("{at}.fields[{i}]"), field, check);
    }
}

fn check_field(at: &str, field: &FieldCheck, check: &mut Check<'_>) {
    check.path(&format!("{at}.path"), &field.path);
    let ways = [
        ("is", field.is.is_some()),
        ("matches", field.matches.is_some()),
        ("absent", field.absent.is_some()),
        ("null", field.null.is_some()),
    ];
    check.one_of(at, &ways);
    if let Some(pattern) = &field.matches
        && let Err(error) = Regex::new(pattern)
    {
        let reason = error.to_string().lines().last().unwrap_or_default().trim().to_owned();
        check.error(&format!("{at}.matches"), format!("this is not a regular expression: {reason}"), "correct it");
    }
    for (key, value) in [("absent", field.absent), ("null", field.null)] {
        if value == Some(false) {
            check.error(&format!("{at}.{key}"), "`false` says nothing here", "write true, or use `matches: .`");
        }
    }
}
