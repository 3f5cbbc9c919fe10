//! Building an acknowledgement in the request's own delimiters, version and character set.
//!
//! Names and identifiers of the request are copied as bytes, never read and written again: MSA-2 is MSH-10 to the last
//! space and escape, and a facility's `COMZIS&MS1` stays two subcomponents.

use bytes::Bytes;

use super::{AckCode, err};
use crate::{Charset, Delimiters, Escaping, Finding, Header, LineBreaks, OnUnmappable, Path, Version, error_code};

/// What an acknowledgement is made of.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The request's header, or what could be read of it.
    pub request: &'a Header,
    /// MSA-1.
    pub code: AckCode,
    /// Become ERR segments, as far as they are warnings or worse; give none to keep the answer short.
    pub findings: &'a [Finding],
    /// MSH-3 where the request names no receiving application.
    pub application: &'a str,
    /// MSH-4 where the request names no receiving facility.
    pub facility: &'a str,
    /// MSH-10 of the answer: new and unique.
    pub control_id: &'a str,
    /// MSH-7 of the answer: now, with zone, as `20261122100000+0000`.
    pub timestamp: &'a str,
}

impl Answer<'_> {
    /// The acknowledgement as a message, each segment ended by CR.
    pub fn build(&self) -> Bytes {
        let request = self.request;
        let delimiters = request.delimiters();
        let escaping = Escaping {
            delimiters,
            charset: request.charset(),
            line_breaks: LineBreaks::Hex,
            on_unmappable: OnUnmappable::Replace,
        };
        let version = request.version();
        let mut body = Vec::with_capacity(64);
        self.msa(version, &escaping, &mut body);
        err::write(self.findings, version, &escaping, &mut body);
        let mut out = Vec::with_capacity(256 + body.len());
        self.msh(version, &escaping, &mut out);
        if !(out.is_ascii() && body.is_ascii()) {
            self.charset(&mut out);
        }
        out.push(b'\r');
        out.extend_from_slice(&body);
        out.into()
    }

    /// The header without MSH-13 and what follows.
    fn msh(&self, version: Version, escaping: &Escaping<'_>, out: &mut Vec<u8>) {
        let (request, d) = (self.request, escaping.delimiters);
        out.extend_from_slice(b"MSH");
        out.push(d.field);
        out.extend_from_slice(&d.encoding_characters());
        let ours = |field: u16, own: &str, out: &mut Vec<u8>| {
            out.push(d.field);
            match request.raw_field(field) {
                [] => write_text(own, escaping, out),
                named => out.extend_from_slice(named),
            }
        };
        ours(5, self.application, out);
        ours(6, self.facility, out);
        copied(request, 3, "", out);
        copied(request, 4, "", out);
        out.push(d.field);
        write_text(self.timestamp, escaping, out);
        out.extend_from_slice(&[d.field, d.field]);
        message_type(request, version, d, out);
        out.push(d.field);
        write_text(self.control_id, escaping, out);
        copied(request, 11, "P", out);
        copied(request, 12, Version::ASSUMED.name(), out);
    }

    /// MSH-18, for an answer that is not ASCII.
    fn charset(&self, out: &mut Vec<u8>) {
        let request = self.request;
        out.extend_from_slice(&[request.delimiters().field; 6]);
        match request.raw_field(18) {
            declared if !declared.is_empty() && matches_declared(request) => out.extend_from_slice(declared),
            _ => out.extend_from_slice(request.charset().hl7_name().as_bytes()),
        }
    }

    fn msa(&self, version: Version, escaping: &Escaping<'_>, out: &mut Vec<u8>) {
        let d = escaping.delimiters;
        out.extend_from_slice(b"MSA");
        out.push(d.field);
        out.extend_from_slice(self.code.as_str().as_bytes());
        out.push(d.field);
        out.extend_from_slice(self.request.control_id());
        if version < Version::V2_7
            && !self.code.is_positive()
            && let Some(finding) = self.findings.iter().max_by_key(|finding| finding.severity)
        {
            out.push(d.field);
            write_text(&finding.text, escaping, out);
        }
        out.push(b'\r');
    }
}

fn matches_declared(request: &Header) -> bool {
    Charset::from_name(&request.declared_charset()) == Ok(request.charset())
}

fn copied(request: &Header, field: u16, otherwise: &str, out: &mut Vec<u8>) {
    out.push(request.delimiters().field);
    match request.raw_field(field) {
        [] => out.extend_from_slice(otherwise.as_bytes()),
        bytes => out.extend_from_slice(bytes),
    }
}

/// `ACK` in 2.1, `ACK^A01` up to 2.3, `ACK^A01^ACK` from 2.3.1 on; without an event always `ACK`.
fn message_type(request: &Header, version: Version, d: &Delimiters, out: &mut Vec<u8>) {
    out.extend_from_slice(b"ACK");
    let event = request.field(9).and_then(|value| value.component(2)).map_or(&[][..], |value| value.raw());
    let Some(component) = d.component.filter(|_| version > Version::V2_1 && !event.is_empty()) else { return };
    out.push(component);
    out.extend_from_slice(event);
    if version >= Version::V2_3_1 {
        out.push(component);
        out.extend_from_slice(b"ACK");
    }
}

/// Text of ours. Where the request has no escape character, delimiters in it become spaces.
pub(super) fn write_text(text: &str, escaping: &Escaping<'_>, out: &mut Vec<u8>) {
    let before = out.len();
    if escaping.write(text, out).is_err() {
        out.truncate(before);
        let d = escaping.delimiters;
        let plain = text.bytes().map(|b| if d.letter(b).is_some() || !b.is_ascii_graphic() { b' ' } else { b });
        out.extend(plain);
    }
}

/// The finding for a message whose MSH-10 is empty: no positive answer could be matched to it.
pub fn missing_control_id(header: &Header) -> Option<Finding> {
    header.control_id().is_empty().then(|| {
        let text = "the message control id is empty; no acknowledgement could be matched";
        Finding::error(error_code::REQUIRED_FIELD_MISSING, "ack.control-id", text).at(Path::msh(10))
    })
}
