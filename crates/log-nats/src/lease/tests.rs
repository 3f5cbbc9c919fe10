//! Leases end before anybody believes them over, and epochs only grow. Short terms, a log in memory.

use barid_log::SpaceLevel;
use barid_log::memory::MemoryLog;

use super::*;

const TERMS: Terms =
    Terms { lease: Duration::from_millis(400), guard: Duration::from_millis(300), renew: Duration::from_millis(100) };

async fn member(log: &MemoryLog, name: &str) -> Member {
    Member::join(Arc::new(log.clone()), "router", name, TERMS).await.unwrap()
}

async fn claimed(member: &Member, item: &str) -> Claim {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match member.claim(item).await.unwrap() {
            Claiming::Ours(claim) => return claim,
            Claiming::Held { .. } => assert!(Instant::now() < deadline),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The lease of this member is not renewed any more, as if its process were frozen.
fn freeze(member: &Member) {
    member.tasks.iter().for_each(|task| task.abort());
}

#[tokio::test]
async fn what_is_claimed_by_one_is_held_against_the_other() {
    let log = MemoryLog::default();
    let (a, b) = (member(&log, "a").await, member(&log, "b").await);
    let claim = claimed(&a, "partition.03").await;
    assert_eq!(claim.epoch, 1);
    tokio::time::sleep(TERMS.lease + TERMS.guard * 2).await;
    assert_eq!(b.claim("partition.03").await.unwrap(), Claiming::Held { by: a.name().to_owned() });
    assert!(a.holds() && b.holds(), "a lease that is renewed goes on");
}

#[tokio::test]
async fn a_silent_owner_is_over_for_itself_before_it_is_for_others() {
    let log = MemoryLog::default();
    let (a, b) = (member(&log, "a").await, member(&log, "b").await);
    let first = claimed(&a, "p").await;
    freeze(&a);
    let until = a.until();
    let second = claimed(&b, "p").await;
    assert!(!a.holds());
    assert!(Instant::now() >= until + TERMS.guard - TERMS.renew, "taken {:?} after its end", until.elapsed());
    assert_eq!(second.epoch, first.epoch + 1);
    assert!(matches!(a.claim("q").await, Err(LogError::Busy(_))), "without a lease nothing is claimed");
}

#[tokio::test]
async fn whoever_was_taken_for_dead_never_renews() {
    let log = MemoryLog::default();
    let (a, b) = (member(&log, "a").await, member(&log, "b").await);
    claimed(&a, "p").await;
    freeze(&a);
    claimed(&b, "p").await;
    let (key, revision) = (a.shared.key.clone(), a.shared.state.lock().revision);
    let late = log.put(&key, revision, Bytes::from_static(b"1")).await;
    assert!(matches!(late, Err(LogError::WrongRevision { actual: Revision::NONE, .. })));
}

#[tokio::test]
async fn a_lease_that_was_removed_is_noticed_at_the_next_renewal() {
    let log = MemoryLog::default();
    let a = member(&log, "a").await;
    let (revision, _) = log.get(&a.shared.key).await.unwrap().unwrap();
    log.delete(&a.shared.key, revision).await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), a.lost()).await.unwrap();
    assert!(!a.holds());
}

#[tokio::test]
async fn who_leaves_is_replaced_at_once_and_who_releases_too() {
    let log = MemoryLog::default();
    let (a, b) = (member(&log, "a").await, member(&log, "b").await);
    let (p, q) = (claimed(&a, "p").await, claimed(&a, "q").await);
    a.release(p).await.unwrap();
    assert!(matches!(b.claim("p").await.unwrap(), Claiming::Ours(Claim { epoch: 2, .. })));
    a.leave().await.unwrap();
    assert!(matches!(b.claim("q").await.unwrap(), Claiming::Ours(Claim { epoch, .. }) if epoch == q.epoch + 1));
}

