//! Snapshots reach those that run them, in order, whole, and stay.

use std::sync::Arc;
use std::time::Duration;

use barid_model::Revision;
use bytes::Bytes;
use tokio::sync::mpsc;

use super::*;
use crate::{Closures as _, Services, Target, listen, serve};

const PATIENCE: Duration = Duration::from_secs(20);

fn snapshot(number: u64, parts: &[&'static str]) -> Arc<Published> {
    let parts: Vec<Bytes> = parts.iter().map(|part| Bytes::from_static(part.as_bytes())).collect();
    let hashes: Vec<u8> = parts.iter().flat_map(|part| *Revision::of(part).as_bytes()).collect();
    Arc::new(Published { number, id: Revision::of(&hashes), parts })
}

struct Mesh {
    publisher: Publisher,
    target: Target,
}

impl Mesh {
    async fn new() -> Self {
        let publisher = Publisher::new();
        let listener = listen("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
        let target = Target::Name(listener.address().unwrap().to_string());
        let services = Services::new().config(&publisher);
        services.health().serving().await;
        tokio::spawn(serve(listener, services, std::future::pending()));
        Self { publisher, target }
    }

    fn join(&self, stage: Stage, runs: Option<Arc<Published>>) -> (Subscription, mpsc::Receiver<Offer>) {
        Subscription::begin(Subscribe {
            targets: vec![self.target.clone()],
            tls: None,
            stage,
            replica: format!("{stage:?}"),
            runs,
        })
    }

    async fn until(&self, holds: impl Fn(&[ReplicaState]) -> bool) {
        let all = async {
            while !holds(&self.publisher.replicas()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, all).await.unwrap_or_else(|_| panic!("{:?}", self.publisher.replicas()));
    }
}

async fn next(offers: &mut mpsc::Receiver<Offer>) -> Offer {
    tokio::time::timeout(PATIENCE, offers.recv()).await.expect("in time").expect("open")
}

async fn nothing(offers: &mut mpsc::Receiver<Offer>) {
    let offered = tokio::time::timeout(Duration::from_millis(300), offers.recv()).await;
    assert!(offered.is_err(), "{offered:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_gets_the_newest_snapshot_and_each_one_after_it() {
    let mesh = Mesh::new().await;
    mesh.publisher.publish(snapshot(3, &["a"])).unwrap();
    mesh.publisher.publish(snapshot(5, &["a", "b"])).unwrap();
    let (_subscription, mut offers) = mesh.join(Stage::Transformer, None);
    let offer = next(&mut offers).await;
    assert_eq!(offer.snapshot, snapshot(5, &["a", "b"]));
    offer.ack();
    mesh.publisher.publish(snapshot(6, &["b", "c"])).unwrap();
    let offer = next(&mut offers).await;
    assert_eq!(offer.snapshot, snapshot(6, &["b", "c"]), "parts it held did not travel and are there");
    offer.ack();
    mesh.until(|replicas| replicas.iter().any(|replica| replica.runs == 6)).await;
    assert_eq!(mesh.publisher.publish(snapshot(6, &["d"])), Err(Outdated { given: 6, newest: 6 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_snapshot_is_not_offered_again_and_goes_to_nobody_who_comes_after() {
    let mesh = Mesh::new().await;
    mesh.publisher.publish(snapshot(1, &["good"])).unwrap();
    let (_one, mut stage) = mesh.join(Stage::ParserValidator, None);
    next(&mut stage).await.ack();
    let (_two, mut ingress) = mesh.join(Stage::Ingress, None);
    next(&mut ingress).await.ack();
    mesh.until(|replicas| replicas.len() == 2 && replicas.iter().all(|replica| replica.runs == 1)).await;
    mesh.publisher.publish(snapshot(2, &["bad"])).unwrap();
    next(&mut stage).await.nack("a part cannot be read");
    mesh.until(|replicas| {
        replicas.iter().any(|replica| replica.refused == Some((2, "a part cannot be read".to_owned())))
    })
    .await;
    nothing(&mut stage).await;
    nothing(&mut ingress).await;
    mesh.publisher.publish(snapshot(3, &["better"])).unwrap();
    next(&mut stage).await.ack();
    assert_eq!(next(&mut ingress).await.snapshot.number, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_get_a_snapshot_when_routers_have_it_and_routers_when_the_stages_do() {
    let mesh = Mesh::new().await;
    let (_one, mut ingress) = mesh.join(Stage::Ingress, None);
    let (_two, mut router) = mesh.join(Stage::Router, None);
    let (_three, mut transformer) = mesh.join(Stage::Transformer, None);
    mesh.until(|replicas| replicas.len() == 3).await;
    mesh.publisher.publish(snapshot(1, &["a"])).unwrap();
    let offer = next(&mut transformer).await;
    nothing(&mut router).await;
    offer.ack();
    let offer = next(&mut router).await;
    nothing(&mut ingress).await;
    offer.ack();
    next(&mut ingress).await.ack();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_left_is_not_waited_for() {
    let mesh = Mesh::new().await;
    let (_one, mut ingress) = mesh.join(Stage::Ingress, None);
    let (two, transformer) = mesh.join(Stage::Transformer, None);
    mesh.until(|replicas| replicas.len() == 2).await;
    mesh.publisher.publish(snapshot(1, &["a"])).unwrap();
    drop((two, transformer));
    assert_eq!(next(&mut ingress).await.snapshot.number, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_starts_with_what_was_kept_is_offered_only_what_is_newer() {
    let mesh = Mesh::new().await;
    let folder = tempfile::tempdir().unwrap();
    let kept = LastGood::at(folder.path().join("snapshot"));
    assert_eq!(kept.load().unwrap(), None);
    kept.store(&snapshot(4, &["a", "b"])).unwrap();
    kept.store(&snapshot(5, &["a", "c"])).unwrap();
    let runs = Arc::new(kept.load().unwrap().unwrap());
    assert_eq!(runs, snapshot(5, &["a", "c"]));
    mesh.publisher.publish(snapshot(5, &["a", "c"])).unwrap();
    let (_subscription, mut offers) = mesh.join(Stage::Delivery, Some(runs));
    nothing(&mut offers).await;
    mesh.publisher.publish(snapshot(6, &["a"])).unwrap();
    assert_eq!(next(&mut offers).await.snapshot, snapshot(6, &["a"]));
}

#[test]
fn what_was_kept_and_is_damaged_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("snapshot");
    let kept = LastGood::at(&path);
    kept.store(&snapshot(4, &["all of this"])).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let Err(error @ KeptError::Damaged { .. }) = kept.load() else { panic!("it is damaged") };
    assert!(error.to_string().contains("snapshot.parts.content"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_was_never_offered_here_can_be_fetched_by_its_hash() {
    let mesh = Mesh::new().await;
    for number in 1..=3 {
        mesh.publisher.publish(snapshot(number, &["a", ["x", "y", "z"][number as usize - 1]])).unwrap();
    }
    let (subscription, mut offers) = mesh.join(Stage::ParserValidator, None);
    next(&mut offers).await.ack();
    let earlier = snapshot(1, &["a", "x"]);
    let closure = subscription.closure(earlier.id).await.unwrap().expect("kept");
    assert_eq!(Published::decode(&closure).unwrap(), *earlier);
    assert_eq!(subscription.closure(Revision::of(b"nowhere")).await, Ok(None));
}
