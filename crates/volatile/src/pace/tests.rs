use super::*;
use crate::store::{Absence, Away};
use crate::{Known, Memory};
use futures_util::future::BoxFuture;

fn facility() -> Arc<str> {
    Arc::from("default/chn")
}

fn labels() -> Labels {
    Labels::new([1; 16], [2; 16])
}

/// How many of these messages are let in now, held, and refused.
fn ask(pace: &Pace, rate: &Rate, messages: u32) -> (u32, u32, u32) {
    let (facility, now) = (facility(), Instant::now());
    let mut sums = (0, 0, 0);
    for _ in 0..messages {
        match pace.ask(&facility, rate, now) {
            Turn::Now => sums.0 += 1,
            Turn::At(turn) => {
                assert!(turn <= now + HOLD_MAX);
                sums.1 += 1;
            }
            Turn::Refused => sums.2 += 1,
        }
    }
    sums
}

#[tokio::test(start_paused = true)]
async fn a_burst_passes_then_messages_wait_and_beyond_the_longest_wait_they_are_refused() {
    let (pace, rate) = (Pace::default(), Rate::new(10, 20));
    assert_eq!(ask(&pace, &rate, 200), (20, 100, 80));
    assert_eq!(ask(&pace, &rate, 1), (0, 0, 1), "what is refused counts for nothing, and still it is too fast");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(ask(&pace, &rate, 20), (0, 10, 10), "a second gives ten more");
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(ask(&pace, &rate, 20), (20, 0, 0), "after a pause the whole burst is there again, and no more");
    assert_eq!(ask(&pace, &rate, 1), (0, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn others_are_not_slowed() {
    let (pace, rate) = (Pace::default(), Rate::new(1, 1));
    ask(&pace, &rate, 50);
    assert_eq!(pace.ask(&Arc::from("default/other"), &rate, Instant::now()), Turn::Now);
}

#[tokio::test(start_paused = true)]
async fn replicas_that_share_a_store_give_the_rate_together() {
    let (one, two, store, labels) = (Pace::default(), Pace::default(), Memory::default(), labels());
    let rate = Rate::new(10, 20);
    let mut accepted = 0;
    for _ in 0..500 {
        for pace in [&one, &two] {
            let (now, held, _) = ask(pace, &rate, 2);
            accepted += now + held;
            pace.share_once(&store, &labels).await;
        }
        tokio::time::advance(Duration::from_millis(20)).await;
    }
    // Ten seconds, the burst, and what may wait for its turn; two replicas by themselves would take 440.
    assert!((210..=330).contains(&accepted), "{accepted}");
}

/// A store that is away, or tells nonsense.
struct Odd(Result<Duration, ()>);

impl Store for Odd {
    fn spend<'a>(&'a self, spends: &'a [Spend]) -> BoxFuture<'a, Result<Vec<Duration>, Away>> {
        let said = self.0.map(|backlog| vec![backlog; spends.len()]).map_err(|()| Away("gone".to_owned()));
        Box::pin(async move { said })
    }
    fn add<'a>(&'a self, _: &'a [(Label, u64)]) -> BoxFuture<'a, Result<(), Away>> {
        Box::pin(async { Ok(()) })
    }
    fn figures(&self) -> BoxFuture<'_, Result<HashMap<Label, u64>, Away>> {
        Box::pin(async { Ok(HashMap::new()) })
    }
    fn remember<'a>(&'a self, _: &'a [(Label, Label)]) -> BoxFuture<'a, Result<Vec<Known>, Away>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn absence(&self) -> Option<Absence> {
        None
    }
    fn is_shared(&self) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_or_has_lost_its_data_leaves_each_replica_its_own_rate() {
    let rate = Rate::new(10, 20);
    for odd in [Odd(Err(())), Odd(Ok(Duration::ZERO))] {
        let pace = Pace::default();
        assert_eq!(ask(&pace, &rate, 10), (10, 0, 0));
        pace.share_once(&odd, &labels()).await;
        assert_eq!(ask(&pace, &rate, 20), (10, 10, 0), "neither more nor less");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_tells_nonsense_slows_a_facility_no_longer_than_its_bucket_is_deep() {
    let (pace, rate) = (Pace::default(), Rate::new(10, 20));
    ask(&pace, &rate, 1);
    pace.share_once(&Odd(Ok(Duration::from_secs(1 << 40))), &labels()).await;
    assert_eq!(ask(&pace, &rate, 1), (0, 0, 1));
    tokio::time::advance(HOLD_MAX + rate.burst).await;
    assert_eq!(ask(&pace, &rate, 1), (1, 0, 0));
}
