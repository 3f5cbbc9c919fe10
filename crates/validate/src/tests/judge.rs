//! Which channel takes a message, and whether it is acceptable there.

use std::time::Duration;

use barid_model::{Name, Severity};

use super::{Plan, adt, channel, message, when};
use crate::{AckAfter, AckRules, ChannelState, OnInvalid, OnStranger, Refusal, Verdict};

fn chosen(plan: &Plan, raw: &str) -> Option<String> {
    plan.accepted(raw).envelope.channel.map(|name| name.short())
}

#[test]
fn an_envelope_tells_what_was_found() {
    let envelope = Plan::default().accepted(adt()).envelope;
    let kind = &envelope.message_type;
    assert_eq!((&*kind.code, &*kind.event, &*kind.structure, &*kind.version), ("ADT", "A01", "ADT_A01", "2.5"));
    assert_eq!(&envelope.control_id[..], b"42");
    assert_eq!(envelope.received, super::RECEIVED);
    assert_eq!(envelope.revision, channel("all").revision);
    assert_eq!(envelope.findings, vec![]);
    assert_eq!(envelope.digest, barid_model::Digest::of(adt().as_bytes()));
}

#[test]
fn the_highest_priority_takes_it_then_the_first_by_name() {
    let mut plan = Plan::default();
    let mut high = channel("z-high");
    high.priority = 5;
    high.when = when("msg.type == 'ADT'");
    plan.channels = vec![channel("b"), channel("a"), high];
    assert_eq!(chosen(&plan, &adt()).as_deref(), Some("z-high"));
    assert_eq!(chosen(&plan, &message("ORU^R01", &["PID|1||1"])).as_deref(), Some("a"));
}

#[test]
fn a_channel_takes_only_from_its_listeners_and_facilities() {
    let mut plan = Plan::default();
    let mut clinic = channel("a-clinic");
    clinic.facilities = Some(vec![Name::local("clinic")]);
    let mut elsewhere = channel("a-elsewhere");
    elsewhere.listeners = vec![Name::local("other")];
    plan.channels = vec![clinic, elsewhere, channel("b")];
    assert_eq!(chosen(&plan, &adt()).as_deref(), Some("b"));
    assert_eq!(chosen(&plan, &adt().replace("|CHN|", "|CLINIC|")).as_deref(), Some("a-clinic"));
    plan.channels.pop();
    let rejected = plan.rejected(adt());
    assert_eq!((rejected.refusal, rejected.findings[0].code), (Refusal::Reject, 200));
}

#[test]
fn a_gateway_reaches_the_channels_of_those_it_speaks_for() {
    let mut plan = Plan::default();
    let token = crate::Identity { token: Some("default/gw/t".into()), ..crate::Identity::default() };
    let mut gateway = super::facility("gw", vec![token]);
    gateway.speaks_for = vec![Name::local("chn")];
    plan.facilities.push(gateway);
    plan.peer.tokens = vec!["default/gw/t".into()];
    plan.channels[0].facilities = Some(vec![Name::local("chn")]);
    assert_eq!(chosen(&plan, &adt()).as_deref(), Some("all"));
}

#[test]
fn a11_what_no_channel_takes_is_200_or_201_or_kept() {
    let mut plan = Plan::default();
    plan.channels[0].when = when("msg.event == 'A08'");
    let rejected = plan.rejected(adt());
    assert_eq!(
        (rejected.refusal, rejected.findings[0].code, rejected.findings[0].path.as_str()),
        (Refusal::Reject, 201, "MSH-9.2")
    );
    let rejected = plan.rejected(message("ZZZ^Z01", &["PID|1||1"]));
    assert_eq!((rejected.findings[0].code, rejected.findings[0].path.as_str()), (200, "MSH-9.1"));
    plan.listener.on_unmatched = OnStranger::Accept;
    let envelope = plan.accepted(adt()).envelope;
    assert_eq!(envelope.channel, None);
    assert_eq!(&*envelope.facility.name, "default/chn");
}

#[test]
fn a_condition_that_cannot_be_evaluated_matches_nothing_else() {
    let mut plan = Plan::default();
    let mut failing = channel("a");
    failing.when = when("int(msg['PID-1']) == 1");
    plan.channels = vec![failing, channel("b")];
    let rejected = plan.rejected(message("ADT^A01", &["PID|one"]));
    assert_eq!((rejected.refusal, rejected.findings[0].code), (Refusal::Retry, 207));
    assert!(!rejected.findings[0].text.contains("one"), "no data in texts");
    assert_eq!(chosen(&plan, &message("ADT^A01", &["PID|1"])).as_deref(), Some("a"));
}

#[test]
fn a_channel_that_is_closed_or_invalid_refuses_as_retryable_and_nobody_else_takes_it() {
    for state in [ChannelState::Closed, ChannelState::Invalid] {
        let mut plan = Plan::default();
        let mut first = channel("a");
        first.state = state;
        plan.channels = vec![first, channel("b")];
        let rejected = plan.rejected(adt());
        assert_eq!((rejected.refusal, rejected.findings[0].code), (Refusal::Retry, 207));
        assert_eq!(rejected.channel, Some(Name::local("a")));
    }
}

