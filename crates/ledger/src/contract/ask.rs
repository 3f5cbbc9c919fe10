//! Asking a ledger everything, and comparing what two of them answer.

use barid_model::MessageUid;

use super::world::{BEGIN, World};
use crate::{Ledger, MessageFilter, MessageView, Paging, Story};

/// All messages a filter finds, page by page.
pub fn find(ledger: &dyn Ledger, filter: &MessageFilter, limit: usize) -> Vec<MessageView> {
    let mut paging = Paging::first(limit);
    let mut found = Vec::new();
    for _ in 0..100_000 {
        let page = ledger.search(filter, &paging).unwrap();
        assert!(page.items.len() <= limit, "a page has more than was asked for");
        found.extend(page.items);
        match page.next {
            Some(next) => paging.after = Some(next),
            None => return found,
        }
    }
    panic!("the search has no end");
}

/// The uids a filter finds.
pub fn uids(ledger: &dyn Ledger, filter: &MessageFilter) -> Vec<MessageUid> {
    find(ledger, filter, 50).into_iter().map(|message| message.uid).collect()
}

/// The story of a message that is known.
pub fn story(ledger: &dyn Ledger, uid: MessageUid) -> Story {
    ledger.follow(uid).unwrap().expect("the message is known")
}

/// Compares two pictures, and shows the first line that differs only.
pub fn same(got: &str, expected: &str, what: &str) {
    for (number, (got, expected)) in got.lines().zip(expected.lines()).enumerate() {
        assert_eq!(got, expected, "{what}: line {number} of the picture");
    }
    assert_eq!(got.lines().count(), expected.lines().count(), "{what}: one picture has more");
}

/// All that a ledger says about a world, to compare it with what another says.
pub fn picture(ledger: &dyn Ledger, world: &World) -> String {
    let stories: Vec<_> = world.uids().into_iter().map(|uid| ledger.follow(uid).unwrap()).collect();
    let all = Paging::first(1_000);
    let parts = [
        serde_json::to_string_pretty(&stories),
        serde_json::to_string_pretty(&ledger.balance(&Default::default()).unwrap()),
        serde_json::to_string_pretty(&ledger.statistics(BEGIN, world.now).unwrap()),
        serde_json::to_string_pretty(&ledger.last_seen().unwrap()),
        serde_json::to_string_pretty(&ledger.quarantine(&Default::default(), &all).unwrap()),
        serde_json::to_string_pretty(&ledger.search(&Default::default(), &all).unwrap()),
        serde_json::to_string_pretty(&ledger.coverage().unwrap()),
    ];
    parts.map(Result::unwrap).join("\n")
}
