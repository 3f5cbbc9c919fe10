//! MLLP framing (M1 to M8, M15 to M18) through a real socket.

use tokio::io::AsyncWriteExt;

use super::house::{House, Plan};
use super::wire::{Client, adt, framed, msa};

#[tokio::test]
async fn m01_one_frame_gets_one_answer_and_its_bytes_are_stored_unchanged() {
    let house = Plan::default().open().await;
    let mut client = house.connect().await;
    let message = adt("m1");
    let answer = client.ask(&message).await;
    assert_eq!(msa(&answer), ("AA", "m1"));
    let submitted = house.memory.submitted();
    assert_eq!(submitted.len(), 1);
    assert_eq!(&submitted[0].1[..], &message[..]);
    assert_eq!(submitted[0].0.digest, submitted[0].1.digest());
    client.stream.shutdown().await.unwrap();
    client.ends().await;
}

#[tokio::test]
async fn m02_a_frame_in_single_bytes_is_one_message() {
    let house = Plan::default().open().await;
    let mut client = house.connect().await;
    client.stream.set_nodelay(true).unwrap();
    for byte in framed(&adt("m2")) {
        client.send(&[byte]).await;
    }
    assert_eq!(msa(&client.answer().await), ("AA", "m2"));
    assert_eq!(house.memory.control_ids(), ["m2"]);
}

#[tokio::test]
async fn m03_pipelined_frames_get_acks_in_order() {
    let house = Plan::default().open().await;
    let client = house.connect().await;
    let ids: Vec<String> = (0..500).map(|n| format!("m3-{n}")).collect();
    let all: Vec<u8> = ids.iter().flat_map(|id| framed(&adt(id))).collect();
    let (mut reading, mut writing) = tokio::io::split(client.stream);
    let write = tokio::spawn(async move {
        writing.write_all(&all).await.unwrap();
        writing
    });
    let mut client = Client::new(tokio::io::join(&mut reading, tokio::io::sink()));
    for id in &ids {
        assert_eq!(msa(&client.answer().await), ("AA", id.as_str()));
    }
    write.await.unwrap();
    assert_eq!(house.memory.control_ids(), ids);
}

#[tokio::test]
async fn m04_noise_between_frames_is_skipped_and_counted() {
    let house = Plan::default().open().await;
    let mut client = house.connect().await;
    client.send(b"\r\n \0\0keep").await;
    assert_eq!(msa(&client.ask(&adt("m4a")).await), ("AA", "m4a"));
    client.send(b"\n\n").await;
    assert_eq!(msa(&client.ask(&adt("m4b")).await), ("AA", "m4b"));
    assert_eq!(house.metric("barid_ingress_noise_bytes_total{listener=\"default/mllp\"}"), 11.0);
}

#[tokio::test]
async fn m05_an_end_block_without_its_return_is_tolerated_three_ways() {
    let house = Plan::default().open().await;
    let mut client = house.connect().await;
    let (a, b, c) = (adt("a"), adt("b"), adt("c"));
    client.send(&[&[0x0B][..], &a, &[0x1C, 0x0B], &b, &[0x1C, 0x0A, 0x0B], &c, &[0x1C]].concat()).await;
    for id in ["a", "b", "c"] {
        assert_eq!(msa(&client.answer().await), ("AA", id));
    }
    let rules: Vec<Vec<String>> = house
        .memory
        .submitted()
        .into_iter()
        .map(|(envelope, _)| envelope.findings.into_iter().map(|finding| finding.rule).collect())
        .collect();
    assert!(rules.iter().all(|rules| rules.contains(&"mllp.end-block".to_owned())), "recorded with each: {rules:?}");
}

#[tokio::test]
async fn m05_a_strict_listener_closes_instead() {
    let house = Plan::default()
        .listener(|spec| {
            if let barid_config::settings::ListenerTransport::Mllp(mllp) = &mut spec.transport {
                mllp.mode = barid_config::document::MllpMode::Strict;
            }
        })
        .open()
        .await;
    let mut client = house.connect().await;
    client.send(&[&framed(&adt("good"))[..], &[0x0B], &adt("bad"), &[0x1C, 0x0A]].concat()).await;
    assert_eq!(msa(&client.answer().await), ("AA", "good"));
    client.ends().await;
    assert_eq!(house.memory.control_ids(), ["good"]);
}

