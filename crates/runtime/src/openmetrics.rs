//! Reads the registry's own text (OpenMetrics) again: the one form that every metric can be told in.
//!
//! From it come the older Prometheus text, for scrapers that do not ask for OpenMetrics, and the metrics of OTLP. It is no general reader: what it reads was
//! written by this process a moment before.

use std::fmt::Write as _;

/// A metric with all that is counted under its name.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Family<'a> {
    pub(crate) name: &'a str,
    pub(crate) help: &'a str,
    /// `counter`, `gauge`, `histogram`, `info` or `unknown`.
    pub(crate) kind: &'a str,
    pub(crate) unit: &'a str,
    pub(crate) samples: Vec<Sample<'a>>,
}

/// One figure.
#[derive(Debug, PartialEq)]
pub(crate) struct Sample<'a> {
    /// With its suffix (`_total`, `_bucket`, …).
    pub(crate) name: &'a str,
    /// As they stand between the braces.
    pub(crate) labels: &'a str,
    pub(crate) value: &'a str,
    pub(crate) exemplar: Option<Exemplar<'a>>,
}

/// A trace that is an example of a bucket.
#[derive(Debug, PartialEq)]
pub(crate) struct Exemplar<'a> {
    pub(crate) labels: &'a str,
    pub(crate) value: f64,
    /// Seconds since the epoch.
    pub(crate) at: Option<f64>,
}

/// Reads it all.
pub(crate) fn read(text: &str) -> Vec<Family<'_>> {
    let mut families: Vec<Family<'_>> = Vec::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (Some(what), Some(name)) = (words.next(), words.next()) else { continue };
            let rest = words.next().unwrap_or_default();
            if families.last().is_none_or(|family| family.name != name) {
                families.push(Family { name, ..Family::default() });
            }
            let Some(family) = families.last_mut() else { continue };
            match what {
                "HELP" => family.help = rest,
                "TYPE" => family.kind = rest,
                "UNIT" => family.unit = rest,
                _ => {}
            }
        } else if let (Some(sample), Some(family)) = (sample(line), families.last_mut()) {
            family.samples.push(sample);
        }
    }
    families
}

fn sample(line: &str) -> Option<Sample<'_>> {
    let (name, labels, rest) = named(line)?;
    let (value, exemplar) = match rest.split_once(" # ") {
        Some((value, exemplar)) => (value, self::exemplar(exemplar)),
        None => (rest, None),
    };
    Some(Sample { name, labels, value: value.split(' ').next()?, exemplar })
}

fn exemplar(text: &str) -> Option<Exemplar<'_>> {
    let (_, labels, rest) = named(text)?;
    let mut words = rest.split(' ');
    let value = words.next()?.parse().ok()?;
    Some(Exemplar { labels, value, at: words.next().and_then(|at| at.parse().ok()) })
}

/// What stands before the braces, in them, and after them.
fn named(text: &str) -> Option<(&str, &str, &str)> {
    let end = text.find(['{', ' '])?;
    let (name, rest) = text.split_at(end);
    let Some(inside) = rest.strip_prefix('{') else { return Some((name, "", rest.trim_start())) };
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'}' if !quoted => return Some((name, inside.get(..at)?, inside.get(at + 1..)?.trim_start())),
            _ => {}
        }
    }
    None
}

/// Labels, each with its value as it is meant.
pub(crate) fn labels(text: &str) -> Vec<(&str, String)> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some((name, after)) = rest.split_once("=\"") {
        let (mut value, mut length, mut chars) = (String::new(), 0, after.chars());
        while let Some(char) = chars.next() {
            length += char.len_utf8();
            match char {
                '"' => break,
                '\\' => {
                    let next = chars.next().unwrap_or('\\');
                    length += next.len_utf8();
                    value.push(if next == 'n' { '\n' } else { next });
                }
                char => value.push(char),
            }
        }
        found.push((name.trim_start_matches(','), value));
        rest = after.get(length..).unwrap_or_default();
    }
    found
}

/// As Prometheus read it before there was OpenMetrics (text format 0.0.4): without exemplars, and with the suffix of a counter in its name.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for family in read(text) {
        let (suffix, kind) = match family.kind {
            "counter" => ("_total", "counter"),
            "info" => ("_info", "gauge"),
            "unknown" => ("", "untyped"),
            kind => ("", kind),
        };
        let name = family.name;
        if family.samples.is_empty() {
            continue;
        }
        // Writing to a string cannot fail.
        write!(plain, "# HELP {name}{suffix} {}\n# TYPE {name}{suffix} {kind}\n", family.help).unwrap_or_default();
        for Sample { name, labels, value, .. } in &family.samples {
            let (open, close) = if labels.is_empty() { ("", "") } else { ("{", "}") };
            writeln!(plain, "{name}{open}{labels}{close} {value}").unwrap_or_default();
        }
    }
    plain
}

#[cfg(test)]
mod tests;
