//! Changes of a snapshot while messages flow.

use barid_config::settings::ListenerTransport;
use barid_model::Name;
use barid_validate::ChannelState;

use super::house::{House, Plan, Safe, mllp};
use super::wire::{adt, framed, msa};

#[tokio::test]
async fn an_unchanged_listener_keeps_its_connections_and_they_see_the_new_rules_at_once() {
    let mut house = Plan::default().open().await;
    let address = house.address();
    let mut client = house.connect().await;
    assert_eq!(msa(&client.ask(&adt("1")).await), ("AA", "1"));
    house.plan.channels[0].state = ChannelState::Closed;
    house.plan.listeners[0].limits.connections = 7;
    assert!(house.apply().await.is_empty());
    assert_eq!(house.address(), address);
    assert_eq!(msa(&client.ask(&adt("2")).await), ("AE", "2"));
    house.plan.channels[0].state = ChannelState::Open;
    house.apply().await;
    assert_eq!(msa(&client.ask(&adt("2")).await), ("AA", "2"));
}

#[tokio::test]
async fn a_removed_listener_stops_accepting_and_lets_its_connections_finish() {
    let mut house = Plan::default().open().await;
    let address = house.address();
    house.memory.hold();
    let mut client = house.connect().await;
    client.send(&framed(&adt("1"))).await;
    house.until("it is submitted", |house| house.memory.submitted().len() == 1).await;
    house.plan.listeners = vec![mllp("other")];
    house.apply().await;
    house.until("no more connections are taken", |_| std::net::TcpStream::connect(address).is_err()).await;
    house.memory.release();
    assert_eq!(msa(&client.answer().await), ("AA", "1"));
    client.ends().await;
    assert!(house.listeners.address(&Name::local("other")).is_some());
}

#[tokio::test]
async fn a_port_in_use_is_that_listeners_fault_alone_and_is_taken_when_it_is_free() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut plan = Plan::default();
    let mut second = mllp("second");
    second.socket = taken.local_addr().unwrap();
    plan.listeners.push(second);
    let house = House::new(plan, Safe::default());
    let faults = house.apply().await;
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].listener, Name::local("second"));
    assert!(faults[0].remedy.contains("port"), "{}", faults[0].remedy);
    assert_eq!(house.listeners.status().await.iter().filter(|status| status.fault.is_some()).count(), 1);
    let mut client = house.connect().await;
    assert_eq!(msa(&client.ask(&adt("1")).await), ("AA", "1"));
    drop(taken);
    assert!(house.listeners.refresh().await.is_empty());
    assert!(house.listeners.address(&Name::local("second")).is_some());
    assert!(house.listeners.status().await.iter().all(|status| status.fault.is_none()));
}

#[tokio::test]
async fn a_listener_that_speaks_another_protocol_takes_over_the_same_port() {
    let mut house = Plan::default().open().await;
    let address = house.address();
    house.plan.listeners[0].socket = address;
    house.apply().await;
    let address = house.address();
    house.plan.listeners[0].transport =
        ListenerTransport::Http(barid_config::settings::HttpSettings { paths: vec!["/".to_owned()] });
    assert!(house.apply().await.is_empty());
    assert_eq!(house.address(), address);
    assert_eq!(house.listeners.status().await[0].transport, "http");
}
