//! Owners that move while they are told something, and owners that do not answer.

use std::sync::atomic::{AtomicUsize, Ordering};

use barid_log::memory::MemoryLog;
use barid_log::{Key, Revision};
use barid_replica::words;
use barid_rpc::control::{CommandRefused, Commanded};
use barid_rpc::{Services, listen, serve};

use super::*;

/// Says the same each time, and counts how often it was told.
struct Owner {
    says: Result<(), RefusalKind>,
    told: AtomicUsize,
}

impl Commanded for Owner {
    fn run(&self, _: Command, _: Option<control::By>, _: Bytes) -> BoxFuture<'_, Result<Bytes, CommandRefused>> {
        self.told.fetch_add(1, Ordering::SeqCst);
        let text = "as the test wants it".to_owned();
        let answer = self.says.map_err(|kind| CommandRefused { kind, text });
        Box::pin(std::future::ready(answer.and_then(|()| words::answer(Ok(Acted { done: 1 })))))
    }
}

async fn owner_that(says: Result<(), RefusalKind>) -> (Arc<Owner>, String) {
    let owner = Arc::new(Owner { says, told: AtomicUsize::new(0) });
    let listener = listen("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
    let address = listener.address().unwrap().to_string();
    tokio::spawn(serve(listener, Services::new().control(Arc::clone(&owner)), std::future::pending()));
    (owner, address)
}

/// The destination belongs to this member from now on, who is reached there.
async fn belongs(log: &Arc<dyn Log>, member: &str, address: &str) {
    let put = async |key: String, value: String| {
        let key = Key::new(key).unwrap();
        let known = log.get(&key).await.unwrap().map_or(Revision::NONE, |(revision, _)| revision);
        log.put(&key, known, value.into()).await.unwrap();
    };
    put(format!("lease.delivery.{member}"), address.to_owned()).await;
    put("claim.delivery.default.registry".to_owned(), format!(r#"{{"member":"{member}","epoch":1}}"#)).await;
}

fn elsewhere(log: &Arc<dyn Log>) -> Elsewhere {
    Elsewhere::new(Arc::clone(log), Arc::new(Channels::new(Arc::clone(log))), Direct::new(None))
}

async fn discard(elsewhere: &Elsewhere) -> Result<u64, Why> {
    let by = By { actor: "amina".to_owned(), reason: "a test".to_owned() };
    elsewhere.act(&by, &Name::local("registry"), Act::Discard(1)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_owner_of_before_refuses_is_done_by_the_next_one_once() {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new(1));
    let (before, there) = owner_that(Err(RefusalKind::NotOwner)).await;
    let (next, here) = owner_that(Ok(())).await;
    belongs(&log, "delivery-0-aa", &there).await;
    let elsewhere = elsewhere(&log);
    let moving = async {
        while before.told.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        belongs(&log, "delivery-1-bb", &here).await;
    };
    let (done, ()) = tokio::join!(discard(&elsewhere), moving);
    assert_eq!(done, Ok(1));
    assert_eq!(next.told.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_died_was_told_nothing_and_its_successor_is_waited_for() {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new(1));
    let (next, here) = owner_that(Ok(())).await;
    belongs(&log, "delivery-0-aa", "127.0.0.1:1").await;
    let elsewhere = elsewhere(&log);
    let moving = async {
        tokio::time::sleep(LOOK_EVERY * 2).await;
        belongs(&log, "delivery-1-bb", &here).await;
    };
    let (done, ()) = tokio::join!(discard(&elsewhere), moving);
    assert_eq!(done, Ok(1));
    assert_eq!(next.told.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_been_done_is_never_told_again_and_a_refusal_is_passed_on_as_it_is() {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new(1));
    for (says, expected) in [(RefusalKind::Failed, "it may have been done"), (RefusalKind::Conflict, "as the test")] {
        let (owner, address) = owner_that(Err(says)).await;
        belongs(&log, "delivery-0-aa", &address).await;
        let why = discard(&elsewhere(&log)).await.unwrap_err();
        assert!(why.contains(expected), "{why}");
        assert_eq!(why.contains("may have been done"), says == RefusalKind::Failed, "{why}");
        assert_eq!(owner.told.load(Ordering::SeqCst), 1, "{says:?}");
    }
}
