//! Graceful shutdown (M21): nothing acknowledged and lost, nothing read and forgotten.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::house::Plan;
use super::wire::{PATIENCE, adt, framed, msa};

#[tokio::test]
async fn m21_a_drain_finishes_the_messages_in_hand_and_then_closes() {
    let house = Plan::default().open().await;
    let address = house.address();
    house.memory.hold();
    let mut busy = house.connect().await;
    let mut quiet = house.connect().await;
    assert_eq!(house.memory.submitted().len(), 0);
    busy.send(&[framed(&adt("1")), framed(&adt("2"))].concat()).await;
    house.until("both are submitted", |house| house.memory.submitted().len() == 2).await;
    let listeners = std::sync::Arc::clone(&house.listeners);
    let drain = tokio::spawn(async move { listeners.drain(Instant::now() + PATIENCE).await });
    quiet.ends().await;
    house.until("no more connections are taken", |_| std::net::TcpStream::connect(address).is_err()).await;
    house.memory.release();
    assert_eq!(msa(&busy.answer().await), ("AA", "1"));
    assert_eq!(msa(&busy.answer().await), ("AA", "2"));
    busy.ends().await;
    let report = drain.await.unwrap();
    assert_eq!((report.open, report.cut), (2, 0));
}

#[tokio::test]
async fn m21_a_frame_that_has_begun_may_end_and_is_answered() {
    let house = Plan::default().open().await;
    let mut client = house.connect().await;
    let frame = framed(&adt("half"));
    client.send(&frame[..40]).await;
    house.until("its first half is read", |house| house.listeners.connections().len() == 1).await;
    let listeners = std::sync::Arc::clone(&house.listeners);
    let drain = tokio::spawn(async move { listeners.drain(Instant::now() + PATIENCE).await });
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], client.stream.peer_addr().unwrap().port()));
    house.until("no more connections are taken", |_| std::net::TcpStream::connect(address).is_err()).await;
    client.send(&[&frame[40..], &framed(&adt("one too many"))].concat()).await;
    assert_eq!(msa(&client.answer().await), ("AA", "half"));
    client.ends().await;
    assert_eq!(house.memory.control_ids(), ["half"]);
    assert_eq!(drain.await.unwrap().cut, 0);
}

#[tokio::test]
async fn m21_what_has_not_finished_at_the_deadline_is_cut_without_an_answer() {
    let house = Plan::default().open().await;
    house.memory.hold();
    let mut client = house.connect().await;
    client.send(&framed(&adt("never"))).await;
    house.until("it is submitted", |house| house.memory.submitted().len() == 1).await;
    let report = house.listeners.drain(Instant::now() + Duration::from_millis(50)).await;
    assert_eq!((report.open, report.cut), (1, 1));
    client.ends().await;
}

#[tokio::test]
async fn m21_a_probe_does_not_hold_up_a_drain() {
    let house = Plan::default().open().await;
    let _probe = TcpStream::connect(house.address()).await.unwrap();
    let before = Instant::now();
    house.listeners.drain(before + PATIENCE).await;
    assert!(before.elapsed() < Duration::from_secs(2), "it took {:?}", before.elapsed());
}
