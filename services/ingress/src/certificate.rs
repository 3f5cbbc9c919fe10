//! What a certificate says: what identities compare, and when it expires.

use barid_model::Digest;
use barid_validate::CertificateFacts;
use rustls_pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Most DNS names of a certificate that are compared.
const NAMES_MAX: usize = 64;

/// The facts of a certificate that the handshake has verified; none where it cannot be read.
pub(crate) fn facts(certificate: &CertificateDer<'_>) -> Option<CertificateFacts> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let names = parsed.subject_alternative_name().ok().flatten();
    let dns = names.into_iter().flat_map(|extension| &extension.value.general_names).filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    });
    let subject = parsed.subject();
    let text = |value: Option<&x509_parser::x509::AttributeTypeAndValue<'_>>| Some(value?.as_str().ok()?.to_owned());
    Some(CertificateFacts {
        dns_names: dns.take(NAMES_MAX).collect(),
        common_name: text(subject.iter_common_name().next()),
        organization: text(subject.iter_organization().next()),
        fingerprint: *Digest::of(certificate).as_bytes(),
    })
}

/// The subject as text, as people know it from their tools; empty where it cannot be read.
pub(crate) fn subject(certificate: &CertificateDer<'_>) -> String {
    X509Certificate::from_der(certificate).map(|(_, parsed)| parsed.subject().to_string()).unwrap_or_default()
}

/// When it expires, in seconds since 1970; none where it cannot be read.
pub(crate) fn expires(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(parsed.validity().not_after.timestamp())
}
