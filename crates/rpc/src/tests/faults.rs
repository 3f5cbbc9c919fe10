//! What only a stage elsewhere can suffer: replicas that die, freeze, are slow or not there, and messages that kill them.

use std::sync::Arc;
use std::time::Duration;

use barid_model::stage::{Call as _, StageError};
use barid_model::{ErrorClass, Revision};
use barid_validate::Verdict;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

use super::house::{House, KILLED, Replica, adt, patient, piped, remote, within};
use crate::{Options, ParseContract, Remote, Target};

fn quick() -> Options {
    Options {
        deadline: Duration::from_secs(10),
        attempt: Duration::from_millis(400),
        no_replica: Duration::from_millis(300),
        tls: None,
    }
}

async fn two_serve(caller: &Remote<ParseContract>) {
    let both = async {
        while caller.serving() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(both).await;
}

fn unavailable<O>(result: &Result<O, StageError>) -> bool {
    matches!(result, Err(error @ StageError::Unavailable(_)) if error.class() == ErrorClass::Retryable)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_the_error_of_one_message() {
    let house = House::new();
    let replica = Replica::start(house.services(), None);
    let other = Replica::start(house.services(), None);
    let caller = remote("two", vec![replica.target(), other.target()], &patient()).await;
    let inputs = ["1", "CRASH-HERE", "3"].map(|id| house.input(&adt(id)));
    let results = within(caller.parse.call(inputs.to_vec())).await;
    assert!(results[0].is_ok() && results[2].is_ok());
    assert!(matches!(results[1], Err(StageError::Crashed)));
    let inputs = ["1", "CRASH-HERE"].map(|id| house.accepted_as(id));
    let results = within(caller.apply.call(inputs.to_vec())).await;
    assert!(results[0].is_ok());
    assert!(matches!(results[1], Err(StageError::Crashed)));
}

impl House {
    /// An input of the apply stage whose bytes have this control id, judged as if they were harmless.
    fn accepted_as(&self, id: &str) -> barid_transform::ApplyInput {
        let input = self.accepted(&adt("harmless"));
        barid_transform::ApplyInput { raw: self.input(&adt(id)).raw, ..input }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_revision_is_said_to_be_unknown_and_had_as_soon_as_it_is_there() {
    let house = House::new();
    let caller = piped(&house, &patient()).await;
    let input = house.accepted(&adt("1"));
    let revision = input.envelope.revision;
    let closure = house.closures.0.lock().remove(&revision).unwrap();
    let results = within(caller.apply.call(vec![input.clone()])).await;
    assert_eq!(results[0], Err(StageError::UnknownRevision(revision)));
    let (shelf, later) = (Arc::clone(&house.closures), closure.clone());
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        shelf.0.lock().insert(revision, later);
    });
    let results = within(caller.apply.call(vec![input.clone(), input])).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_a_replica_does_not_hold_fails_its_messages_alone() {
    let house = House::new();
    let caller = piped(&house, &patient()).await;
    let mut other = house.input(&adt("2"));
    let unknown = Revision::of(b"another");
    other.table = Arc::new(barid_validate::ParseTable::new(Vec::new(), Vec::new(), Vec::new()).identified(unknown));
    let results = within(caller.parse.call(vec![house.input(&adt("1")), other])).await;
    assert!(matches!(&results[0], Ok(Verdict::Accept(_))));
    assert!(matches!(&results[1], Err(StageError::UnknownRevision(revision)) if *revision == unknown));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_cannot_be_used_is_a_refusal_for_our_reasons() {
    let house = House::new();
    let caller = piped(&house, &patient()).await;
    let input = house.accepted(&adt("1"));
    house.closures.0.lock().insert(input.envelope.revision, bytes::Bytes::from_static(b"{}"));
    let results = within(caller.apply.call(vec![input])).await;
    assert!(unavailable(&results[0]), "{results:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_that_takes_too_long_ends_the_call_at_its_deadline_and_no_other() {
    let house = House::new();
    let replica = Replica::start(house.services(), None);
    let options = Options { deadline: Duration::from_millis(500), ..quick() };
    let caller = Remote::<ParseContract>::new(vec![replica.target()], &options);
    within(caller.ready()).await;
    let slow = caller.clone();
    let slow_input = house.input(&adt("SLEEP-HERE"));
    let slow = tokio::spawn(async move {
        let began = Instant::now();
        (slow.call(vec![slow_input]).await.remove(0), began.elapsed())
    });
    // What is asked for at the same moment goes out in one call.
    let is_out = async {
        while caller.figures().calls == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    within(is_out).await;
    let beside = within(caller.call(vec![house.input(&adt("1"))])).await.remove(0);
    assert!(beside.is_ok(), "{beside:?}");
    let (result, took) = within(slow).await.unwrap();
    assert!(unavailable(&result), "{result:?}");
    assert!(took < Duration::from_millis(1_200), "{took:?}");
}

// On one thread all have asked before the first call goes out.
#[tokio::test]
async fn what_one_call_does_not_carry_goes_out_beside_it() {
    let house = House::new();
    let replica = Replica::start(house.services(), None);
    let caller = Remote::<ParseContract>::new(vec![replica.target()], &patient());
    within(caller.ready()).await;
    let slow = std::iter::once("SLEEP-HERE");
    for id in slow.chain(std::iter::repeat_n("1", crate::limits::BATCH_ITEMS_MAX)) {
        let (caller, input) = (caller.clone(), house.input(&adt(id)));
        tokio::spawn(async move { caller.call(vec![input]).await });
    }
    let both_are_out = async {
        while caller.figures().calls < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_millis(1_000), both_are_out).await.expect("before the slow one is back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_killed_under_a_call_is_replaced_by_another_within_the_same_call() {
    let house = House::new();
    let (mut one, mut two) = (Replica::start(house.services(), None), Replica::start(house.services(), None));
    let options = Options { attempt: Duration::from_secs(5), ..quick() };
    let caller = Remote::<ParseContract>::new(vec![one.target(), two.target()], &options);
    two_serve(&caller).await;
    // Each takes 50 ms at the least, so that a kill meets some of them.
    let calls: Vec<_> = (0..4)
        .map(|i| {
            let (caller, input) = (caller.clone(), house.input(&adt(&format!("PAUSE-HERE{i}"))));
            tokio::spawn(async move {
                let mut good = 0;
                for _ in 0..20 {
                    good += usize::from(caller.call(vec![input.clone()]).await.remove(0).is_ok());
                }
                good
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(230)).await;
    one.kill();
    tokio::time::sleep(Duration::from_millis(400)).await;
    let again = Replica::at(one.address, house.services(), None);
    two_serve(&caller).await;
    two.kill();
    for call in calls {
        assert_eq!(within(call).await.unwrap(), 20, "every call has its verdict");
    }
    drop(again);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_all_replicas_down_a_call_ends_soon_and_the_next_one_works_when_one_is_back() {
    let house = House::new();
    let mut replica = Replica::start(house.services(), None);
    let caller = Remote::<ParseContract>::new(vec![replica.target()], &quick());
    within(caller.ready()).await;
    replica.kill();
    let began = Instant::now();
    let results = within(caller.call(vec![house.input(&adt("1")), house.input(&adt("2"))])).await;
    assert!(results.len() == 2 && results.iter().all(unavailable), "{results:?}");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let _again = Replica::at(replica.address, house.services(), None);
    within(caller.ready()).await;
    let result = within(caller.call(vec![house.input(&adt("1"))])).await.remove(0);
    assert!(result.is_ok(), "{result:?}");
}

/// What a relay does with the connections it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Passes everything on.
    Pass,
    /// Nothing arrives, nothing breaks: as with a process that is stopped.
    Freeze,
}

/// A way to a replica that can be frozen, and that breaks whenever a message says so.
async fn relay(to: std::net::SocketAddr) -> (Target, watch::Sender<Told>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::Name(listener.local_addr().unwrap().to_string());
    let (tell, told) = watch::channel(Told::Pass);
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            let (mut told, mut killed) = (told.clone(), KILLED.subscribe());
            tokio::spawn(async move {
                let mut to = TcpStream::connect(to).await.unwrap();
                from.set_nodelay(true).unwrap();
                to.set_nodelay(true).unwrap();
                tokio::select! {
                    _ = copy_bidirectional(&mut from, &mut to) => return,
                    _ = killed.recv() => return,
                    frozen = told.wait_for(|told| *told == Told::Freeze) => drop(frozen),
                }
                std::future::pending::<()>().await;
            });
        }
    });
    (target, tell)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_kills_every_replica_it_meets_counts_as_crashed_and_takes_no_other_with_it() {
    let house = House::new();
    let (one, two) = (Replica::start(house.services(), None), Replica::start(house.services(), None));
    let ((first, _keep), (second, _too)) = (relay(one.address).await, relay(two.address).await);
    let options = Options { no_replica: Duration::from_secs(5), ..quick() };
    let caller = Remote::<ParseContract>::new(vec![first, second], &options);
    two_serve(&caller).await;
    let inputs = ["1", "KILL-HERE", "3"].map(|id| house.input(&adt(id)));
    let results = within(caller.call(inputs.to_vec())).await;
    assert!(results[0].is_ok() && results[2].is_ok(), "{results:?}");
    assert!(matches!(results[1], Err(StageError::Crashed)), "{:?}", results[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_replica_is_passed_over() {
    let house = House::new();
    let (one, two) = (Replica::start(house.services(), None), Replica::start(house.services(), None));
    let (relayed, frozen) = relay(one.address).await;
    let caller = Remote::<ParseContract>::new(vec![relayed, two.target()], &quick());
    two_serve(&caller).await;
    frozen.send(Told::Freeze).unwrap();
    let began = Instant::now();
    for i in 0..40 {
        let result = within(caller.call(vec![house.input(&adt(&format!("{i}")))])).await.remove(0);
        assert!(result.is_ok(), "{result:?}");
    }
    // It is asked at most once in two seconds; each time costs one try.
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_drains_gets_no_more_calls_and_answers_those_it_has() {
    let house = House::new();
    let services = house.services();
    let health = services.health();
    let (one, two) = (Replica::start(services, None), Replica::start(house.services(), None));
    let caller = Remote::<ParseContract>::new(vec![one.target(), two.target()], &quick());
    two_serve(&caller).await;
    health.not_serving().await;
    while caller.serving() > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for i in 0..20 {
        assert!(caller.call(vec![house.input(&adt(&format!("{i}")))]).await.remove(0).is_ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_larger_than_a_call_is_an_error_of_its_own() {
    let house = House::new();
    let caller = piped(&house, &patient()).await;
    let big = house.input(&vec![b'x'; crate::limits::MESSAGE_BYTES_MAX]);
    let results = within(caller.parse.call(vec![house.input(&adt("1")), big, house.input(&adt("2"))])).await;
    assert!(results[0].is_ok() && results[2].is_ok());
    assert!(unavailable(&results[1]), "{:?}", results[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_answers_what_was_begun_and_ends_though_callers_stay_connected() {
    let house = House::new();
    let listener = crate::listen("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
    let target = Target::Name(listener.address().unwrap().to_string());
    let services = house.services();
    services.health().serving().await;
    let (drain, begins) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(crate::serve(listener, services, async move { drop(begins.await) }));
    let caller = Remote::<ParseContract>::new(vec![target], &patient());
    within(caller.ready()).await;
    let (slow, input) = (caller.clone(), house.input(&adt("SLEEP-HERE")));
    let slow = tokio::spawn(async move { slow.call(vec![input]).await.remove(0).is_ok() });
    tokio::time::sleep(Duration::from_millis(200)).await;
    drain.send(()).unwrap();
    let began = Instant::now();
    within(served).await.unwrap().unwrap();
    assert!(began.elapsed() > Duration::from_millis(500), "it waits for the call");
    assert!(began.elapsed() < Duration::from_secs(8), "and not for the connection: {:?}", began.elapsed());
    assert!(within(slow).await.unwrap(), "the call is answered");
    assert_eq!(caller.serving(), 0);
}
