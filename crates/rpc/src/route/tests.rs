//! Routers asked from elsewhere, over each of the transports.

use std::sync::atomic::{AtomicUsize, Ordering};

use barid_model::record::Answer;
use barid_model::{
    DryEnd, DryPiece, DryRouting, Finding, Lane, Lanes, Name, Outcome, Partition, Payload, Revision, Timestamp,
};
use parking_lot::Mutex;

use super::*;
use crate::tests::tls::Authority;
use crate::transport::in_process;
use crate::{Services, listen, serve};

/// A router that knows one channel, and an answer once it is given one.
#[derive(Default)]
struct Fake {
    answer: Mutex<Option<AnswerRecord>>,
    asked: Mutex<Vec<Awaited>>,
    away: AtomicUsize,
}

fn payload(bytes: &'static [u8]) -> Payload {
    Payload::from(bytes::Bytes::from_static(bytes))
}

fn tried(run: &DryRun) -> DryRunResult {
    let piece = |route: &str, end, destination: Option<&str>| DryPiece {
        route: route.into(),
        part: 3,
        destination: destination.map(Name::local),
        end,
        subject: destination.map(|name| format!("out.default.{name}.07")),
        findings: vec![Finding::error(102, "PID-3", "rule", "text")],
        note: destination.map(|_| "it is paused".to_owned()),
        payload: run.raw.clone(),
    };
    DryRunResult {
        revision: run.revision.unwrap_or_default(),
        listener: run.listener.clone(),
        notes: vec!["a note".to_owned()],
        ack: Some("AA".to_owned()),
        facility: run.facility.as_ref().map(ToString::to_string).unwrap_or_default(),
        findings: vec![Finding::warning(102, "PID-3", "rule", "text")],
        routing: Some(DryRouting {
            partition: Partition(7),
            lanes: Lanes::of(vec![Lane::from_raw(5)]),
            filtered: false,
            set_aside: Some(vec![Finding::error(207, "", "stage", "text")]),
            pieces: vec![
                piece("a", DryEnd::Written, Some("registry")),
                piece("b", DryEnd::Filtered, None),
                piece("c", DryEnd::SetAside, Some("registry")),
            ],
        }),
    }
}

impl Routing for Fake {
    fn dry_run(&self, request: DryRun) -> BoxFuture<'_, Result<DryRunResult, RouteError>> {
        Box::pin(async move {
            if self.away.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
                return Err(RouteError::Unavailable("not now".to_owned()));
            }
            if request.channel == Name::local("known") {
                Ok(tried(&request))
            } else {
                Err(RouteError::NotFound("there is no channel unknown".to_owned()))
            }
        })
    }

    fn wait(&self, awaited: Awaited, deadline: Instant) -> BoxFuture<'_, Result<Option<AnswerRecord>, RouteError>> {
        self.asked.lock().push(awaited);
        Box::pin(async move {
            while Instant::now() < deadline {
                if let Some(answer) = self.answer.lock().clone() {
                    return Ok(Some(answer));
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ok(None)
        })
    }
}

/// The same router by each way there is.
async fn every_way(fake: &Arc<Fake>) -> Vec<(&'static str, RemoteRouting)> {
    let authority = Authority::new("mesh");
    let tls = authority.tls("localhost");
    let mut ways = Vec::new();
    let services = async || {
        let services = Services::new().routing(Arc::clone(fake));
        services.health().serving().await;
        services
    };
    let (dial, listener) = in_process();
    tokio::spawn(serve(listener, services().await, std::future::pending()));
    ways.push(("gRPC in process", RemoteRouting::in_process(vec![dial])));
    for (way, tls) in [("gRPC over TCP", None), ("gRPC over mTLS", Some(tls))] {
        let listener = listen("127.0.0.1:0".parse().unwrap(), tls.clone()).await.unwrap();
        let target = Target::Name(format!("localhost:{}", listener.address().unwrap().port()));
        tokio::spawn(serve(listener, services().await, std::future::pending()));
        ways.push((way, RemoteRouting::new(vec![target], tls)));
    }
    for (_, remote) in &ways {
        tokio::time::timeout(Duration::from_secs(20), remote.ready()).await.unwrap();
    }
    ways
}

