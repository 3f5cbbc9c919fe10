//! Bounds (M9 to M11, M19): what a peer does to itself it does to nobody else.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::house::Plan;
use super::wire::{adt, framed, msa};

fn padded(control_id: &str, bytes: usize) -> Vec<u8> {
    let mut message = adt(control_id);
    message.extend_from_slice(b"NTE|1||");
    let pad = bytes - message.len() - 1;
    message.extend(std::iter::repeat_n(b'x', pad));
    message.push(b'\r');
    message
}

#[tokio::test]
async fn m09_a_message_at_the_limit_passes_and_one_above_is_refused_and_the_connection_closed() {
    let house = Plan::default().open().await;
    let mut other = house.connect().await;
    let mut client = house.connect().await;
    assert_eq!(msa(&client.ask(&padded("fits", 64 * 1024)).await), ("AA", "fits"));
    // The rest of a huge message goes on coming while the refusal is on its way.
    let huge = framed(&padded("huge", 4 * 1024 * 1024));
    let (mut reading, mut writing) = tokio::io::split(client.stream);
    let sending = tokio::spawn(async move {
        // The connection may be closed before all is sent.
        writing.write_all(&huge).await.unwrap_or_default();
    });
    let mut client = super::wire::Client::new(tokio::io::join(&mut reading, tokio::io::sink()));
    let answer = client.answer().await;
    assert_eq!(msa(&answer), ("AR", "huge"));
    assert!(answer.contains("104"), "{answer}");
    client.ends().await;
    sending.await.unwrap();
    assert_eq!(house.memory.control_ids(), ["fits"]);
    let refused = house.memory.refusals();
    assert_eq!(refused.len(), 1);
    assert!(refused[0].raw.len() <= 64, "only the beginning is kept");
    assert_eq!(msa(&other.ask(&adt("other")).await), ("AA", "other"));
}

#[tokio::test]
async fn m09_a_huge_frame_without_a_header_is_closed_without_an_answer() {
    let house = Plan::default().open().await;
    let mut client = house.connect().await;
    let mut bytes = vec![b'x'; 80 * 1024];
    bytes[0] = 0x0B;
    client.stream.write_all(&bytes).await.unwrap_or_default();
    client.ends().await;
    assert!(house.memory.submitted().is_empty());
}

#[tokio::test]
async fn m10_an_unfinished_frame_is_closed_when_the_peer_is_idle_and_nothing_was_received() {
    let house = Plan::default().listener(|spec| spec.limits.idle = Duration::from_millis(100)).open().await;
    let mut client = house.connect().await;
    client.send(&framed(&adt("half"))[..50]).await;
    client.ends().await;
    assert!(house.memory.submitted().is_empty());
    assert!(house.memory.refusals().is_empty());
    let mut again = house.connect().await;
    assert_eq!(msa(&again.ask(&adt("half")).await), ("AA", "half"));
}

#[tokio::test]
async fn m10_a_peer_that_trickles_a_frame_is_closed_though_it_is_never_idle() {
    let house = Plan::default().listener(|spec| spec.limits.frame = Duration::from_millis(200)).open().await;
    let client = house.connect().await;
    client.stream.set_nodelay(true).unwrap();
    let (reading, mut writing) = tokio::io::split(client.stream);
    let trickle = tokio::spawn(async move {
        let mut beat = tokio::time::interval(Duration::from_millis(20));
        writing.write_all(&[0x0B]).await.unwrap();
        loop {
            beat.tick().await;
            if writing.write_all(b"M").await.is_err() {
                return;
            }
        }
    });
    let mut client = super::wire::Client::new(tokio::io::join(reading, tokio::io::sink()));
    client.ends().await;
    trickle.abort();
    assert_eq!(house.metric("barid_ingress_connections_closed_total{listener=\"default/mllp\",reason=\"slow\"}"), 1.0);
}

#[tokio::test]
async fn m11_a_payload_that_is_no_hl7_gets_a_minimal_rejection_and_three_in_a_row_end_the_connection() {
    let house = Plan::default().open().await;
    let mut client = house.connect().await;
    let answer = client.ask(b"INVALID PAYLOAD").await;
    assert!(answer.starts_with("MSH|^~\\&|BARID|MSP|"), "{answer}");
    assert_eq!(msa(&answer), ("AR", ""));
    assert_eq!(msa(&client.ask(&adt("good")).await), ("AA", "good"));
    for _ in 0..3 {
        assert_eq!(msa(&client.ask(b"GET / HTTP/1.1").await).0, "AR");
    }
    client.ends().await;
    let mut again = house.connect().await;
    assert_eq!(msa(&again.ask(&adt("again")).await), ("AA", "again"));
}

#[tokio::test]
async fn m11_a_browser_that_never_starts_a_frame_is_closed() {
    let house = Plan::default().open().await;
    let mut client = house.connect().await;
    let noise = vec![b'G'; 200 * 1024];
    client.stream.write_all(&noise).await.unwrap_or_default();
    client.ends().await;
}

