//! What a sender is told (A2, A3, A6, A11, C4, M9): each code by a message that earns it, in both modes.

use std::sync::Arc;

use barid_config::document::OnUnknown;
use barid_expr::{Place, Program, Scope, Type};
use barid_model::{Clock as _, Timestamp};
use barid_validate::{CheckRules, OnInvalid};

use super::house::{House, Plan, WallClock};
use super::wire::{adt, msa};
use crate::AcceptError;

fn with(control_id: &str, from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(adt(control_id)).unwrap();
    assert!(text.contains(from), "{from}");
    text.replace(from, to).into_bytes()
}

/// A house whose channel is strict and takes only ADT A01 in production.
async fn house() -> House {
    let when = Program::compile("msg.type == 'ADT' && msg.event == 'A01'", &Scope::new(Place::Message), Type::Bool);
    let when = Arc::new(when.unwrap());
    let checks = CheckRules { strict: true, ..CheckRules::default() };
    let plan = Plan::default().channel(|rules| {
        rules.when = Some(when);
        rules.processing_id = Some("P".into());
        rules.checks = checks;
    });
    plan.open().await
}

/// The codes of ERR-3.
fn codes(answer: &str) -> Vec<&str> {
    let errors = answer.split('\r').filter(|line| line.starts_with("ERR|"));
    errors.map(|line| line.split('|').nth(3).unwrap().split('^').next().unwrap()).collect()
}

#[tokio::test]
async fn a11_a02_a03_each_code_is_earned_by_a_message_and_told_in_the_mode_that_was_asked_for() {
    let house = house().await;
    assert_eq!(codes(&house.connect().await.ask(&adt("known")).await), [""; 0]);
    let cases = [
        ("100", "AE", "CE", with("c", "EVN|", "wrapped text\rEVN|")),
        ("101", "AE", "CE", adt("")),
        ("102", "AE", "CE", with("c", "PV1|", "OBX|1|NM|A||>5\rPV1|")),
        ("103", "AE", "CE", with("c", "PV1|", "OBX|1|QQ|A||5\rPV1|")),
        ("104", "AR", "CR", with("c", "PV1|", &format!("NTE|1||{}\rPV1|", "x".repeat(64 * 1024)))),
        ("200", "AR", "CR", with("c", "ADT^A01^ADT_A01", "ZZZ^Z01")),
        ("201", "AR", "CR", with("c", "ADT^A01^ADT_A01", "ADT^A60")),
        ("202", "AR", "CR", with("c", "|P|2.5", "|T|2.5")),
        ("203", "AR", "CR", with("c", "|P|2.5", "|P|2.99")),
        ("205", "AE", "CE", with("known", "A7^^^CHN", "A8^^^CHN")),
    ];
    for (code, original, enhanced, message) in cases {
        let mut client = house.connect().await;
        let answer = client.ask(&message).await;
        assert_eq!((msa(&answer).0, codes(&answer)), (original, vec![code]), "{answer}");
        let text = String::from_utf8(message).unwrap();
        let asking = text.replacen("|2.5\r", "|2.5|||AL|NE\r", 1).replacen("|2.99\r", "|2.99|||AL|NE\r", 1);
        let mut client = house.connect().await;
        let answer = client.ask(asking.as_bytes()).await;
        assert_eq!((msa(&answer).0, codes(&answer)), (enhanced, vec![code]), "{answer}");
    }
    house.memory.close(Some(AcceptError::NoSpace));
    let answer = house.connect().await.ask(&adt("c")).await;
    assert_eq!((msa(&answer).0, codes(&answer)), ("AE", vec!["207"]), "the sender may send it again");
    assert_eq!(house.memory.control_ids(), ["known"]);
}

#[tokio::test]
async fn a06_the_answer_is_dated_now_with_its_zone_and_swaps_whole_names() {
    let house = Plan::default().open().await;
    let before = WallClock.now();
    let answer =
        house.connect().await.ask(&with("a6", "|HIS|CHN|BARID|MSP|", "|HIS^1.2^ISO|CH\\T\\N|REG^9|M&S|")).await;
    let fields: Vec<&str> = answer.split('\r').next().unwrap().split('|').collect();
    assert_eq!(fields[2..6], ["REG^9", "M&S", "HIS^1.2^ISO", "CH\\T\\N"], "not escaped again");
    let time = jiff::fmt::strtime::parse("%Y%m%d%H%M%S%z", fields[6].replace(".000", "")).unwrap();
    let time = time.to_timestamp().unwrap().as_second();
    let second = |at: Timestamp| at.micros() / 1_000_000;
    assert!((second(before)..=second(WallClock.now())).contains(&time), "{}", fields[6]);
    assert_eq!((fields[8], fields[10], fields[11]), ("ACK^A01^ACK", "P", "2.5"));
}

#[tokio::test]
async fn c04_what_could_not_be_read_as_declared_is_kept_byte_for_byte_or_refused_with_102() {
    let declared = with("c4", "|P|2.5", "|P|2.5||||||UNICODE UTF-8");
    let raw = [&declared[..], b"NTE|1||A\xEFssata\r"].concat();
    let lenient = Plan::default().open().await;
    assert_eq!(msa(&lenient.connect().await.ask(&raw).await), ("AA", "c4"));
    let (envelope, kept) = lenient.memory.submitted().pop().unwrap();
    assert_eq!(&kept[..], &raw[..]);
    assert_eq!(envelope.findings[0].rule, "charset.invalid");
    let strict = Plan::default().channel(|rules| {
        rules.checks.strict = true;
        rules.on_invalid = OnInvalid::Reject;
    });
    let strict = strict.open().await;
    let answer = strict.connect().await.ask(&raw).await;
    assert_eq!((msa(&answer), codes(&answer)), (("AE", "c4"), vec!["102"]));
}

#[tokio::test]
async fn m09_one_byte_above_the_limit_is_refused_and_the_connection_closed() {
    let house = Plan::default().open().await;
    let mut message = with("m9", "PV1|1|I\r", "NTE|1||");
    message.resize(64 * 1024, b'x');
    let mut client = house.connect().await;
    assert_eq!(msa(&client.ask(&message).await), ("AA", "m9"));
    message.push(b'x');
    let answer = client.ask(&message).await;
    assert_eq!((msa(&answer), codes(&answer)), (("AR", "m9"), vec!["104"]));
    client.ends().await;
}

#[tokio::test]
async fn a_refused_stranger_is_recorded_with_the_facility_it_claims_to_be() {
    let house = Plan::default().listener(|spec| spec.unknown_facility = OnUnknown::Reject).open().await;
    for facility in ["CHN^1.2.3^ISO", "a/b", ""] {
        let message = with("c", "|HIS|CHN|", &format!("|HIS|{facility}|"));
        let answer = house.connect().await.ask(&message).await;
        assert_ne!(msa(&answer).0, "AA", "{answer}");
    }
    let refused = house.memory.refusals();
    let claimed: Vec<_> = refused.iter().map(|record| record.facility.as_deref()).collect();
    assert_eq!(claimed, [Some("CHN"), Some("a_b"), None], "a slash is a document's");
}

#[test]
fn why_messages_are_refused_for_our_reasons_is_told_as_it_is() {
    let told = |error: AcceptError| error.told().unwrap_or_default();
    assert!(told(AcceptError::Closed).contains("channel is closed") && !told(AcceptError::Closed).contains("stored"));
    assert!(told(AcceptError::NoSpace).contains("no space"));
    assert!(told(AcceptError::Backlog).contains("too many wait"));
    assert_eq!(AcceptError::Earlier.told(), None, "what follows is not told again");
}
