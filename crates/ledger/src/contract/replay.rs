//! What is replayed, in which order.

use std::time::Duration;

use barid_model::{Cause, MessageUid, Name, Timestamp};

use super::world::{BEGIN, World};
use crate::view::ReplayItem;
use crate::{Ledger, MessageFilter, Paging, State};

fn select(ledger: &dyn Ledger, filter: &MessageFilter, limit: usize) -> Vec<ReplayItem> {
    let mut paging = Paging::first(limit);
    let mut found = Vec::new();
    for _ in 0..10_000 {
        let page = ledger.select_for_replay(filter, &paging).unwrap();
        found.extend(page.items);
        match page.next {
            Some(next) => paging.after = Some(next),
            None => return found,
        }
    }
    panic!("the selection has no end");
}

/// A uid of a moment whose other bits count down: later messages of a millisecond sort before earlier ones.
fn falling(now: Timestamp, number: u128) -> MessageUid {
    let millis = u128::from(now.millis().unsigned_abs());
    MessageUid::from_bytes(((millis << 80) | (7 << 76) | (2 << 62) | (1_000_000 - number)).to_be_bytes())
}

/// Three facilities in two partitions; several messages in each millisecond.
fn crowd(world: &mut World) -> Vec<MessageUid> {
    let facilities = ["default/chn", "default/abc", "default/laboratory"];
    (0..90_u128)
        .map(|number| {
            let uid = falling(world.now, number);
            world.accept_as(|envelope| {
                envelope.uid = uid;
                envelope.facility.name = facilities[usize::try_from(number % 3).unwrap()].into();
            });
            // Back to the same millisecond, but for each fifth message.
            world.now = BEGIN.plus(Duration::from_millis(u64::try_from(number / 5).unwrap()));
            uid
        })
        .collect()
}

fn keeps_the_order_of_each_subject(items: &[ReplayItem]) {
    for subject in ["in.11", "in.02"] {
        let positions: Vec<u64> =
            items.iter().filter(|item| item.place.subject == subject).map(|item| item.place.position).collect();
        assert!(!positions.is_empty());
        assert!(positions.is_sorted(), "{subject}: {positions:?}");
    }
    assert!(items.is_sorted_by_key(|item| item.received));
}

pub fn o5_a_replay_keeps_the_order_in_which_messages_were_accepted(ledger: &dyn Ledger) {
    let mut world = World::default();
    let accepted = crowd(&mut world);
    world.apply(ledger);
    let items = select(ledger, &MessageFilter::default(), 1_000);
    assert_eq!(items.len(), accepted.len());
    keeps_the_order_of_each_subject(&items);
    let lab = MessageFilter { facility: Some("default/laboratory".into()), ..MessageFilter::default() };
    let order: Vec<MessageUid> = select(ledger, &lab, 1_000).into_iter().map(|item| item.uid).collect();
    let expected: Vec<MessageUid> = accepted.into_iter().skip(2).step_by(3).collect();
    assert_eq!(order, expected);
}

pub fn o5_pages_of_a_replay_keep_the_order_too(ledger: &dyn Ledger) {
    let mut world = World::default();
    let accepted = crowd(&mut world);
    world.apply(ledger);
    for limit in [1, 4, 7, 33] {
        let items = select(ledger, &MessageFilter::default(), limit);
        assert_eq!(items.len(), accepted.len(), "{limit} a page");
        keeps_the_order_of_each_subject(&items);
    }
}

pub fn duplicates_are_not_replayed_unless_asked_for(ledger: &dyn Ledger) {
    let mut world = World::default();
    let first = world.deliver();
    let resend = world.accept();
    world.duplicate(resend, first);
    let waiting = world.accept();
    world.apply(ledger);
    let uids = |filter: &MessageFilter| select(ledger, filter, 10).iter().map(|item| item.uid).collect::<Vec<_>>();
    assert_eq!(uids(&MessageFilter::default()), [first, waiting]);
    let duplicates = MessageFilter { state: Some(State::Duplicate), ..MessageFilter::default() };
    assert_eq!(uids(&duplicates), [resend]);
}

pub fn what_a_replay_makes_again_is_not_replayed_beside_it(ledger: &dyn Ledger) {
    let mut world = World::default();
    let first = world.deliver();
    let chained = world.accept_as(|envelope| {
        envelope.cause = Cause::Chained;
        envelope.channel = Some(Name::local("next"));
        envelope.parents = vec![first];
    });
    world.apply(ledger);
    let uids = |filter: &MessageFilter| select(ledger, filter, 10).iter().map(|item| item.uid).collect::<Vec<_>>();
    assert_eq!(uids(&MessageFilter::default()), [first]);
    let next = MessageFilter { channel: Some(Name::local("next")), ..MessageFilter::default() };
    assert_eq!(uids(&next), [chained]);
}
