//! Custody: what is acknowledged when (M12, M13, D1, A1 to A5, A8, A15), and what follows a refusal.

use std::time::Duration;

use barid_model::{Finding, Payload};
use barid_validate::{AckAfter, AckRules};
use bytes::Bytes;

use super::house::Plan;
use super::wire::{adt, framed, msa};
use crate::{AcceptError, AnswerForSender};

fn with(control_id: &str, change: impl Fn(String) -> String) -> Vec<u8> {
    change(String::from_utf8(adt(control_id)).unwrap()).into_bytes()
}

fn delivered() -> Plan {
    let ack = AckRules {
        after: AckAfter::Delivered,
        answerable: true,
        timeout: Duration::from_millis(300),
        ..AckRules::default()
    };
    Plan::default().channel(|rules| rules.ack = ack)
}

#[tokio::test]
async fn m12_a_sender_that_resets_before_its_answer_is_recognised_when_it_resends() {
    let house = Plan::default().open().await;
    house.memory.hold();
    let mut client = house.connect().await;
    client.send(&framed(&adt("rst"))).await;
    house.until("it is submitted", |house| house.memory.submitted().len() == 1).await;
    socket2::SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    house.memory.release();
    house.until("the connection is gone", |house| house.listeners.connections().is_empty()).await;
    let mut again = house.connect().await;
    assert_eq!(msa(&again.ask(&adt("rst")).await), ("AA", "rst"));
    assert_eq!(house.memory.control_ids(), ["rst"], "processed once");
    assert_eq!(house.metric("barid_ingress_unwritten_acknowledgements_total{listener=\"default/mllp\"}"), 1.0);
}

#[tokio::test]
async fn m13_no_answer_before_the_message_is_durable() {
    let house = Plan::default().open().await;
    house.memory.hold();
    let mut client = house.connect().await;
    client.send(&framed(&adt("m13"))).await;
    house.until("it is submitted", |house| house.memory.submitted().len() == 1).await;
    let early = tokio::time::timeout(Duration::from_millis(50), client.next()).await;
    assert!(early.is_err(), "answered before it was durable: {early:?}");
    house.memory.release();
    assert_eq!(msa(&client.answer().await), ("AA", "m13"));
}

#[tokio::test]
async fn m13_a_message_that_is_not_durable_in_time_gets_207_and_so_do_those_behind_it() {
    let mut plan = Plan::default();
    plan.bounds.durable = Duration::from_millis(200);
    let house = plan.open().await;
    house.memory.hold();
    let mut client = house.connect().await;
    client.send(&[framed(&adt("late")), framed(&adt("behind"))].concat()).await;
    for id in ["late", "behind"] {
        let answer = client.answer().await;
        assert_eq!(msa(&answer), ("AE", id));
        assert!(answer.contains("207"), "{answer}");
    }
    house.memory.release();
    assert_eq!(msa(&client.ask(&adt("late")).await), ("AA", "late"), "it was stored after all, and is known");
    assert_eq!(house.memory.control_ids(), ["late", "behind"]);
}

#[tokio::test]
async fn a_refusal_for_our_reasons_refuses_all_later_frames_that_were_read_with_it() {
    let house = Plan::default().open().await;
    house.memory.fail("b", AcceptError::NoSpace);
    let mut client = house.connect().await;
    client.send(&["a", "b", "c", "d"].map(|id| framed(&adt(id))).concat()).await;
    let answers = [client.answer().await, client.answer().await, client.answer().await, client.answer().await];
    let told: Vec<(&str, &str)> = answers.iter().map(|answer| msa(answer)).collect();
    assert_eq!(told, [("AA", "a"), ("AE", "b"), ("AE", "c"), ("AE", "d")]);
    assert!(answers[1..].iter().all(|answer| answer.contains("207")));
    assert_eq!(msa(&client.ask(&adt("b")).await), ("AA", "b"), "the same message is taken later");
}

#[tokio::test]
async fn a_refusal_for_our_reasons_refuses_later_frames_that_had_come_and_were_not_read_yet() {
    let mut plan = Plan::default().pipeline(1);
    plan.bounds.durable = Duration::from_millis(500);
    let house = plan.open().await;
    house.memory.hold();
    let mut client = house.connect().await;
    client.send(&framed(&adt("a"))).await;
    house.until("it is submitted", |house| house.memory.submitted().len() == 1).await;
    // With one unanswered frame the socket is not read.
    client.send(&framed(&adt("b"))).await;
    for id in ["a", "b"] {
        let answer = client.answer().await;
        assert_eq!(msa(&answer), ("AE", id), "{answer}");
        assert!(answer.contains("207"), "{answer}");
    }
    assert_eq!(house.memory.submitted().len(), 1, "the second is not taken before the first");
}