fn run(channel: &str) -> DryRun {
    DryRun {
        channel: Name::local(channel),
        listener: Some(Name::local("mllp")),
        facility: Some(Name::local("chn")),
        raw: payload(b"MSH|"),
        received: Timestamp::from_millis(5),
        revision: Some(Revision::from_bytes([5; 16])),
    }
}

fn awaited() -> Awaited {
    Awaited { key: Digest::of(b"key"), facility: "default/chn".to_owned(), since: Timestamp::from_millis(3) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_gives_what_the_router_says_whichever_way_it_is_asked() {
    let fake = Arc::new(Fake::default());
    let bare = DryRun { listener: None, facility: None, revision: None, ..run("known") };
    for (way, remote) in every_way(&fake).await {
        for request in [run("known"), bare.clone()] {
            assert_eq!(remote.dry_run(request.clone()).await, Ok(tried(&request)), "{way}");
        }
        let error = remote.dry_run(run("unknown")).await;
        assert_eq!(error, Err(RouteError::NotFound("there is no channel unknown".to_owned())), "{way}");
        // Nothing is changed by it, so it is asked again.
        fake.away.store(2, Ordering::SeqCst);
        assert!(remote.dry_run(run("known")).await.is_ok(), "{way}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_gets_the_answer_when_it_is_there_and_none_at_its_deadline() {
    let fake = Arc::new(Fake::default());
    for (way, remote) in every_way(&fake).await {
        *fake.answer.lock() = None;
        let soon = Instant::now() + Duration::from_millis(300);
        assert_eq!(remote.wait(awaited(), soon).await, Ok(None), "{way}");
        assert_eq!(fake.asked.lock().last(), Some(&awaited()), "{way}");
        let answer = AnswerRecord {
            outcome: Outcome::Rejected,
            at: Timestamp::from_millis(9),
            answer: Answer { code: "AR".to_owned(), bytes: payload(b"MSA|AR") },
            findings: vec![Finding::error(102, "PID-3", "rule", "text")],
        };
        let (later, given) = (Arc::clone(&fake), answer.clone());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            *later.answer.lock() = Some(given);
        });
        let deadline = Instant::now() + Duration::from_secs(20);
        assert_eq!(remote.wait(awaited(), deadline).await, Ok(Some(answer)), "{way}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_told_by_another_router_when_the_one_that_was_asked_is_gone() {
    let (first, second) = (Arc::new(Fake::default()), Arc::new(Fake::default()));
    let mut targets = Vec::new();
    let mut serving = Vec::new();
    for fake in [&first, &second] {
        // Threads of its own, so that it can be killed.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (fake, (found, address)) = (Arc::clone(fake), tokio::sync::oneshot::channel());
        runtime.spawn(async move {
            let listener = listen("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
            found.send(listener.address().unwrap().to_string()).unwrap();
            let services = Services::new().routing(fake);
            services.health().serving().await;
            serve(listener, services, std::future::pending()).await
        });
        targets.push(Target::Name(address.await.unwrap()));
        serving.push(runtime);
    }
    let remote = Arc::new(RemoteRouting::new(targets, None));
    tokio::time::timeout(Duration::from_secs(20), async {
        while remote.replicas.serving() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    let asking = Arc::clone(&remote);
    let waiting = tokio::spawn(async move { asking.wait(awaited(), Instant::now() + Duration::from_secs(30)).await });
    let asked = |fake: &Fake| !fake.asked.lock().is_empty();
    while !asked(&first) && !asked(&second) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let gone = usize::from(asked(&second));
    serving.remove(gone).shutdown_background();
    let other = if gone == 0 { &second } else { &first };
    let answer = AnswerRecord {
        outcome: Outcome::Delivered,
        at: Timestamp::from_millis(9),
        answer: Answer::default(),
        findings: Vec::new(),
    };
    *other.answer.lock() = Some(answer.clone());
    let told = tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap();
    assert_eq!(told, Ok(Some(answer)));
    serving.remove(0).shutdown_background();
}