#[tokio::test]
async fn m19_connections_beyond_the_bound_are_refused_and_a_freed_place_is_taken() {
    let house = Plan::default().listener(|spec| spec.limits.connections = 2).open().await;
    let mut first = house.connect().await;
    let mut second = house.connect().await;
    assert_eq!(msa(&first.ask(&adt("1")).await), ("AA", "1"));
    assert_eq!(msa(&second.ask(&adt("2")).await), ("AA", "2"));
    house.connect().await.ends().await;
    drop(second);
    house.until("the place is free", |house| house.listeners.connections().len() == 1).await;
    let mut third = house.connect().await;
    assert_eq!(msa(&third.ask(&adt("3")).await), ("AA", "3"));
    assert_eq!(msa(&first.ask(&adt("4")).await), ("AA", "4"));
}

#[tokio::test]
async fn m19_a_silent_connection_is_closed_after_the_idle_time_and_a_probe_is_no_sender() {
    let house = Plan::default().listener(|spec| spec.limits.idle = Duration::from_millis(100)).open().await;
    let mut silent = house.connect().await;
    silent.ends().await;
    drop(house.connect().await);
    assert_eq!(house.metric("barid_ingress_connections_closed_total{listener=\"default/mllp\",reason=\"idle\"}"), 0.0);
    assert!(house.listeners.connections().is_empty());
    let mut sender = house.connect().await;
    assert_eq!(msa(&sender.ask(&adt("x")).await), ("AA", "x"));
    let listed = house.listeners.connections();
    assert_eq!((listed.len(), listed[0].messages, listed[0].last_code), (1, 1, Some("AA")));
    assert_eq!(listed[0].facility.as_deref(), Some("CHN"));
    sender.ends().await;
    assert_eq!(house.metric("barid_ingress_connections_closed_total{listener=\"default/mllp\",reason=\"idle\"}"), 1.0);
}

#[tokio::test]
async fn m19_unanswered_frames_of_a_connection_are_bounded_and_then_its_socket_is_not_read() {
    let house = Plan::default().pipeline(4).open().await;
    house.memory.hold();
    let mut client = house.connect().await;
    let all: Vec<u8> = (0..10).flat_map(|n| framed(&adt(&format!("p{n}")))).collect();
    client.send(&all).await;
    house.until("four are submitted", |house| house.memory.submitted().len() == 4).await;
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.memory.submitted().len(), 4);
    house.memory.release();
    for n in 0..10 {
        assert_eq!(msa(&client.answer().await), ("AA", format!("p{n}").as_str()));
    }
}

#[tokio::test]
async fn g8_all_connections_together_hold_no_more_than_the_bound_and_go_on_when_there_is_room() {
    let mut plan = Plan::default().listener(|spec| spec.limits.message_bytes = 8 * 1024 * 1024);
    plan.bounds.buffered = 1024 * 1024;
    let house = plan.open().await;
    house.memory.hold();
    let mut first = house.connect().await;
    first.send(&framed(&padded("first", 900 * 1024))).await;
    house.until("the first is submitted", |house| house.memory.submitted().len() == 1).await;
    let large = framed(&padded("second", 900 * 1024));
    let (reading, mut writing) = tokio::io::split(house.connect().await.stream);
    let sending = tokio::spawn(async move {
        writing.write_all(&large).await.unwrap();
        writing
    });
    let mut small = house.connect().await;
    small.send(&framed(&adt("small"))).await;
    house.until("a small one has room", |house| house.memory.submitted().len() == 2).await;
    assert_eq!(house.memory.control_ids(), ["first", "small"], "the second large one is not read to its end");
    house.memory.release();
    assert_eq!(msa(&first.answer().await), ("AA", "first"));
    let mut second = super::wire::Client::new(tokio::io::join(reading, tokio::io::sink()));
    assert_eq!(msa(&second.answer().await), ("AA", "second"));
    sending.await.unwrap();
}

#[tokio::test]
async fn m19_a_peer_whose_frames_we_do_not_answer_is_not_taken_for_idle_or_slow() {
    let house = Plan::default()
        .pipeline(1)
        .listener(|spec| {
            spec.limits.idle = Duration::from_millis(100);
            spec.limits.frame = Duration::from_millis(100);
        })
        .open()
        .await;
    house.memory.hold();
    let mut client = house.connect().await;
    let next = framed(&adt("2"));
    client.send(&[&framed(&adt("1"))[..], &next[..60]].concat()).await;
    house.until("it is submitted", |house| house.memory.submitted().len() == 1).await;
    let ended = tokio::time::timeout(Duration::from_millis(400), client.next()).await;
    assert!(ended.is_err(), "it is not closed while it waits for us: {ended:?}");
    house.memory.release();
    assert_eq!(msa(&client.answer().await), ("AA", "1"));
    client.send(&next[60..]).await;
    assert_eq!(msa(&client.answer().await), ("AA", "2"));
}

