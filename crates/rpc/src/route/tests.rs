//! Routers asked from elsewhere.

use barid_model::Outcome;
use barid_transform::{RouteOutput, RouteResult, RouteTarget};
use parking_lot::Mutex;

use super::*;
use crate::{Services, listen, serve};

/// A router that knows one channel, and an answer once it is given one.
#[derive(Default)]
struct Fake(Mutex<Option<AnswerRecord>>);

impl Routing for Fake {
    fn dry_run(&self, request: DryRun) -> BoxFuture<'_, Result<DryRunResult, RouteError>> {
        let known = request.channel == Name::local("known");
        let sent = RouteOutput::Sent(vec![request.raw.clone(), Payload::from(bytes::Bytes::from_static(b"other"))]);
        let route = RouteResult { route: "r".into(), target: RouteTarget::Channel(Name::local("next")), output: sent };
        let result = DryRunResult {
            revision: request.revision.unwrap_or_default(),
            findings: vec![Finding::warning(102, "PID-3", "rule", "text")],
            applied: Some(Applied::Routed(vec![route])),
        };
        Box::pin(async move {
            if known { Ok(result) } else { Err(RouteError::NotFound("there is no channel unknown".to_owned())) }
        })
    }

    fn wait(&self, _: Digest, _: String, deadline: Instant) -> BoxFuture<'_, Result<Option<AnswerRecord>, RouteError>> {
        Box::pin(async move {
            while Instant::now() < deadline {
                if let Some(answer) = self.0.lock().clone() {
                    return Ok(Some(answer));
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ok(None)
        })
    }
}

async fn asked() -> (Arc<Fake>, RemoteRouting) {
    let fake = Arc::new(Fake::default());
    let listener = listen("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
    let target = Target::Name(listener.address().unwrap().to_string());
    let services = Services::new().routing(Arc::clone(&fake));
    services.health().serving().await;
    tokio::spawn(serve(listener, services, std::future::pending()));
    let remote = RemoteRouting::new(vec![target], None);
    tokio::time::timeout(Duration::from_secs(20), remote.replicas.ready()).await.unwrap();
    (fake, remote)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_gives_what_the_router_says() {
    let (fake, remote) = asked().await;
    let run = |channel: &str| DryRun {
        channel: Name::local(channel),
        listener: Name::local("mllp"),
        raw: Payload::from(bytes::Bytes::from_static(b"MSH|")),
        received: Timestamp::from_millis(5),
        revision: Some(Revision::from_bytes([5; 16])),
    };
    assert_eq!(remote.dry_run(run("known")).await, fake.dry_run(run("known")).await);
    let error = remote.dry_run(run("unknown")).await;
    assert_eq!(error, Err(RouteError::NotFound("there is no channel unknown".to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_gets_the_answer_when_it_is_there_and_none_at_its_deadline() {
    let (fake, remote) = asked().await;
    let key = Digest::of(b"key");
    let soon = Instant::now() + Duration::from_millis(300);
    assert_eq!(remote.wait(key, "default/chn".to_owned(), soon).await, Ok(None));
    let answer = AnswerRecord {
        outcome: Outcome::Rejected,
        at: Timestamp::from_millis(9),
        answer: Answer { code: "AR".to_owned(), bytes: Payload::from(bytes::Bytes::from_static(b"MSA|AR")) },
        findings: Vec::new(),
    };
    let (later, given) = (Arc::clone(&fake), answer.clone());
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        *later.0.lock() = Some(given);
    });
    let deadline = Instant::now() + Duration::from_secs(20);
    assert_eq!(remote.wait(key, "default/chn".to_owned(), deadline).await, Ok(Some(answer)));
}
