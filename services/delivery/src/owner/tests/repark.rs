//! What nobody decides on does not keep everything behind it in PARK.

use std::sync::Arc;
use std::time::Duration;

use barid_log::Writer;
use barid_model::record::{OutRecord, ParkEvent, Parked, Record as _};
use barid_model::{Name, Outcome};
use barid_pipeline::subject;

use super::house::{Does, House, Manners, Receiver, delivery, uid};
use crate::owner::command::{Act, Refusal};
use crate::testing::{lanes, parked};

/// Marks behind what stands: more than PARK may hold for one that waits.
const OVER: u64 = 200;

#[tokio::test(start_paused = true)]
async fn what_nobody_decides_on_is_parked_again_at_the_end_and_the_rest_is_given_back() {
    let house = House::new(Receiver::new(|_| Does::Accepts));
    let park = subject::park(&Name::local("destination")).unwrap();
    let (mut writer, _) = Writer::open(Arc::clone(&house.log), park.clone()).await.unwrap();
    let aside = |number: u64| {
        let record = OutRecord { id: delivery(number), uid: uid(number), ..lanes(&[number]) };
        ParkEvent::Parked(Box::new(parked(Parked::Quarantined, number, record))).encode()
    };
    let over = (0..OVER).map(|_| ParkEvent::Ended(u64::MAX / 2).encode());
    writer.append([aside(1), aside(2)].into_iter().chain(over).collect()).await.unwrap().await.unwrap();
    drop(writer);
    let running = house.run(Manners::default());
    let mut first = 1;
    for _ in 0..600 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        first = house.log.bounds(&park).await.unwrap().first.0;
        if first > OVER {
            break;
        }
    }
    assert!(first > OVER, "PARK begins at {first}");
    let view = running.shared.view();
    assert_eq!((view.quarantined, view.parked), (2, 0), "they wait as before");
    assert!(matches!(running.act(Act::Rerun(1)).await, Err(Refusal::Gone)), "not at their old place");
    // After a restart as well.
    running.stop().await;
    let running = house.run(Manners::default());
    running.until("both wait", |view| view.quarantined == 2).await;
    let places: Vec<u64> = (first..first + 2).collect();
    assert_eq!(running.act(Act::Rerun(places[0])).await, Ok(1));
    assert_eq!(running.act(Act::Discard(places[1])).await, Ok(1));
    running.until("nothing waits", |view| view.quarantined == 0 && view.window == 0).await;
    running.stop().await;
    assert_eq!(house.ended(Outcome::Delivered).await, [1]);
    assert_eq!(house.ended(Outcome::Discarded).await, [2]);
    assert_eq!(house.ended(Outcome::Quarantined).await, [1, 2], "each is told of once");
}
