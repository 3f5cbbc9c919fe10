//! Who sent a message.

use std::sync::Arc;

use barid_model::Name;

use super::{Plan, adt, facility, message, msh};
use crate::{CertificateFacts, CertificateMatch, Identity, MshMatch, Network, OnStranger, Proof, Refusal};

fn certificate(dns: &str) -> Option<CertificateMatch> {
    Some(CertificateMatch { dns_name: Some(dns.to_owned()), ..CertificateMatch::default() })
}

fn shown(dns: &str) -> Option<Arc<CertificateFacts>> {
    let facts = CertificateFacts {
        dns_names: vec!["other.example".to_owned(), dns.to_owned()],
        common_name: Some("CHN".to_owned()),
        organization: Some("MSP".to_owned()),
        fingerprint: [9; 32],
    };
    Some(Arc::new(facts))
}

fn name(plan: &Plan, raw: &str) -> (String, bool) {
    let facility = plan.accepted(raw).envelope.facility;
    (facility.name.to_string(), facility.verified)
}

fn rule(plan: &Plan, raw: &str) -> String {
    let rejected = plan.rejected(raw);
    assert_eq!(rejected.refusal, Refusal::Reject);
    rejected.findings[0].rule.clone()
}

#[test]
fn a_declared_sending_facility_is_believed_where_the_listener_takes_it() {
    let plan = Plan::default();
    assert_eq!(name(&plan, &adt()), ("default/chn".to_owned(), true));
    assert_eq!(name(&plan, &adt().replace("|CHN|", "|CHN^1.2.3^ISO|")), ("default/chn".to_owned(), true));
    assert_eq!(rule(&plan, &adt().replace("|CHN|", "|XYZ|")), "facility.unknown");
    assert_eq!(rule(&plan, &adt().replace("|CHN|", "||")), "facility.unknown");
}

#[test]
fn all_conditions_of_an_identity_have_to_hold_and_identities_are_alternatives() {
    let mut plan = Plan::default();
    let msh = MshMatch { sending_application: Some("HIS".to_owned()), sending_facility: Some("CHN".to_owned()) };
    let both = Identity { msh: Some(msh), addresses: vec!["10.1.0.0/16".parse().unwrap()], ..Identity::default() };
    let elsewhere = Identity { addresses: vec!["192.0.2.7".parse().unwrap()], ..Identity::default() };
    plan.facilities = vec![facility("chn", vec![both, elsewhere])];
    plan.peer.address = Some("10.1.2.3".parse().unwrap());
    assert_eq!(name(&plan, &adt()).0, "default/chn");
    assert_eq!(rule(&plan, &adt().replace("|HIS|", "|LIS|")), "facility.unknown");
    plan.peer.address = Some("::ffff:10.2.2.3".parse().unwrap());
    assert_eq!(rule(&plan, &adt()), "facility.unknown");
    plan.peer.address = Some("192.0.2.7".parse().unwrap());
    assert_eq!(name(&plan, &adt().replace("|HIS|", "|LIS|")).0, "default/chn");
}

#[test]
fn an_identity_without_conditions_recognises_nobody() {
    let plan = Plan { facilities: vec![facility("void", vec![Identity::default()])], ..Plan::default() };
    assert_eq!(rule(&plan, &adt()), "facility.unknown");
}

#[test]
fn a_listener_takes_no_weaker_proof_than_it_asks_for() {
    let mut plan = Plan::default();
    plan.listener.identify = Proof::Certificate;
    assert_eq!(rule(&plan, &adt()), "facility.proof");
    plan.facilities[0].identities[0].certificate = certificate("chn.example");
    plan.peer.certificate = shown("chn.example");
    assert_eq!(name(&plan, &adt()).0, "default/chn");
    plan.facilities[0].identities = vec![Identity { token: Some("default/t/t".into()), ..Identity::default() }];
    plan.peer.tokens = vec!["default/t/t".into()];
    assert_eq!(rule(&plan, &adt()), "facility.proof", "a token is less than a certificate");
    plan.listener.identify = Proof::Token;
    assert_eq!(name(&plan, &adt()).0, "default/chn");
}

#[test]
fn certificates_are_compared_by_name_subject_and_fingerprint() {
    let holds = |wanted: CertificateMatch| {
        let identity = Identity { certificate: Some(wanted), ..Identity::default() };
        let mut plan = Plan { facilities: vec![facility("chn", vec![identity])], ..Plan::default() };
        plan.listener.identify = Proof::Certificate;
        plan.peer.certificate = shown("chn.example.mr");
        matches!(plan.parse(adt()), crate::Verdict::Accept(_))
    };
    let dns = |text: &str| CertificateMatch { dns_name: Some(text.to_owned()), ..CertificateMatch::default() };
    assert!(holds(dns("CHN.example.MR")));
    assert!(holds(dns("*.example.mr")));
    assert!(!holds(dns("*.mr")), "a star is one label");
    assert!(!holds(dns("example.mr")));
    assert!(holds(CertificateMatch { common_name: Some("CHN".to_owned()), ..CertificateMatch::default() }));
    assert!(holds(CertificateMatch { organization: Some("MSP".to_owned()), ..CertificateMatch::default() }));
    assert!(holds(CertificateMatch { fingerprint: Some([9; 32]), ..CertificateMatch::default() }));
    assert!(!holds(CertificateMatch { fingerprint: Some([8; 32]), ..CertificateMatch::default() }));
    assert!(
        !holds(CertificateMatch { organization: Some("other".to_owned()), ..dns("chn.example.mr") }),
        "all that is given"
    );
    assert!(!holds(CertificateMatch::default()), "nothing given is nothing proven");
}