#[tokio::test]
async fn m06_a_second_start_discards_the_unfinished_frame() {
    let house = Plan::default().open().await;
    let mut client = house.connect().await;
    let unfinished = &adt("lost")[..60];
    client.send(&[&[0x0B], unfinished, &framed(&adt("m6"))].concat()).await;
    assert_eq!(msa(&client.answer().await), ("AA", "m6"));
    assert_eq!(house.memory.control_ids(), ["m6"]);
    let discarded = "barid_ingress_discarded_frames_total{listener=\"default/mllp\",reason=\"restarted\"}";
    assert_eq!(house.metric(discarded), 1.0);
}

#[tokio::test]
async fn m07_an_end_block_inside_the_payload_never_acknowledges_a_truncated_message() {
    let house = Plan::default().open().await;
    let mut client = house.connect().await;
    let mut message = adt("m7");
    let cut = message.windows(7).position(|window| window == b"Mohamed").unwrap();
    message.insert(cut, 0x1C);
    assert_eq!(msa(&client.ask(&message).await), ("AA", "m7"));
    assert_eq!(&house.memory.submitted()[0].1[..], &message[..], "whole, or not at all");
}

#[tokio::test]
async fn m08_an_empty_frame_is_neither_stored_nor_acknowledged() {
    let house = Plan::default().open().await;
    let mut client = house.connect().await;
    client.send(&[0x0B, 0x1C, 0x0D]).await;
    assert_eq!(msa(&client.ask(&adt("m8")).await), ("AA", "m8"));
    assert_eq!(house.memory.control_ids(), ["m8"]);
}

#[tokio::test]
async fn m15_release_two_blocks_are_not_taken_for_messages() {
    let house = Plan::default().open().await;
    let mut client = house.connect().await;
    client.send(&[0x0B, 0x06, 0x1C, 0x0D, 0x0B, 0x15, 0x1C, 0x0D]).await;
    assert_eq!(msa(&client.ask(&adt("m15")).await), ("AA", "m15"));
    assert_eq!(house.memory.control_ids(), ["m15"]);
    assert!(house.memory.refusals().is_empty());
}

#[tokio::test]
async fn m16_a_last_segment_without_return_is_accepted_and_the_answer_has_all_of_its_own() {
    let house = Plan::default().open().await;
    let mut client = house.connect().await;
    let mut message = adt("m16");
    message.pop();
    let answer = client.ask(&message).await;
    assert_eq!(msa(&answer), ("AA", "m16"));
    assert!(answer.ends_with('\r'));
    assert_eq!(&house.memory.submitted()[0].1[..], &message[..]);
}

#[tokio::test]
async fn m17_line_feeds_end_segments_with_a_warning_and_the_bytes_are_kept() {
    let house = Plan::default().open().await;
    let mut client = house.connect().await;
    for (id, end) in [("lf", "\n"), ("crlf", "\r\n")] {
        let message = String::from_utf8(adt(id)).unwrap().replace('\r', end);
        assert_eq!(msa(&client.ask(message.as_bytes()).await), ("AA", id));
        let (envelope, raw) = house.memory.submitted().pop().unwrap();
        assert_eq!(&raw[..], message.as_bytes());
        assert!(
            envelope.findings.iter().any(|finding| finding.rule.starts_with("segment.")),
            "{:?}",
            envelope.findings
        );
    }
}

#[tokio::test]
async fn m18_utf_16_is_refused() {
    let house = Plan::default().open().await;
    let mut client = house.connect().await;
    let utf16: Vec<u8> = std::iter::once(0xFEFF_u16)
        .chain("MSH|^~\\&|HIS|CHN|||1||ADT^A01|1|P|2.5\rPID|1\r".encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let answer = client.ask(&utf16).await;
    assert_eq!(msa(&answer).0, "AR");
    assert!(house.memory.submitted().is_empty());
    assert_eq!(msa(&client.ask(&adt("after")).await), ("AA", "after"));
}

#[tokio::test]
async fn m14_release_two_gets_commit_acknowledgements_before_the_answers() {
    let house: House = Plan::default()
        .listener(|spec| {
            if let barid_config::settings::ListenerTransport::Mllp(mllp) = &mut spec.transport {
                mllp.release = barid_config::settings::MllpRelease::Two;
            }
        })
        .open()
        .await;
    let mut client = house.connect().await;
    client.send(&framed(&adt("r2"))).await;
    assert_eq!(client.answer().await, "\u{6}");
    assert_eq!(msa(&client.answer().await), ("AA", "r2"));
    house.memory.close(Some(crate::AcceptError::NoSpace));
    client.send(&framed(&adt("r2-full"))).await;
    assert_eq!(client.answer().await, "\u{15}");
    assert_eq!(msa(&client.answer().await), ("AE", "r2-full"));
}
