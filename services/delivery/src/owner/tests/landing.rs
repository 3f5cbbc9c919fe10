//! Writes that become durable in another order than they were made: PARK and OUTCOME are subjects of their own.

use std::sync::Arc;

use barid_log::{Position, Ticket};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::oneshot;

use super::house::{Does, House, Receiver};
use crate::owner::land::land;

#[tokio::test(start_paused = true)]
async fn what_was_written_later_and_is_durable_earlier_waits_for_what_was_written_before_it() {
    let mut owner = House::new(Receiver::new(|_| Does::Accepts)).owner().await;
    let mut done = Vec::new();
    for id in 1..=2 {
        let (sender, durable) = oneshot::channel();
        done.push(sender);
        let ticket = Ticket::new(Position(id), Position(id), durable);
        owner.landed.push_back(land(Arc::clone(&owner.options.log), id, [Some(ticket), None], Vec::new(), Vec::new()));
    }
    let first = done.remove(0);
    done.remove(0).send(Ok(())).unwrap();
    assert!(owner.landed.next().now_or_never().is_none(), "its lane would go on before what stands before it");
    first.send(Ok(())).unwrap();
    for id in 1..=2 {
        assert_eq!(owner.landed.next().await.unwrap().unwrap().0, id);
    }
}
