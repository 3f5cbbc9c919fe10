//! Documents reach a replica, and stay with it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use barid_model::{ManualClock, Name, Timestamp};
use barid_rpc::config::{Publisher, ReplicaState, Stage};
use barid_rpc::{Services, listen, serve};
use parking_lot::Mutex;

use super::*;

const DOCUMENTS: &str = "
kind: Listener
metadata: {name: in}
spec: {mllp: {port: 2575, address: 127.0.0.1}, unknownFacility: accept}
---
kind: Destination
metadata: {name: out}
spec: {mllp: {endpoints: [\"127.0.0.1:2601\"]}}
---
kind: Channel
metadata: {name: a}
spec:
  from: {listeners: [{name: in}]}
  transform: [{set: {path: MSH-5, to: \"'A'\"}}]
  routes: [{name: r, to: {destination: out}}]
";

fn write(directory: &Path, text: &str) {
    std::fs::write(directory.join("all.yaml"), text).unwrap();
}

async fn until(publisher: &Publisher, holds: impl Fn(&[ReplicaState]) -> bool) {
    let all = async {
        while !holds(&publisher.replicas()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all).await.unwrap_or_else(|_| panic!("{:?}", publisher.replicas()));
}

fn options(publisher: &str, data: &Path) -> Options {
    use clap::Parser;
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }
    let data = data.to_str().unwrap();
    let line = ["x", "--publishers", publisher, "--data", data, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    Line::parse_from(line).options
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_reach_a_replica_which_keeps_them_for_a_start_without_the_publisher() {
    let folder = tempfile::tempdir().unwrap();
    let (documents, own, data) = (folder.path().join("docs"), folder.path().join("own"), folder.path().join("data"));
    std::fs::create_dir_all(&documents).unwrap();
    write(&documents, DOCUMENTS);
    let publisher = Publisher::new();
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
    let publishing = Documents::publish(&documents, own.clone(), publisher.clone(), clock.clone()).unwrap();
    let listener = listen("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
    let address = listener.address().unwrap().to_string();
    let services = Services::new().config(&publisher);
    services.health().serving().await;
    let server = tokio::spawn(serve(listener, services, std::future::pending()));
    let following = tokio::spawn(publishing.follow());

    let seen: Arc<Mutex<Vec<u64>>> = Arc::default();
    let note = |seen: &Arc<Mutex<Vec<u64>>>| {
        let seen = Arc::clone(seen);
        async move |snapshot: Arc<barid_config::Snapshot>| {
            let bad = snapshot.channels.contains_key(&Name::local("unwanted"));
            if bad {
                return Err(NotApplied::Never("not here".to_owned()));
            }
            seen.lock().push(snapshot.number);
            Ok(())
        }
    };
    let replica = Replica::quietly(Stage::Transformer, options(&address, &data)).unwrap();
    let (follower, last) = replica.configuration().unwrap();
    assert!(last.is_none());
    let followed = tokio::spawn(follower.follow(note(&seen)));
    until(&publisher, |replicas| replicas.iter().any(|replica| replica.runs == 1_000_000)).await;

    write(&documents, &DOCUMENTS.replace("'A'", "'B'"));
    until(&publisher, |replicas| replicas.iter().any(|replica| replica.runs == 1_000_001)).await;
    write(&documents, &DOCUMENTS.replace("name: a}", "name: unwanted}"));
    until(&publisher, |replicas| replicas.iter().any(|replica| replica.refused.is_some())).await;
    assert_eq!(*seen.lock(), [1_000_000, 1_000_001]);
    followed.abort();
    following.abort();
    server.abort();

    let again = Replica::quietly(Stage::Transformer, options("127.0.0.1:1", &data)).unwrap();
    let (follower, last) = again.configuration().unwrap();
    assert_eq!(last.as_ref().map(|last| last.number), Some(1_000_001));
    follower.start(last, &note(&seen)).await;
    assert_eq!(*seen.lock(), [1_000_000, 1_000_001, 1_000_001]);

    // The publisher remembers its numbers, though its clock went back.
    let behind = Arc::new(ManualClock::at(Timestamp::from_millis(5)));
    write(&documents, DOCUMENTS);
    let later = Publisher::new();
    let _publishing = Documents::publish(&documents, own.clone(), later.clone(), behind).unwrap();
    let kept = barid_rpc::config::LastGood::at(own.join("published")).load().unwrap().unwrap();
    assert_eq!(kept.number, 1_000_003);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_applied_for_now_is_tried_again_and_what_was_kept_in_vain_is_asked_for_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (documents, own, data) = (folder.path().join("docs"), folder.path().join("own"), folder.path().join("data"));
    std::fs::create_dir_all(&documents).unwrap();
    write(&documents, DOCUMENTS);
    let publisher = Publisher::new();
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
    let _publishing = Documents::publish(&documents, own, publisher.clone(), clock).unwrap();
    let listener = listen("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
    let address = listener.address().unwrap().to_string();
    let services = Services::new().config(&publisher);
    services.health().serving().await;
    let _server = tokio::spawn(serve(listener, services, std::future::pending()));

    // The log chooses its leaders: no reason to refuse a snapshot for ever.
    let tries: Arc<Mutex<u32>> = Arc::default();
    let counted = Arc::clone(&tries);
    let third = async move |_: Arc<barid_config::Snapshot>| {
        let mut tries = counted.lock();
        *tries += 1;
        if *tries < 3 { Err(NotApplied::from(barid_log::LogError::Busy("no leader".into()))) } else { Ok(()) }
    };
    let replica = Replica::quietly(Stage::Router, options(&address, &data)).unwrap();
    let (follower, last) = replica.configuration().unwrap();
    follower.start(last, &third).await;
    let followed = tokio::spawn(follower.follow(third));
    until(&publisher, |replicas| replicas.iter().any(|replica| replica.runs == 1_000_000)).await;
    assert!(publisher.replicas().iter().all(|replica| replica.refused.is_none()), "{:?}", publisher.replicas());
    assert_eq!(*tries.lock(), 3);
    followed.abort();
    until(&publisher, |replicas| replicas.is_empty()).await;

    // What is on disk is what the publisher has, and does not run here: it is offered all the same.
    let seen: Arc<Mutex<Vec<u64>>> = Arc::default();
    let noted = Arc::clone(&seen);
    let second = async move |snapshot: Arc<barid_config::Snapshot>| {
        let mut seen = noted.lock();
        seen.push(snapshot.number);
        if seen.len() < 2 { Err(NotApplied::Never("it was kept by another release".to_owned())) } else { Ok(()) }
    };
    let again = Replica::quietly(Stage::Router, options(&address, &data)).unwrap();
    let (follower, last) = again.configuration().unwrap();
    assert!(last.is_some());
    follower.start(last, &second).await;
    let _followed = tokio::spawn(follower.follow(second));
    until(&publisher, |replicas| replicas.iter().any(|replica| replica.runs == 1_000_000) && seen.lock().len() == 2)
        .await;
}

#[test]
fn a_replica_is_reached_where_it_says_or_by_its_address_or_by_the_name_of_its_machine() {
    let bound = "0.0.0.0:7411".parse().unwrap();
    let at = |advertise, bound| crate::replica::contact(advertise, bound, || Some("node-3".to_owned()));
    assert_eq!(at(None, bound), "node-3:7411");
    assert_eq!(at(None, "10.1.2.3:7411".parse().unwrap()), "10.1.2.3:7411");
    assert_eq!(at(None, "[::1]:7411".parse().unwrap()), "[::1]:7411");
    assert_eq!(at(Some("pod-1.delivery"), bound), "pod-1.delivery:7411");
    assert_eq!(at(Some("gate.example:443"), bound), "gate.example:443");
    assert_eq!(at(Some("fd00::7"), bound), "[fd00::7]:7411");
    assert_eq!(at(Some("[fd00::7]:80"), bound), "[fd00::7]:80");
    assert_eq!(crate::replica::contact(None, bound, || None), "localhost:7411");
}