#[test]
fn a08_a_message_without_control_id_is_101_unless_the_channel_takes_it() {
    let mut plan = Plan::default();
    let raw = adt().replace("|42|", "||");
    let rejected = plan.rejected(raw.as_str());
    assert_eq!(
        (rejected.refusal, rejected.findings[0].code, rejected.findings[0].path.as_str()),
        (Refusal::Error, 101, "MSH-10")
    );
    plan.channels[0].accept_without_control_id = true;
    let envelope = plan.accepted(raw).envelope;
    assert_eq!(envelope.control_id, envelope.uid.to_string().as_bytes());
}

#[test]
fn a12_another_processing_id_is_202() {
    let mut plan = Plan::default();
    plan.channels[0].processing_id = Some("P".into());
    plan.accepted(adt());
    let rejected = plan.rejected(adt().replace("|P|2.5", "|T|2.5"));
    assert_eq!(
        (rejected.refusal, rejected.findings[0].code, rejected.findings[0].path.as_str()),
        (Refusal::Reject, 202, "MSH-11.1")
    );
}

#[test]
fn a15_an_acknowledgement_gets_no_reply_unless_it_asks_and_a_response_is_taken() {
    let plan = Plan::default();
    let ack = message("ACK^A01^ACK", &["MSA|AA|7"]);
    assert!(matches!(plan.parse(ack.as_str()), Verdict::NoReply(_)));
    let asking = ack.replace("|P|2.5", "|P|2.5|||AL|NE");
    assert!(plan.accepted(asking).is_response);
    let response = plan.accepted(message("ORR^O02", &["MSA|AA|7"]));
    assert!(response.is_response);
    assert!(!plan.accepted(adt()).is_response);
}

#[test]
fn what_reading_tolerated_is_recorded() {
    let envelope = Plan::default().accepted(adt().replace('\r', "\n")).envelope;
    assert_eq!(envelope.findings[0].severity, Severity::Warning);
    let contradicting = adt().replace("ADT^A01^ADT_A01", "ADT^A04^ADT_A04");
    let envelope = Plan::default().accepted(contradicting).envelope;
    assert_eq!(&*envelope.message_type.structure, "ADT_A01", "p12: the table wins");
    assert!(envelope.findings.iter().any(|finding| finding.path == "MSH-9.3"), "{:?}", envelope.findings);
}

#[test]
fn on_invalid_is_about_errors_and_warnings_pass() {
    let mut plan = Plan::default();
    for on_invalid in [OnInvalid::Reject, OnInvalid::Quarantine, OnInvalid::Log] {
        plan.channels[0].on_invalid = on_invalid;
        plan.accepted(adt().replace('\r', "\n"));
    }
}

#[test]
fn batches_are_refused_clearly() {
    for batch in ["FHS|^~\\&|A|CHN\rBHS|^~\\&|A|CHN\r", "BHS|^~\\&|A|CHN\rMSH|^~\\&|A|CHN\r"] {
        let rejected = Plan::default().rejected(batch);
        assert_eq!(rejected.refusal, Refusal::Reject);
        assert_eq!(rejected.findings[0].rule, "parse.batch");
    }
}

#[test]
fn a_sender_waits_where_the_channel_says_so_or_its_message_is_a_query() {
    let mut plan = Plan::default();
    assert_eq!(plan.accepted(adt()).envelope.waits, None);
    let query = message("QBP^Q22^QBP_Q21", &["QPD|x"]);
    assert_eq!(plan.accepted(query.as_str()).envelope.waits, None, "nobody here can answer");
    plan.channels[0].ack = AckRules {
        answerable: true,
        route: Some("pix".into()),
        timeout: Duration::from_secs(9),
        ..AckRules::default()
    };
    assert_eq!(plan.accepted(adt()).envelope.waits, None);
    let waits = plan.accepted(query).envelope.waits.unwrap();
    assert_eq!((waits.route.as_deref(), waits.timeout, waits.query), (Some("pix"), Duration::from_secs(9), true));
    plan.channels[0].ack.after = AckAfter::Delivered;
    assert!(!plan.accepted(adt()).envelope.waits.unwrap().query);
}

#[test]
fn a_listener_that_is_not_in_the_table_gives_no_verdict() {
    use barid_model::stage::Stage as _;
    let input = crate::ParseInput {
        uid: barid_model::MessageUid::from_bytes([1; 16]),
        raw: barid_model::Payload::new(adt().into_bytes().into()),
        received: super::RECEIVED,
        listener: Name::local("gone"),
        peer: Default::default(),
        traceparent: None,
        table: std::sync::Arc::new(crate::ParseTable::new(vec![], vec![], vec![])),
    };
    assert!(crate::Parse::new(barid_model::LaneHasher::new([0; 16])).apply(&input).is_err());
}
