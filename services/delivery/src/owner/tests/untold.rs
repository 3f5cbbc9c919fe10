//! What was set aside and died before its outcome was written is told of by whoever comes next, however many die before.

use std::sync::Arc;

use barid_log::Writer;
use barid_model::record::{OutRecord, ParkEvent, Parked, Record as _};
use barid_model::{Name, Outcome};
use barid_pipeline::subject;

use super::house::{Does, House, Manners, Receiver, delivery, uid};
use crate::testing::{lanes, parked};

#[tokio::test(start_paused = true)]
async fn an_outcome_that_two_owners_in_a_row_did_not_come_to_write_is_written_by_the_third() {
    let house = House::new(Receiver::new(|_| Does::Accepts));
    // PARK has it, and its owner died before OUTCOME had.
    let park = subject::park(&Name::local("destination")).unwrap();
    let (mut writer, _) = Writer::open(Arc::clone(&house.log), park).await.unwrap();
    let record = OutRecord { id: delivery(1), uid: uid(1), ..lanes(&[1]) };
    let aside = ParkEvent::Parked(Box::new(parked(Parked::Quarantined, 1, record)));
    writer.append(vec![aside.encode()]).await.unwrap().await.unwrap();
    drop(writer);
    // The next one moves its send limit, and dies.
    let mut next = house.owner().await;
    next.commit(false).await.unwrap();
    drop(next);
    assert!(house.ended(Outcome::Quarantined).await.is_empty());
    let last = house.run(Manners::default());
    last.until("it has begun", |view| view.quarantined == 1).await;
    last.stop().await;
    assert_eq!(house.ended(Outcome::Quarantined).await, [1]);
    // What was told is not told again.
    let after = house.run(Manners::default());
    after.until("it has begun", |view| view.quarantined == 1).await;
    after.stop().await;
    assert_eq!(house.ended(Outcome::Quarantined).await, [1]);
}
