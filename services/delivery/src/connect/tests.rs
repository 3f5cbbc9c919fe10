use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use barid_model::record::{Answer, OutRecord};
use barid_model::{DeliveryId, Finding, MessageUid, Payload, Timestamp};
use bytes::Bytes;

use super::secret::{FileSecrets, SecretValue, Secrets};
use super::*;
use barid_config::document::{AnswerThen, OnReject};
use barid_config::settings::{Secret, SecretFile};

/// Patience of tests that wait for something to happen.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A delivery of this payload; `id` sets its delivery id apart.
pub(super) fn delivery(id: u32, payload: impl Into<Bytes>) -> Outgoing {
    let mut record = OutRecord::decode_sample(id);
    record.payload = Payload::new(payload.into());
    Outgoing::new(Arc::new(record))
}

/// A message with this control id.
pub(super) fn message(control_id: &str) -> Outgoing {
    delivery(1, format!("MSH|^~\\&|HIS|CHN|LAB|MSP|20261122100000||ADT^A01|{control_id}|P|2.5\rPID|1||7^^^CHN\r"))
}

/// The same, with a sender that waits for the answer.
pub(super) fn awaited(out: &Outgoing) -> Outgoing {
    let mut record = (*out.record).clone();
    record.waits = Some(barid_model::record::WaitingCaller {
        key: barid_model::Digest::of(b"key"),
        waits: barid_model::Waits { route: None, timeout: PATIENCE, query: true },
    });
    Outgoing::new(Arc::new(record))
}

pub(super) fn no_secrets() -> Arc<dyn Secrets> {
    Arc::new(FileSecrets::new("/nonexistent", BTreeMap::new()))
}

pub(super) fn failure(sent: Sent) -> TransportError {
    match sent {
        Sent::Failed(error) => error,
        other => panic!("not a transport failure: {other:?}"),
    }
}

pub(super) fn answered(sent: Sent) -> Answered {
    match sent {
        Sent::Answered(answered) => answered,
        other => panic!("not answered: {other:?}"),
    }
}

trait Sample {
    fn decode_sample(id: u32) -> Self;
}

impl Sample for OutRecord {
    fn decode_sample(id: u32) -> Self {
        let received = Timestamp::from_millis(1_795_341_600_000);
        let uid = MessageUid::new(received);
        OutRecord {
            id: DeliveryId::of(uid, "registry", id, 0),
            uid,
            source: barid_model::record::Source {
                partition: barid_model::Partition(0),
                intake: barid_model::record::Intake::Received,
                position: 1,
                output: 0,
                other: 0,
            },
            channel: barid_model::Name::local("admissions"),
            revision: barid_model::Revision::of(b"closure"),
            route: "registry".into(),
            part: 0,
            run: 0,
            destination: barid_model::Name::local("client-registry"),
            facility: "default/chn".into(),
            lanes: barid_model::Lanes::of(vec![]),
            received,
            message_type: barid_model::MessageType::default(),
            set_aside: None,
            waits: None,
            traceparent: None,
            payload: Payload::default(),
        }
    }
}

fn answer(class: AnswerClass, code: &str, error: &str) -> Sent {
    let status = match class {
        AnswerClass::Unavailable { .. } => Some(503),
        AnswerClass::Accepted | AnswerClass::Rejected => None,
    };
    let (code, error) = (code.to_owned(), error.to_owned());
    let recorded = Answer { code: code.clone(), bytes: Payload::default() };
    Sent::Answered(Answered { class, status, code, error, text: "Ould Abdallah".into(), answer: recorded })
}

fn name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Delivered => "delivered",
        Verdict::Retry { scope: Backoff::Destination, .. } => "retry destination",
        Verdict::Retry { scope: Backoff::Lane, .. } => "retry lane",
        Verdict::Quarantine(_) => "quarantine",
        Verdict::Hold(_) => "hold",
        Verdict::Rejected(_) => "rejected",
    }
}

#[test]
fn m22_each_answer_has_a_defined_outcome() {
    use AnswerClass::{Accepted, Rejected, Unavailable};
    let failed = || Sent::Failed(TransportError::new(TransportKind::Connect, "refused"));
    let unsendable = || Sent::Unsendable(Finding::error(101, "MSH-10", "mllp.controlId", "no control id"));
    let busy = || answer(Unavailable { retry_after: Some(Duration::from_secs(7)) }, "", "");
    let cases: [(Sent, OnReject, bool, &str); 14] = [
        (answer(Accepted, "AA", ""), OnReject::Hold, false, "delivered"),
        (answer(Accepted, "CA", ""), OnReject::Retry, true, "delivered"),
        (answer(Rejected, "AE", "101"), OnReject::Quarantine, false, "quarantine"),
        (answer(Rejected, "AR", "200"), OnReject::Hold, false, "hold"),
        (answer(Rejected, "CE", ""), OnReject::Retry, false, "retry lane"),
        (answer(Rejected, "AR", "207"), OnReject::Quarantine, false, "retry lane"),
        (answer(Rejected, "AE", "207"), OnReject::Hold, true, "retry lane"),
        (answer(Rejected, "AE", "101"), OnReject::Quarantine, true, "rejected"),
        (answer(Rejected, "AE", "101"), OnReject::Hold, true, "rejected"),
        (busy(), OnReject::Quarantine, false, "retry destination"),
        (failed(), OnReject::Quarantine, true, "retry destination"),
        (unsendable(), OnReject::Quarantine, false, "quarantine"),
        (unsendable(), OnReject::Retry, false, "quarantine"),
        (unsendable(), OnReject::Hold, false, "hold"),
    ];
    for (sent, on_reject, is_awaited, expected) in cases {
        let out = if is_awaited { awaited(&message("1")) } else { message("1") };
        let verdict = Answers::new(vec![], on_reject).judge(&out, &sent, 1, is_awaited);
        assert_eq!(name(&verdict), expected, "{sent:?} with {on_reject:?}");
    }
    let Verdict::Retry { after, .. } = Answers::default().judge(&message("1"), &busy(), 1, false) else { panic!() };
    assert_eq!(after, Some(Duration::from_secs(7)));
}

