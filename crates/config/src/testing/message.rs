//! The message of a case, and the peer that sends it.

use std::net::IpAddr;
use std::sync::Arc;

use barid_model::{Digest, Payload};
use barid_validate::{CertificateFacts, Peer};
use bytes::Bytes;

use super::{Failure, Files};
use crate::document::Send;
use crate::settings::FacilitySpec;

/// The bytes that are sent.
pub(super) fn bytes(files: &dyn Files, folder: &str, send: &Send) -> Result<Payload, Failure> {
    match (&send.file, &send.text) {
        (Some(file), _) => read(files, folder, file).map(|bytes| Payload::new(bytes.into())),
        (None, text) => Ok(Payload::new(segments(text.as_deref().unwrap_or_default()))),
    }
}

/// A message as people write it in a document: each line a segment.
fn segments(text: &str) -> Bytes {
    let mut message = String::with_capacity(text.len() + 1);
    for line in text.split(['\r', '\n']).map(str::trim_start).filter(|line| !line.is_empty()) {
        message.push_str(line);
        message.push('\r');
    }
    message.into()
}

/// A file beside the document.
pub(super) fn read(files: &dyn Files, folder: &str, file: &str) -> Result<Vec<u8>, Failure> {
    let path = if folder.is_empty() { file.to_owned() } else { format!("{folder}/{file}") };
    files.read(&path).map_err(|error| Failure {
        what: format!("file {path}"),
        expected: "a file that can be read".to_owned(),
        was: error.to_string(),
    })
}

/// The other end of a connection that proves the facility's first identity.
pub(super) fn peer(facility: &FacilitySpec) -> Peer {
    let Some(identity) = facility.identities.first() else { return Peer::default() };
    let address = identity.addresses.first().and_then(|network| network.split('/').next()?.parse::<IpAddr>().ok());
    let certificate = identity.certificate.as_ref().map(|asked| {
        Arc::new(CertificateFacts {
            dns_names: asked.dns_name.iter().map(|name| name.replacen('*', "test", 1)).collect(),
            common_name: asked.common_name.clone(),
            organization: asked.organization.clone(),
            fingerprint: asked.fingerprint.as_deref().and_then(Digest::read).map(|d| *d.as_bytes()).unwrap_or_default(),
        })
    });
    let tokens = identity.token.iter().map(|token| Arc::from(token.to_string())).collect();
    Peer { address, certificate, tokens, origin: "test".into() }
}