#[tokio::test]
async fn while_a_refusal_for_our_reasons_waits_for_its_turn_later_frames_are_refused_with_it() {
    let patient = |rules: &mut barid_validate::ChannelRules| rules.ack.timeout = Duration::from_secs(20);
    let house = delivered().channel(patient).open().await;
    let mut client = house.connect().await;
    client.send(&framed(&adt("a"))).await;
    house.until("it is submitted", |house| house.memory.submitted().len() == 1).await;
    house.memory.close(Some(AcceptError::Backlog));
    client.send(&framed(&adt("b"))).await;
    house.until("the second is refused", |house| house.memory.turned_away() == 1).await;
    house.memory.close(None);
    // There is room again, but its sender cannot know of the refusal: that stands behind the first answer.
    client.send(&framed(&adt("c"))).await;
    house.until("the third is read", |house| house.listeners.connections()[0].messages == 3).await;
    house.memory.answer("a", AnswerForSender::Accepted);
    for told in [("AA", "a"), ("AE", "b"), ("AE", "c")] {
        assert_eq!(msa(&client.answer().await), told);
    }
    client.send(&framed(&adt("b"))).await;
    house.until("the second is taken before the third", |house| house.memory.control_ids() == ["a", "b"]).await;
}

#[tokio::test]
async fn a_refusal_of_content_leaves_later_frames_alone() {
    let house = Plan::default().open().await;
    let mut client = house.connect().await;
    let bad = with("", |text| text);
    client.send(&[framed(&adt("a")), framed(&bad), framed(&adt("c"))].concat()).await;
    assert_eq!(msa(&client.answer().await), ("AA", "a"));
    let answer = client.answer().await;
    assert_eq!(msa(&answer), ("AE", ""), "a08: no control id, no positive answer");
    assert!(answer.contains("101"), "{answer}");
    assert_eq!(msa(&client.answer().await), ("AA", "c"));
    assert_eq!(house.memory.control_ids(), ["a", "c"]);
    assert_eq!(house.memory.refusals().len(), 1);
}

#[tokio::test]
async fn a_closed_exchange_refuses_with_207_and_keeps_the_connection() {
    let house = Plan::default().open().await;
    let mut client = house.connect().await;
    house.memory.close(Some(AcceptError::Backlog));
    let answer = client.ask(&adt("x")).await;
    assert_eq!(msa(&answer), ("AE", "x"));
    house.memory.close(None);
    assert_eq!(msa(&client.ask(&adt("x")).await), ("AA", "x"));
    assert!(house.memory.refusals().is_empty(), "what we could not take is no refused message");
}

#[tokio::test]
async fn a_stage_that_crashes_on_a_message_is_tried_three_times_then_the_sender_keeps_it() {
    let house = Plan { crash: Some((b"|poison|", 3)), ..Plan::default() }.open().await;
    let mut client = house.connect().await;
    let answer = client.ask(&adt("poison")).await;
    assert_eq!(msa(&answer), ("AE", "poison"));
    assert!(answer.contains("207"));
    assert_eq!(msa(&client.ask(&adt("poison")).await), ("AA", "poison"), "the crash was not the message's after all");
}

#[tokio::test]
async fn d01_a_resend_is_answered_again_and_not_taken_again() {
    let house = Plan::default().open().await;
    let mut client = house.connect().await;
    assert_eq!(msa(&client.ask(&adt("d1")).await), ("AA", "d1"));
    assert_eq!(msa(&client.ask(&adt("d1")).await), ("AA", "d1"));
    assert_eq!(house.memory.control_ids(), ["d1"]);
}

#[tokio::test]
async fn d01_the_same_control_id_with_other_bytes_is_205() {
    let house = Plan::default().open().await;
    let mut client = house.connect().await;
    assert_eq!(msa(&client.ask(&adt("d1")).await), ("AA", "d1"));
    let answer = client.ask(&with("d1", |text| text.replace("A7", "A8"))).await;
    assert_eq!(msa(&answer), ("AE", "d1"));
    assert!(answer.contains("205"), "{answer}");
    assert_eq!(house.memory.refusals()[0].findings[0].code, 205);
}

#[tokio::test]
async fn a04_enhanced_mode_gets_the_accept_acknowledgement_it_asks_for() {
    let house = Plan::default().open().await;
    let mut client = house.connect().await;
    let asks = |accept: &str, application: &str, id: &str| {
        with(id, |text| text.replace("|P|2.5", &format!("|P|2.5|||{accept}|{application}")))
    };
    assert_eq!(msa(&client.ask(&asks("AL", "NE", "al")).await), ("CA", "al"));
    client.send(&framed(&asks("NE", "NE", "ne"))).await;
    client.send(&framed(&asks("ER", "NE", "er"))).await;
    assert_eq!(msa(&client.ask(&asks("SU", "NE", "su")).await), ("CA", "su"), "the two before asked for no answer");
    assert_eq!(house.memory.control_ids(), ["al", "ne", "er", "su"]);
    house.memory.close(Some(AcceptError::NoSpace));
    assert_eq!(msa(&client.ask(&asks("AL", "NE", "full")).await), ("CE", "full"));
}