#[tokio::test]
async fn a_facility_that_is_too_fast_waits_for_its_acknowledgements_and_loses_nothing() {
    let mut plan = Plan::default();
    plan.specs.push(super::house::chn(Some(barid_config::settings::RateSettings { per_second: 20, burst: 5 })));
    plan.facilities.push(super::house::chn_rules());
    let house = plan.open().await;
    let mut client = house.connect().await;
    let started = tokio::time::Instant::now();
    for n in 0..10 {
        assert_eq!(msa(&client.ask(&adt(&n.to_string())).await), ("AA", n.to_string().as_str()));
    }
    // Five at once, five more at 20 a second.
    assert!(started.elapsed() >= Duration::from_millis(240), "{:?}", started.elapsed());
    assert_eq!(house.memory.control_ids().len(), 10);
    let mut other = house.connect().await;
    let before = tokio::time::Instant::now();
    let stranger = String::from_utf8(adt("other")).unwrap().replace("|CHN|", "|XYZ|");
    assert_eq!(msa(&other.ask(stranger.as_bytes()).await), ("AA", "other"));
    assert!(before.elapsed() < Duration::from_millis(500), "others are not slowed");
}

/// A plan whose facility may send so fast.
fn limited(per_second: u32, burst: u32) -> Plan {
    let mut plan = Plan::default();
    plan.specs.push(super::house::chn(Some(barid_config::settings::RateSettings { per_second, burst })));
    plan.facilities.push(super::house::chn_rules());
    plan
}

#[tokio::test]
async fn a_facility_that_sends_without_waiting_is_not_read_before_its_turn_and_is_refused_nothing() {
    let house = limited(20, 5).pipeline(4).open().await;
    let mut client = house.connect().await;
    let all: Vec<u8> = (0..30).flat_map(|n| framed(&adt(&format!("p{n}")))).collect();
    // A machine that is slow makes all of it later: nothing here is a bound from above on time.
    let started = tokio::time::Instant::now();
    client.send(&all).await;
    for n in 0..30_u32 {
        assert_eq!(msa(&client.answer().await), ("AA", format!("p{n}").as_str()));
        let turn = Duration::from_millis(50) * n.saturating_sub(5);
        assert!(started.elapsed() >= turn, "p{n} after {:?}", started.elapsed());
        let submitted = house.memory.submitted().len();
        // Five at once and 20 a second are answered, and as many as the pipeline has are read besides.
        let turns = 5 + started.elapsed().as_millis() / 50 + 1;
        assert!(submitted as u128 <= turns + 4, "{submitted} are read where {turns} have had their turn");
    }
    let held = house.metric("barid_ingress_held_total{listener=\"default/mllp\"}");
    assert!((1.0..=25.0).contains(&held), "{held}");
}

#[tokio::test]
async fn a_message_that_becomes_durable_before_its_turn_is_answered_at_its_turn() {
    let house = limited(5, 1).open().await;
    let mut client = house.connect().await;
    assert_eq!(msa(&client.ask(&adt("1")).await), ("AA", "1"));
    house.memory.hold();
    let started = tokio::time::Instant::now();
    client.send(&framed(&adt("2"))).await;
    house.until("it is submitted", |house| house.memory.submitted().len() == 2).await;
    // The connection waits by now.
    tokio::time::sleep(Duration::from_millis(50)).await;
    house.memory.release();
    assert_eq!(msa(&client.answer().await), ("AA", "2"));
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn g8_a_message_whose_turn_comes_too_late_is_refused_with_207_and_not_taken_and_others_go_on() {
    let house = limited(1, 1).open().await;
    let mut first = house.connect().await;
    let all: Vec<u8> = (0..11).flat_map(|n| framed(&adt(&format!("p{n}")))).collect();
    first.send(&all).await;
    house.until("as many are taken as may wait", |house| house.memory.submitted().len() == 11).await;
    let mut second = house.connect().await;
    let started = tokio::time::Instant::now();
    let answer = second.ask(&adt("late")).await;
    assert_eq!(msa(&answer), ("AE", "late"));
    assert!(answer.contains("207") && answer.contains("faster"), "{answer}");
    // Not at once, or it would be sent again at once.
    assert!(started.elapsed() >= Duration::from_millis(900), "{:?}", started.elapsed());
    assert_eq!(house.metric("barid_ingress_refused_total{listener=\"default/mllp\",reason=\"rate\"}"), 1.0);
    let stranger = String::from_utf8(adt("other")).unwrap().replace("|CHN|", "|XYZ|");
    assert_eq!(msa(&house.connect().await.ask(stranger.as_bytes()).await), ("AA", "other"));
    assert!(!house.memory.control_ids().contains(&"late".to_owned()));
}