#[tokio::test]
async fn of_many_who_claim_one_wins() {
    let log = MemoryLog::default();
    let mut members = Vec::new();
    for n in 0..8 {
        members.push(Arc::new(member(&log, &format!("m{n}")).await));
    }
    let tasks: Vec<_> =
        members.iter().cloned().map(|m| tokio::spawn(async move { m.claim("p").await.unwrap() })).collect();
    let mut winners = 0;
    for task in tasks {
        winners += u32::from(matches!(task.await.unwrap(), Claiming::Ours(_)));
    }
    assert_eq!(winners, 1);
}

#[tokio::test]
async fn members_come_and_go() {
    let log = MemoryLog::default();
    let a = member(&log, "a").await;
    let mut members = a.members();
    let within = Duration::from_secs(8);
    let b = member(&log, "b").await;
    tokio::time::timeout(within, members.wait_for(|all| all.len() == 2)).await.unwrap().unwrap();
    b.leave().await.unwrap();
    tokio::time::timeout(within, members.wait_for(|all| all.len() == 1)).await.unwrap().unwrap();
}

#[test]
fn a_new_member_takes_its_share_and_nothing_else_moves() {
    let members = |count: usize| (0..count).map(|n| format!("m{n}")).collect::<Vec<_>>();
    let (three, four) = (members(3), members(4));
    let items: Vec<String> = (0..640).map(|n| format!("partition.{n}")).collect();
    let moved: Vec<_> = items.iter().filter(|item| preferred(item, &three) != preferred(item, &four)).collect();
    assert!(moved.iter().all(|item| preferred(item, &four) == Some("m3")));
    assert!((100..220).contains(&moved.len()), "{} of 640 moved", moved.len());
    assert_eq!(preferred("x", &[]), None);
}

#[tokio::test]
async fn who_owns_an_item_and_where_it_takes_calls_can_be_looked_up() {
    let memory = MemoryLog::default();
    let log: Arc<dyn Log> = Arc::new(memory.clone());
    assert_eq!(owner(&log, "router", "p").await.unwrap(), None, "nobody ever claimed it");
    let a = Member::join_at(Arc::clone(&log), "router", "a-1", TERMS, "10.0.0.1:7411").await.unwrap();
    let b = member(&memory, "b").await;
    let claim = claimed(&a, "p").await;
    let found = owner(&log, "router", "p").await.unwrap().unwrap();
    assert_eq!((found.replica(), found.address.as_deref()), ("a-1", Some("10.0.0.1:7411")));
    tokio::time::sleep(TERMS.renew * 3).await;
    assert_eq!(owner(&log, "router", "p").await.unwrap(), Some(found), "a renewal says where as well");
    let there = present(&log, "router").await.unwrap();
    let there: Vec<_> = there.iter().map(|one| (one.replica(), one.address.as_deref())).collect();
    assert_eq!(there, [("a-1", Some("10.0.0.1:7411")), ("b", None)], "one that takes no calls says nowhere");
    a.release(claim).await.unwrap();
    assert_eq!(owner(&log, "router", "p").await.unwrap(), None, "it was given back");
    claimed(&a, "p").await;
    a.leave().await.unwrap();
    assert_eq!(owner(&log, "router", "p").await.unwrap(), None, "who left owns nothing");
    assert_eq!(present(&log, "router").await.unwrap().len(), 1);
    drop(b);
}

#[tokio::test]
async fn claims_on_what_is_gone_are_forgotten_but_not_while_their_owner_lives() {
    let log = MemoryLog::default();
    let (a, b) = (member(&log, "a").await, member(&log, "b").await);
    for item in ["kept", "old"] {
        claimed(&a, item).await;
    }
    let back = claimed(&b, "back").await;
    b.release(back).await.unwrap();
    let shared: Arc<dyn Log> = Arc::new(log.clone());
    let forget = async || forget_claims(&shared, "router", |item| item != "kept").await.unwrap();
    assert_eq!(forget().await, 1, "what was given back");
    a.leave().await.unwrap();
    assert_eq!(forget().await, 1);
    let left = shared.keys("claim.").await.unwrap();
    assert_eq!(left, [Key::new("claim.router.kept").unwrap()]);
}

