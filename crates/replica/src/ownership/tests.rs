use barid_log::memory::{Fault, MemoryLog};
use parking_lot::Mutex;

use super::*;

/// Who runs what, as it is seen from inside.
#[derive(Default)]
struct Seen(Mutex<HashMap<String, Vec<String>>>);

struct Notes {
    name: &'static str,
    seen: Arc<Seen>,
}

impl Owns for Notes {
    fn run(&self, item: String, _: Tenure, mut stop: watch::Receiver<bool>) -> BoxFuture<'static, ()> {
        let (name, seen) = (self.name, Arc::clone(&self.seen));
        Box::pin(async move {
            {
                let mut seen = seen.0.lock();
                let owners = seen.entry(item.clone()).or_default();
                owners.push(name.to_owned());
                assert_eq!(owners.len(), 1, "{item} has two owners: {owners:?}");
            }
            drop(stop.wait_for(|stop| *stop).await);
            seen.0.lock().entry(item).or_default().retain(|owner| owner != name);
        })
    }
}

impl Seen {
    fn of(&self, name: &str) -> usize {
        self.0.lock().values().filter(|owners| owners.iter().any(|owner| owner == name)).count()
    }

    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !holds(self) {
            assert!(Instant::now() < deadline, "{what}: {:?}", self.0.lock());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn items_are_shared_by_those_that_are_there_and_never_have_two_owners() {
    const ITEMS: usize = 40;
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new(1));
    let (seen, terms) = (Arc::new(Seen::default()), Terms::default());
    let (_items, items) = watch::channel((0..ITEMS).map(|n| format!("{n:02}")).collect::<BTreeSet<_>>());
    let begin = |name: &'static str| {
        let (stop, stopped) = watch::channel(false);
        let ownership = Ownership { log: Arc::clone(&log), role: "test", replica: name.to_owned(), terms };
        let owns = Arc::new(Notes { name, seen: Arc::clone(&seen) });
        (stop, tokio::spawn(ownership.run(items.clone(), owns, stopped)))
    };
    let (stop_one, one) = begin("one");
    seen.until("one has all", |seen| seen.of("one") == ITEMS).await;
    let (stop_two, two) = begin("two");
    seen.until("two has its share", |seen| seen.of("two") > ITEMS / 5 && seen.of("one") + seen.of("two") == ITEMS)
        .await;
    stop_one.send_replace(true);
    one.await.unwrap().unwrap();
    seen.until("two has all", |seen| seen.of("two") == ITEMS).await;
    stop_two.send_replace(true);
    two.await.unwrap().unwrap();
    assert_eq!(seen.of("two"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_silent_process_owned_is_taken_over_when_its_lease_and_the_guard_are_over() {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new(1));
    let terms = Terms {
        lease: Duration::from_millis(400),
        guard: Duration::from_millis(300),
        renew: Duration::from_millis(100),
    };
    let silent = Member::join(Arc::clone(&log), "test", "silent", terms).await.unwrap();
    assert!(matches!(silent.claim("a").await.unwrap(), Claiming::Ours(_)));
    // Dropped without leaving: as killed.
    drop(silent);
    let seen = Arc::new(Seen::default());
    let (_items, items) = watch::channel(BTreeSet::from(["a".to_owned()]));
    let (_stop, stopped) = watch::channel(false);
    let ownership = Ownership { log: Arc::clone(&log), role: "test", replica: "next".to_owned(), terms };
    let begun = Instant::now();
    tokio::spawn(ownership.run(items, Arc::new(Notes { name: "next", seen: Arc::clone(&seen) }), stopped));
    seen.until("taken over", |seen| seen.of("next") == 1).await;
    assert!(begun.elapsed() >= terms.lease + terms.guard, "after {:?}", begun.elapsed());
}

/// Keeps what it was given to own by, after its run has ended.
#[derive(Default)]
struct Keeps(Mutex<Option<Tenure>>);

struct Keeping(Arc<Keeps>);

impl Owns for Keeping {
    fn run(&self, _: String, tenure: Tenure, mut stop: watch::Receiver<bool>) -> BoxFuture<'static, ()> {
        *self.0.0.lock() = Some(tenure);
        Box::pin(async move { drop(stop.wait_for(|stop| *stop).await) })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_process_owned_is_free_when_it_ends_in_good_order_though_somebody_still_has_its_tenure() {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new(1));
    // What is not given back stays taken for longer than this test waits.
    let lease = Duration::from_secs(600);
    let terms = Terms { lease, guard: Duration::from_secs(60), renew: Duration::from_secs(60) };
    let keeps = Arc::new(Keeps::default());
    let (_items, items) = watch::channel(BTreeSet::from(["a".to_owned()]));
    let (stop, stopped) = watch::channel(false);
    let ownership = Ownership { log: Arc::clone(&log), role: "test", replica: "first".to_owned(), terms };
    let running = tokio::spawn(ownership.run(items, Arc::new(Keeping(Arc::clone(&keeps))), stopped));
    let deadline = Instant::now() + Duration::from_secs(30);
    let tenure = loop {
        if let Some(tenure) = keeps.0.lock().clone() {
            break tenure;
        }
        assert!(Instant::now() < deadline, "never owned");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert!(tenure.holds());

    stop.send_replace(true);
    running.await.unwrap().unwrap();
    assert!(!tenure.holds(), "nothing may be done by it any more");
    assert!(!tokio::time::timeout(Duration::from_secs(30), tenure.regained()).await.expect("it is over for good"));
    let next = Member::join(Arc::clone(&log), "test", "next", terms).await.unwrap();
    let claimed = tokio::time::timeout(Duration::from_secs(30), next.claim("a")).await.expect("an answer").unwrap();
    assert!(matches!(claimed, Claiming::Ours(claim) if claim.epoch > tenure.epoch));
}

/// One that never renews its lease within a test.
async fn member(log: &MemoryLog, name: &str) -> Arc<Member> {
    let hour = Duration::from_secs(3_600);
    let terms = Terms { lease: 10 * hour, guard: hour, renew: hour };
    Arc::new(Member::join(Arc::new(log.clone()), "test", name, terms).await.unwrap())
}

async fn owning(log: &MemoryLog) -> Membership {
    Membership {
        role: "test",
        member: member(log, "first").await,
        items: watch::channel(BTreeSet::new()).1,
        owns: Arc::new(Notes { name: "first", seen: Arc::default() }),
        running: HashMap::new(),
        not_before: HashMap::new(),
        unused: HashMap::new(),
    }
}

/// Another gets the item, while this one looks after what it does not want.
async fn comes_free(mut membership: Membership, log: &MemoryLog) {
    let next = member(log, "next").await;
    let deadline = Instant::now() + Duration::from_secs(10);
    while !matches!(next.claim("a").await.unwrap(), Claiming::Ours(_)) {
        assert!(Instant::now() < deadline, "nobody else ever gets it");
        membership.give_back(&BTreeSet::new()).await;
        membership.give_back_unused(&BTreeSet::new()).await;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_given_back_is_given_back_when_the_log_answers_again() {
    for fault in [Fault::UnknownLost, Fault::UnknownStored, Fault::NoSpace] {
        let log = MemoryLog::new(1);
        let mut membership = owning(&log).await;
        membership.claim(&BTreeSet::from(["a".to_owned()])).await;
        assert_eq!(membership.running.len(), 1);
        log.fail_next(fault);
        while !membership.running.is_empty() {
            membership.give_back(&BTreeSet::new()).await;
            tokio::time::sleep(LOOK_EVERY).await;
        }
        comes_free(membership, &log).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_claimed_without_hearing_of_it_and_is_not_wanted_any_more_comes_free() {
    let log = MemoryLog::new(1);
    let mut membership = owning(&log).await;
    log.fail_next(Fault::UnknownStored);
    membership.claim(&BTreeSet::from(["a".to_owned()])).await;
    assert!(membership.running.is_empty());
    comes_free(membership, &log).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_claimed_without_hearing_of_it_is_owned_where_it_is_still_wanted() {
    let log = MemoryLog::new(1);
    let mut membership = owning(&log).await;
    log.fail_next(Fault::UnknownStored);
    let wanted = BTreeSet::from(["a".to_owned()]);
    membership.claim(&wanted).await;
    membership.give_back_unused(&wanted).await;
    membership.claim(&wanted).await;
    assert_eq!((membership.running.len(), membership.unused.len()), (1, 0));
}