#[test]
fn the_first_rule_that_matches_decides_before_the_class() {
    use AnswerClass::{Accepted, Rejected, Unavailable};
    let rules = [
        ("answer.code == 'AR' && answer.error == '205'", AnswerThen::Delivered),
        ("answer.code == 'AR'", AnswerThen::Hold),
        ("answer.status == 503 && attempts >= 3", AnswerThen::Quarantine),
        ("answer.code == 'AA' && answer.text.contains('later')", AnswerThen::Retry),
        ("answer.error == '207'", AnswerThen::Quarantine),
    ];
    let answers = Answers::compile(&rules, OnReject::Quarantine).unwrap();
    let judged = |sent: &Sent, attempts| name(&answers.judge(&message("1"), sent, attempts, false));
    assert_eq!(judged(&answer(Rejected, "AR", "205"), 1), "delivered");
    assert_eq!(judged(&answer(Rejected, "AR", "101"), 1), "hold");
    let busy = answer(Unavailable { retry_after: None }, "", "");
    assert_eq!(judged(&busy, 2), "retry destination");
    assert_eq!(judged(&busy, 3), "quarantine");
    assert_eq!(judged(&answer(Accepted, "AA", ""), 1), "delivered");
    assert_eq!(judged(&answer(Rejected, "AE", "207"), 1), "quarantine");
    let failed = Sent::Failed(TransportError::new(TransportKind::Timeout, "late"));
    assert_eq!(judged(&failed, 9), "retry destination");
}

#[test]
fn a_rule_speaks_for_a_sender_that_waits_too() {
    let answers = Answers::compile(&[("answer.code == 'AE'", AnswerThen::Hold)], OnReject::Quarantine).unwrap();
    let verdict = answers.judge(&awaited(&message("1")), &answer(AnswerClass::Rejected, "AE", "101"), 1, true);
    assert_eq!(name(&verdict), "hold");
}

#[test]
fn a13_the_reason_of_a_refusal_tells_codes_and_never_the_receivers_words() {
    for error in ["101", "", "ABDALLAH", "12345678"] {
        let sent = answer(AnswerClass::Rejected, "AE", error);
        let Verdict::Quarantine(finding) = Answers::default().judge(&message("1"), &sent, 1, false) else { panic!() };
        let told = format!("{finding:?} {sent:?}");
        assert!(!told.contains("ABDALLAH") && !told.contains("Ould"), "{told}");
        assert!(finding.text.contains("AE"), "{}", finding.text);
    }
}

#[test]
fn endpoints_are_read_with_names_and_addresses() {
    let read = |text| Endpoint::read(text).map(|at| (at.host, at.port));
    assert_eq!(read("registry.example.mr:2575"), Some(("registry.example.mr".into(), 2575)));
    assert_eq!(read("[::1]:2575"), Some(("::1".into(), 2575)));
    assert_eq!(Endpoint::read("[::1]:2575").unwrap().to_string(), "[::1]:2575");
    for text in ["registry", "::1:2575", ":2575", "a:b", "a:70000", ""] {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn a_changed_secret_is_read_anew_and_its_value_is_never_shown() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("secrets/default/token");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("value"), "first\n").unwrap();
    let environment = BTreeMap::from([("TOKEN".to_owned(), "from the environment".to_owned())]);
    let secrets = FileSecrets::new(directory.path(), environment);
    let file =
        |key: &str| Secret::File(SecretFile { namespace: "default".into(), secret: "token".into(), key: key.into() });
    let value = secrets.read(&file("value")).unwrap();
    assert_eq!(value.text(), Some("first"));
    assert_eq!(format!("{value:?}"), "SecretValue(6 B)");
    std::fs::write(folder.join("value"), "the second\n").unwrap();
    let deadline = std::time::Instant::now() + PATIENCE;
    while secrets.read(&file("value")).unwrap() != SecretValue::new(b"the second\n") {
        assert!(std::time::Instant::now() < deadline, "still the old value");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(secrets.read(&Secret::Env("TOKEN".into())).unwrap().text(), Some("from the environment"));
    assert!(secrets.read(&Secret::Env("OTHER".into())).is_err());
    assert!(secrets.read(&file("../../x")).unwrap_err().why.contains("single names"));
    let missing = secrets.read(&file("missing")).unwrap_err();
    assert!(missing.at.ends_with("secrets/default/token/missing"), "{missing}");
}