/// Nothing can be written, as while no server leads.
async fn away(log: &MemoryLog, lasts: Duration) {
    log.set_space(SpaceLevel::Exhausted);
    tokio::time::sleep(lasts).await;
    log.set_space(SpaceLevel::Free);
}

#[tokio::test]
async fn while_the_log_is_away_for_everybody_a_lease_runs_out_and_holds_again() {
    let log = MemoryLog::default();
    let (a, b) = (member(&log, "a").await, member(&log, "b").await);
    let claim = claimed(&a, "p").await;
    log.set_space(SpaceLevel::Exhausted);
    tokio::time::timeout(Duration::from_secs(5), a.run_out()).await.unwrap();
    assert!(!a.holds() && !a.is_lost(), "nothing may be done, and nothing is over");
    assert!(matches!(a.claim("q").await, Err(LogError::Busy(_))), "nothing more is claimed meanwhile");
    assert!(tokio::time::timeout(TERMS.lease, a.regained()).await.is_err());
    // Far longer than others wait before they take what is silent.
    away(&log, TERMS.lease + TERMS.guard * 3).await;
    assert!(tokio::time::timeout(Duration::from_secs(5), a.regained()).await.unwrap());
    let until = Instant::now() + (TERMS.lease + TERMS.guard) * 2;
    while Instant::now() < until {
        assert_eq!(b.claim("p").await.unwrap(), Claiming::Held { by: a.name().to_owned() });
        assert!(a.holds());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(claimed(&a, "p").await.epoch, claim.epoch, "it is what it was");
    assert_eq!(b.members().borrow().len(), 2);
}

#[tokio::test]
async fn who_died_while_the_log_was_away_is_taken_over_once_the_others_had_time_to_speak() {
    let log = MemoryLog::default();
    let (a, b) = (member(&log, "a").await, member(&log, "b").await);
    let first = claimed(&a, "p").await;
    freeze(&a);
    away(&log, (TERMS.lease + TERMS.guard) * 2).await;
    assert!(tokio::time::timeout(Duration::from_secs(5), b.regained()).await.unwrap());
    let begun = Instant::now();
    assert_eq!(claimed(&b, "p").await.epoch, first.epoch + 1);
    let after = begun.elapsed();
    assert!(after >= TERMS.renew * 2, "before it could have spoken: {after:?}");
    assert!(after < TERMS.lease + TERMS.guard, "the time in which it was silent counts: {after:?}");
}

#[tokio::test]
async fn a_lease_that_was_removed_while_it_had_run_out_never_holds_again() {
    let log = MemoryLog::default();
    let a = member(&log, "a").await;
    log.set_space(SpaceLevel::Exhausted);
    tokio::time::timeout(Duration::from_secs(5), a.run_out()).await.unwrap();
    let revision = a.shared.state.lock().revision;
    log.set_space(SpaceLevel::Free);
    // Before it has renewed: whoever is first wins, and then it holds again, which is tried anew.
    if log.delete(&a.shared.key, revision).await.is_err() {
        let (revision, _) = log.get(&a.shared.key).await.unwrap().unwrap();
        log.delete(&a.shared.key, revision).await.unwrap();
    }
    tokio::time::timeout(Duration::from_secs(5), a.lost()).await.unwrap();
    assert!(!a.regained().await && !a.holds() && a.is_lost());
}

#[tokio::test]
async fn a_machine_that_slept_for_longer_than_the_lease_waits_for_a_renewal() {
    let log = MemoryLog::default();
    let a = member(&log, "a").await;
    assert!(a.holds());
    // As its clock says when it wakes, while the monotonic one stood still.
    a.shared.state.lock().renewed -= TERMS.lease;
    assert!(!a.holds());
    assert!(
        tokio::time::timeout(Duration::from_secs(5), a.regained()).await.unwrap(),
        "a step of the clock costs no more"
    );
    // A clock that is set back says nothing.
    a.shared.state.lock().renewed += Duration::from_secs(7_200);
    assert!(a.holds());
}
