//! Facilities: who sends, and how each is recognised.

use std::collections::BTreeMap;
use std::sync::Arc;

use barid_model::Name;
use barid_validate::Network;

use super::check::Check;
use super::shelf::Shelf;
use super::{unchanged, with_last_good};
use crate::document::{CertificateMatch, Facility, Identity, MshMatch, Period, Spec, full_name};
use crate::problem::Problem;
use crate::settings::{ExpectSettings, FacilitySpec, IdentitySettings, RateSettings, defaults};
use crate::snapshot::Snapshot;

/// Most identities of a facility.
const IDENTITIES_MAX: usize = 64;
/// Most networks of an identity.
const ADDRESSES_MAX: usize = 256;
/// Most facilities that one speaks for.
const SPEAKS_FOR_MAX: usize = 1_000;
/// A burst that is not written lasts so long at the long-run rate.
const BURST_SECONDS: u32 = 10;

pub(super) fn compile(
    shelf: &mut Shelf,
    previous: &Snapshot,
    problems: &mut Vec<Problem>,
) -> BTreeMap<Name, Arc<FacilitySpec>> {
    let good = shelf.check("Facility", problems, |shelf, entry, spec, check| {
        let Spec::Facility(facility) = spec else { return None };
        let labels = entry.metadata().map(|metadata| metadata.labels.clone()).unwrap_or_default();
        let spec = facility_spec(shelf, &entry.name, labels, facility, check);
        Some(unchanged(spec, &entry.name, &previous.facilities))
    });
    with_last_good(good, shelf.faulty("Facility"), &previous.facilities)
}

fn facility_spec(
    shelf: &Shelf,
    name: &Name,
    labels: BTreeMap<String, String>,
    facility: &Facility,
    check: &mut Check<'_>,
) -> FacilitySpec {
    if facility.identities.is_empty() {
        check.error(
            "identities",
            "there is no way to recognise this facility",
            "add one, such as {msh: {sendingFacility: CHN}}",
        );
    }
    check.at_most("identities", facility.identities.len(), IDENTITIES_MAX);
    check.at_most("speaksFor", facility.speaks_for.len(), SPEAKS_FOR_MAX);
    let identity = |(i, identity)| identity_settings(shelf, &format!("identities[{i}]"), identity, check);
    let identities = facility.identities.iter().enumerate().map(identity).collect();
    let speaks_for =
        facility.speaks_for.iter().map(|reference| full_name(reference, name.namespace())).collect::<Vec<_>>();
    for (i, other) in speaks_for.iter().enumerate() {
        super::program::refer(shelf, "Facility", other, &format!("speaksFor[{i}].name"), check);
    }
    let charset = facility.fallback_charset.as_deref().unwrap_or(defaults::FALLBACK_CHARSET);
    check.charset("fallbackCharset", charset);
    let time_zone = facility.time_zone.as_deref().unwrap_or(defaults::TIME_ZONE);
    if jiff::tz::TimeZone::get(time_zone).is_err() {
        check.error(
            "timeZone",
            format!("`{time_zone}` is not a time zone"),
            "write an IANA name such as Africa/Nouakchott",
        );
    }
    FacilitySpec {
        name: name.clone(),
        display_name: facility.display_name.clone().unwrap_or_else(|| name.name().to_owned()),
        labels,
        identities,
        speaks_for,
        fallback_charset: charset.to_owned(),
        time_zone: time_zone.to_owned(),
        expect: facility.expect.as_ref().map(|expect| ExpectSettings {
            every: check.period("expect.every", expect.every, Period::seconds(60)..=Period::days(365)),
            hours: expect.hours,
        }),
        rate: facility.limits.as_ref().map(|limits| {
            let per_second = check.range("limits.messagesPerSecond", limits.messages_per_second, 1..=100_000);
            let burst = limits.burst.unwrap_or(per_second.saturating_mul(BURST_SECONDS));
            RateSettings { per_second, burst: check.range("limits.burst", burst, per_second..=10_000_000) }
        }),
    }
}

fn identity_settings(shelf: &Shelf, field: &str, identity: &Identity, check: &mut Check<'_>) -> IdentitySettings {
    if *identity == Identity::default() {
        check.error(
            field,
            "the identity asks for nothing, so everybody would match",
            "add certificate, msh, addresses, listener or token",
        );
    }
    if let Some(certificate) = &identity.certificate {
        certificate_match(&format!("{field}.certificate"), certificate, check);
    }
    if let Some(msh) = &identity.msh {
        msh_match(&format!("{field}.msh"), msh, check);
    }
    check.at_most(&format!("{field}.addresses"), identity.addresses.len(), ADDRESSES_MAX);
    for (i, address) in identity.addresses.iter().enumerate() {
        if let Err(error) = address.parse::<Network>() {
            check.error(&format!("{field}.addresses[{i}]"), error, "");
        }
    }
    let listener = identity.listener.as_ref().map(|reference| full_name(reference, check.namespace()));
    if let Some(listener) = &listener {
        super::program::refer(shelf, "Listener", listener, &format!("{field}.listener.name"), check);
    }
    IdentitySettings {
        certificate: identity.certificate.clone(),
        msh: identity.msh.clone(),
        addresses: identity.addresses.clone(),
        listener,
        token: identity.token.as_ref().and_then(|token| check.secret(&format!("{field}.token"), token)),
    }
}

fn certificate_match(field: &str, certificate: &CertificateMatch, check: &mut Check<'_>) {
    if *certificate == CertificateMatch::default() {
        check.error(
            field,
            "the certificate is asked for nothing",
            "add dnsName, commonName, organization or fingerprint",
        );
    }
    if let Some(text) = &certificate.fingerprint
        && barid_model::Digest::read(text).is_none()
    {
        check.error(
            &format!("{field}.fingerprint"),
            "this is not a SHA-256",
            "write 64 hexadecimal digits in lower case, without colons",
        );
    }
    let empty = [
        ("dnsName", &certificate.dns_name),
        ("commonName", &certificate.common_name),
        ("organization", &certificate.organization),
    ];
    for (key, text) in empty {
        if text.as_deref() == Some("") {
            check.error(&format!("{field}.{key}"), "the text is empty", "write what the certificate says");
        }
    }
}

fn msh_match(field: &str, msh: &MshMatch, check: &mut Check<'_>) {
    if *msh == MshMatch::default() {
        check.error(field, "the message is asked for nothing", "add sendingApplication or sendingFacility");
    }
    for (key, text) in [("sendingApplication", &msh.sending_application), ("sendingFacility", &msh.sending_facility)] {
        if text.as_deref() == Some("") {
            check.error(&format!("{field}.{key}"), "the text is empty", "write what the message declares, such as CHN");
        }
    }
}