#[test]
fn a_certificate_that_claims_another_facility_is_refused_and_recorded_with_its_owner() {
    let mut plan = Plan::default();
    plan.facilities[1].identities = vec![Identity { certificate: certificate("clinic.example"), ..msh("CLINIC") }];
    plan.peer.certificate = shown("clinic.example");
    let rejected = plan.rejected(adt());
    assert_eq!(rejected.findings[0].rule, "facility.impostor");
    assert_eq!(rejected.facility.as_deref(), Some("default/clinic"));
    assert_eq!(
        rule(&plan, &adt().replace("|CHN|", "|NOBODY|")),
        "facility.impostor",
        "nor may it claim to be nobody known"
    );
    assert_eq!(name(&plan, &adt().replace("|CHN|", "|CLINIC|")).0, "default/clinic");
}

#[test]
fn a_certificate_without_a_sending_facility_of_its_own_may_not_use_anothers() {
    let mut plan = Plan::default();
    let own = Identity { certificate: certificate("lab.example"), ..Identity::default() };
    plan.facilities.push(facility("lab", vec![own]));
    plan.peer.certificate = shown("lab.example");
    assert_eq!(name(&plan, &adt().replace("|CHN|", "|WHATEVER|")).0, "default/lab");
    assert_eq!(rule(&plan, &adt()), "facility.impostor");
    plan.facilities[2].speaks_for = vec![Name::local("chn")];
    let facility = plan.accepted(adt()).envelope.facility;
    assert_eq!((&*facility.name, facility.speaks_for.as_deref()), ("default/lab", Some("default/chn")));
    assert_eq!(rule(&plan, &adt().replace("|CHN|", "|CLINIC|")), "facility.impostor", "only for those it may");
}

#[test]
fn a_stranger_is_taken_where_the_listener_says_so_under_a_name_no_document_can_have() {
    let mut plan = Plan::default();
    plan.listener.unknown_facility = OnStranger::Accept;
    assert_eq!(name(&plan, &adt().replace("|CHN|", "|Hôpital X|")), ("Hôpital X".to_owned(), false));
    assert_eq!(name(&plan, &adt().replace("|CHN|", "|default/chn|")), ("default_chn".to_owned(), false));
    assert_eq!(name(&plan, &adt().replace("|CHN|", "||")), ("HIS".to_owned(), false));
    assert_eq!(name(&plan, &adt().replace("|HIS|CHN|", "|||")), ("unnamed".to_owned(), false));
    let long = adt().replace("|CHN|", &format!("|{}|", "é".repeat(200)));
    assert_eq!(name(&plan, &long).0, "é".repeat(32), "bounded, and cut between characters");
    plan.listener.identify = Proof::Certificate;
    assert_eq!(rule(&plan, &adt().replace("|CHN|", "|XYZ|")), "facility.unknown", "a stranger needs the proof as well");
}

#[test]
fn what_cannot_be_read_is_ascribed_as_far_as_its_header_goes() {
    let rejected = Plan::default().rejected(adt() + "this is no segment\r");
    assert_eq!(rejected.facility.as_deref(), Some("default/chn"));
    assert_eq!(rejected.header.control_id(), b"42");
    assert_eq!(rejected.findings[0].code, 100);
    assert!(rejected.findings[0].text.contains("line 5"), "{}", rejected.findings[0].text);
}

#[test]
fn networks_are_read_and_compared_by_prefix() {
    let network = |text: &str| text.parse::<Network>();
    let inside = |net: &str, address: &str| network(net).unwrap().contains(address.parse().unwrap());
    assert!(inside("10.20.0.0/16", "10.20.255.255") && !inside("10.20.0.0/16", "10.21.0.0"));
    assert!(inside("0.0.0.0/0", "203.0.113.9") && !inside("0.0.0.0/0", "::1"));
    assert!(inside("2001:db8::/32", "2001:db8:1::1") && !inside("2001:db8::/32", "2001:db9::1"));
    assert!(inside("::/0", "::1") && inside("192.0.2.1", "192.0.2.1") && !inside("192.0.2.1", "192.0.2.2"));
    assert!(inside("10.0.0.0/8", "::ffff:10.9.9.9"));
    for wrong in ["10.20.0.1/16", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "host", "", "10.0.0.0/8/8"] {
        assert!(network(wrong).is_err(), "{wrong}");
    }
    assert!(network("10.20.0.1/16").unwrap_err().to_string().contains("10.20.0.0/16"), "tells what would be right");
}

#[test]
fn the_fallback_charset_of_the_facility_reads_its_undeclared_bytes() {
    let mut plan = Plan::default();
    plan.facilities[0].fallback_charset = Some(barid_hl7::Charset::from_name("8859/6").unwrap());
    plan.channels[0].index = vec![crate::IndexRule {
        name: "family".into(),
        path: barid_hl7::Path::parse("PID-5.1").unwrap(),
        sensitive: false,
    }];
    let mut raw = message("ADT^A01", &["PID|1||1||"]).into_bytes();
    raw.splice(raw.len() - 1..raw.len() - 1, [0xE5, 0xCD]);
    let envelope = plan.accepted(raw).envelope;
    assert_eq!(envelope.keys.iter().find(|key| &*key.name == "family").unwrap().value, "مح");
    let told: Vec<_> = envelope.findings.iter().filter(|finding| finding.rule.starts_with("charset.")).collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].text.contains("8859/6"), "{}", told[0].text);
}
