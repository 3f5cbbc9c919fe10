//! How calls go out: at once when alone, together when they wait, and never 40 ms late.

use std::time::{Duration, Instant};

use barid_model::stage::Call as _;

use super::house::{House, Replica, adt, patient, within};
use crate::{ParseContract, Remote};

#[tokio::test(flavor = "multi_thread")]
async fn no_call_over_tcp_waits_for_nagle() {
    let house = House::new();
    let replica = Replica::start(house.services(), None);
    let caller = Remote::<ParseContract>::new(vec![replica.target()], &patient());
    within(caller.ready()).await;
    let mut took: Vec<Duration> = Vec::new();
    for i in 0..60 {
        let input = house.input(&adt(&format!("{i}")));
        let began = Instant::now();
        assert!(caller.call(vec![input]).await.remove(0).is_ok());
        took.push(began.elapsed());
    }
    took.sort();
    // Nagle with delayed acknowledgements costs 40 ms each time; a busy machine now and then.
    assert!(took[30] < Duration::from_millis(20), "{:?}", took[30]);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_wait_travel_together() {
    let house = House::new();
    let replica = Replica::start(house.services(), None);
    let caller = Remote::<ParseContract>::new(vec![replica.target()], &patient());
    within(caller.ready()).await;
    let calls: Vec<_> = (0..400)
        .map(|i| {
            let id = if i < 8 { format!("PAUSE-HERE{i}") } else { format!("{i}") };
            let (caller, input) = (caller.clone(), house.input(&adt(&id)));
            tokio::spawn(async move { caller.call(vec![input]).await.remove(0) })
        })
        .collect();
    for call in calls {
        assert!(within(call).await.unwrap().is_ok());
    }
    let figures = caller.figures();
    assert_eq!(figures.items, 400);
    assert!(figures.calls < 100, "{figures:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_leave_hold_nothing_up() {
    let house = House::new();
    let replica = Replica::start(house.services(), None);
    let caller = Remote::<ParseContract>::new(vec![replica.target()], &patient());
    within(caller.ready()).await;
    for round in 0..20 {
        let mut left: Vec<_> = (0..64)
            .map(|i| {
                let (caller, input) = (caller.clone(), house.input(&adt(&format!("PAUSE-HERE{round}-{i}"))));
                tokio::spawn(async move { caller.call(vec![input]).await.len() })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(3)).await;
        left.drain(..).for_each(|task| task.abort());
    }
    let result = within(caller.call(vec![house.input(&adt("last"))])).await.remove(0);
    assert!(result.is_ok(), "{result:?}");
}