#[tokio::test]
async fn a15_an_acknowledgement_is_not_acknowledged() {
    let house = Plan::default().open().await;
    let mut client = house.connect().await;
    client.send(&framed(b"MSH|^~\\&|HIS|CHN|BARID|MSP|1||ACK^A01^ACK|a15|P|2.5\rMSA|AA|77\r")).await;
    assert_eq!(msa(&client.ask(&adt("next")).await), ("AA", "next"));
    assert_eq!(house.memory.control_ids(), ["next"]);
}

#[tokio::test]
async fn after_delivered_the_destinations_answer_is_passed_on() {
    let house = delivered().open().await;
    let mut client = house.connect().await;
    client.send(&framed(&adt("q"))).await;
    house.until("it is submitted", |house| house.memory.submitted().len() == 1).await;
    let answer = "MSH|^~\\&|REG|MSP|HIS|CHN|1||ACK^A01^ACK|99|P|2.5\rMSA|AA|q\rNTE|1||from afar\r";
    house.memory.answer(
        "q",
        AnswerForSender::Passed { answer: Payload::new(Bytes::from_static(answer.as_bytes())), accepted: true },
    );
    assert_eq!(client.answer().await, answer);
    assert_eq!(client.ask(&adt("q")).await, answer, "a resend gets the same answer");
    assert_eq!(house.memory.control_ids(), ["q"]);
}

#[tokio::test]
async fn after_delivered_the_answer_carries_the_senders_own_control_id_whatever_a_mapping_made_of_it() {
    let house = delivered().open().await;
    let mut client = house.connect().await;
    client.send(&framed(&adt("own"))).await;
    house.until("it is submitted", |house| house.memory.submitted().len() == 1).await;
    let answer = b"MSH|^~\\&|REG|MSP|HIS|CHN|1||ACK^A01^ACK|99|P|2.5\rMSA|AA|mapped\r";
    house
        .memory
        .answer("own", AnswerForSender::Passed { answer: Payload::new(Bytes::from_static(answer)), accepted: true });
    assert_eq!(msa(&client.answer().await), ("AA", "own"));
}

#[tokio::test]
async fn after_delivered_a_rejection_or_a_timeout_is_told() {
    let house = delivered().open().await;
    let mut client = house.connect().await;
    client.send(&framed(&adt("no"))).await;
    house.until("it is submitted", |house| house.memory.submitted().len() == 1).await;
    let finding = Finding::error(204, "PID-3", "destination", "not known there");
    house.memory.answer("no", AnswerForSender::Rejected(vec![finding]));
    let answer = client.answer().await;
    assert_eq!(msa(&answer), ("AE", "no"));
    assert!(answer.contains("204"), "{answer}");
    let answer = client.ask(&adt("silence")).await;
    assert_eq!(msa(&answer), ("AE", "silence"));
    assert!(answer.contains("207"), "{answer}");
}

#[tokio::test]
async fn answers_keep_the_order_of_their_frames_though_a_later_one_is_ready_first() {
    let house = delivered().open().await;
    let mut client = house.connect().await;
    client.send(&[framed(&adt("1")), framed(&adt("2"))].concat()).await;
    house.until("both are submitted", |house| house.memory.submitted().len() == 2).await;
    house.memory.answer("2", AnswerForSender::Accepted);
    house.memory.answer("1", AnswerForSender::Accepted);
    assert_eq!(msa(&client.answer().await), ("AA", "1"));
    assert_eq!(msa(&client.answer().await), ("AA", "2"));
}

#[tokio::test]
async fn a06_every_answer_has_a_control_id_of_its_own() {
    let house = Plan::default().open().await;
    let mut client = house.connect().await;
    let mut ids = std::collections::BTreeSet::new();
    for n in 0..20 {
        let answer = client.ask(&adt(&n.to_string())).await;
        let id = answer.split('|').nth(9).unwrap().to_owned();
        assert!(id.len() <= 20, "{id}");
        ids.insert(id);
    }
    assert_eq!(ids.len(), 20);
}

#[tokio::test]
async fn after_delivered_an_answer_that_is_no_hl7_becomes_an_acknowledgement_that_says_the_same() {
    let house = delivered().open().await;
    let mut client = house.connect().await;
    for (id, accepted, code) in [("ok", true, "AA"), ("no", false, "AE")] {
        client.send(&framed(&adt(id))).await;
        house.until("it is submitted", |house| house.memory.control_ids().iter().any(|known| known == id)).await;
        let answer = Payload::new(Bytes::from_static(b"{\"status\": 1}"));
        house.memory.answer(id, AnswerForSender::Passed { answer, accepted });
        assert_eq!(msa(&client.answer().await), (code, id));
    }
}
