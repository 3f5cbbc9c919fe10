//! ERR segments, whose shape changed with version 2.5.
//!
//! Up to 2.4 there is one ERR with one field of repeated places and codes; from 2.5 on one ERR for each problem, with
//! place, code, severity and text.

use crate::{Delimiters, Escaping, Finding, Path, Severity, Version, error_code};

/// Most problems one acknowledgement names; a message with a thousand bad rows needs no thousand ERR segments.
pub const MOST_ERRORS: usize = 50;

/// Appends the ERR segments for findings that are warnings or worse (up to 2.4, which has no severity: errors).
pub(super) fn write(findings: &[Finding], version: Version, escaping: &Escaping<'_>, out: &mut Vec<u8>) {
    let old = version < Version::V2_5;
    let least = if old { Severity::Error } else { Severity::Warning };
    let worst = findings.iter().filter(|finding| finding.severity >= least).take(MOST_ERRORS);
    if old {
        write_old(worst, escaping.delimiters, out)
    } else {
        worst.for_each(|finding| write_new(finding, escaping, out))
    }
}

/// `ERR|PID^1^11^103~PID^1^7^102`
fn write_old<'a>(findings: impl Iterator<Item = &'a Finding>, d: &Delimiters, out: &mut Vec<u8>) {
    let mut open = false;
    for finding in findings {
        let place = location(finding.path, d, 3);
        match (open, d.repetition) {
            (true, Some(repetition)) => out.push(repetition),
            (true, None) => out.extend_from_slice(&[b'\r', b'E', b'R', b'R', d.field]),
            (false, _) => out.extend_from_slice(&[b'E', b'R', b'R', d.field]),
        }
        open = true;
        if let Some(component) = d.component {
            let present = place.split(|&byte| byte == component).count();
            out.extend_from_slice(&place);
            out.extend(std::iter::repeat_n(component, 4 - present.min(3)));
        }
        out.extend_from_slice(finding.code.to_string().as_bytes());
    }
    if open {
        out.push(b'\r');
    }
}

/// `ERR||PID^1^11|103^Table value not found^HL70357|E||||text`
fn write_new(finding: &Finding, escaping: &Escaping<'_>, out: &mut Vec<u8>) {
    let d = escaping.delimiters;
    out.extend_from_slice(&[b'E', b'R', b'R', d.field, d.field]);
    out.extend_from_slice(&location(finding.path, d, 6));
    out.push(d.field);
    out.extend_from_slice(finding.code.to_string().as_bytes());
    if let Some(component) = d.component {
        out.push(component);
        out.extend_from_slice(error_code::describe(finding.code).as_bytes());
        out.push(component);
        out.extend_from_slice(b"HL70357");
    }
    out.push(d.field);
    out.extend_from_slice(finding.severity.code().as_bytes());
    out.extend_from_slice(&[d.field; 4]);
    let text = match (finding.path, finding.line) {
        (None, Some(line)) => format!("line {line}: {}", finding.text),
        _ => finding.text.clone().into_owned(),
    };
    super::build::write_text(&text, escaping, out);
    out.push(b'\r');
}

/// The parts of an ELD or ERL that are known: segment, sequence, field, repetition, component, subcomponent.
fn location(path: Option<Path>, d: &Delimiters, most: usize) -> Vec<u8> {
    let Some(path) = path else { return Vec::new() };
    let mut parts = vec![path.segment().to_string()];
    parts.push(path.occurrence().number().unwrap_or(1).to_string());
    if let Some(field) = path.field() {
        parts.push(field.to_string());
        let repetition = path.repetition();
        if repetition != crate::Index::First || path.component().is_some() {
            parts.push(repetition.number().unwrap_or(1).to_string());
        }
    }
    parts.extend(path.component().map(|n| n.to_string()));
    parts.extend(path.subcomponent().map(|n| n.to_string()));
    parts.truncate(if d.component.is_some() { most } else { 1 });
    let separator = d.component.map(|byte| char::from(byte).to_string()).unwrap_or_default();
    parts.join(&separator).into_bytes()
}
