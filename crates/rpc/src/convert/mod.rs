//! Between the contracts' messages and the nouns: strict on the way in, complete on the way out.
//!
//! The other end may be of the release before or after. So whatever is missing, out of range or unknown here is an error
//! that names the field; nothing is guessed, nothing passed over. What is added to a contract later is optional, with
//! absence meaning what it meant before.

mod apply;
mod envelope;
mod failure;
mod parse;

#[cfg(test)]
mod tests;

use barid_model::{Digest, MessageUid, Name, Revision};
use bytes::Bytes;

pub(crate) use apply::{applied, applied_wire, apply_item, apply_parts};
pub(crate) use envelope::{findings, findings_wire, lanes, lanes_wire, outcome, outcome_wire};
pub(crate) use failure::{Failed, failed, failure_wire};
pub(crate) use parse::{Peers, parse_item, parse_parts, verdict, verdict_wire};

/// A message of a contract that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it lacks a valid {field}: the other end is of another release, or broken")]
pub struct Invalid {
    /// Which field.
    pub field: &'static str,
}

pub(crate) type Strict<T> = Result<T, Invalid>;

/// A field that is missing or wrong.
pub(crate) const fn invalid(field: &'static str) -> Invalid {
    Invalid { field }
}

pub(crate) fn needed<T>(value: Option<T>, field: &'static str) -> Strict<T> {
    value.ok_or(Invalid { field })
}

pub(crate) fn array<const N: usize>(bytes: &[u8], field: &'static str) -> Strict<[u8; N]> {
    bytes.try_into().map_err(|_| invalid(field))
}

pub(crate) fn uid(bytes: &[u8], field: &'static str) -> Strict<MessageUid> {
    array(bytes, field).map(MessageUid::from_bytes)
}

pub(crate) fn revision(bytes: &[u8], field: &'static str) -> Strict<Revision> {
    array(bytes, field).map(Revision::from_bytes)
}

pub(crate) fn digest(bytes: &[u8], field: &'static str) -> Strict<Digest> {
    array(bytes, field).map(Digest::from_bytes)
}

/// A full name: unlike in documents, the namespace is never left out.
pub(crate) fn name(text: &str, field: &'static str) -> Strict<Name> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => Ok(Name::new(namespace, name)),
        _ => Err(invalid(field)),
    }
}

pub(crate) fn copy(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
