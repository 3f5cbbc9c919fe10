//! What every store has to do, as rules in words; run over memory and over a real Redis.

use std::time::{Duration, Instant};

use crate::{Known, Label, Labels, Memory, Spend, Store};

fn label(text: &str) -> Label {
    Labels::new([1; 16], [2; 16]).of("test", &[text.as_bytes()])
}

fn spend(text: &str, millis: u64) -> Spend {
    let (cost, most) = (Duration::from_millis(millis), Duration::from_secs(20));
    Spend { label: label(text), cost, most }
}

fn about(said: Duration, millis: u64) -> bool {
    let (low, high) = (Duration::from_millis(millis.saturating_sub(2_000)), Duration::from_millis(millis + 1));
    (low..=high).contains(&said)
}

async fn what_all_have_taken_is_told_to_each(store: &dyn Store) {
    let said = store.spend(&[spend("a", 4_000), spend("b", 0)]).await.unwrap();
    assert!(about(said[0], 4_000) && said[1] <= Duration::from_millis(1), "{said:?}");
    let said = store.spend(&[spend("b", 3_000), spend("a", 4_000), spend("a", 0)]).await.unwrap();
    assert!(about(said[0], 3_000) && about(said[1], 8_000) && about(said[2], 8_000), "{said:?}");
    assert!(said[1] > Duration::from_secs(6), "{said:?}");
}

async fn a_bucket_is_no_deeper_than_it_may_be(store: &dyn Store) {
    let said = store.spend(&[spend("deep", 90_000)]).await.unwrap();
    assert!(about(said[0], 20_000), "{said:?}");
}

async fn a_bucket_empties_as_time_passes(store: &dyn Store) {
    let begun = Instant::now();
    store.spend(&[spend("short", 50)]).await.unwrap();
    while store.spend(&[spend("short", 0)]).await.unwrap() != [Duration::ZERO] {
        assert!(begun.elapsed() < Duration::from_secs(30), "it never empties");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // A store may count in whole milliseconds.
    assert!(begun.elapsed() >= Duration::from_millis(48), "empty after {:?}", begun.elapsed());
}

async fn figures_of_all_are_summed(store: &dyn Store) {
    store.add(&[(label("x"), 3), (label("y"), 1)]).await.unwrap();
    store.add(&[(label("x"), 4)]).await.unwrap();
    let sums = store.figures().await.unwrap();
    assert_eq!((sums.get(&label("x")), sums.get(&label("y")), sums.get(&label("z"))), (Some(&7), Some(&1), None));
}

async fn a_message_is_known_by_its_label_and_the_first_bytes_stay(store: &dyn Store) {
    let (first, other) = (label("bytes"), label("other bytes"));
    let said = store.remember(&[(label("m1"), first), (label("m2"), first), (label("m1"), other)]).await.unwrap();
    assert_eq!(said, [Known::No, Known::No, Known::OtherBytes]);
    let said = store.remember(&[(label("m1"), first), (label("m2"), other), (label("m3"), first)]).await.unwrap();
    assert_eq!(said, [Known::Same, Known::OtherBytes, Known::No]);
}

/// All of it, over a store with nothing in it.
pub(crate) async fn holds(store: &dyn Store) {
    what_all_have_taken_is_told_to_each(store).await;
    a_bucket_is_no_deeper_than_it_may_be(store).await;
    a_bucket_empties_as_time_passes(store).await;
    figures_of_all_are_summed(store).await;
    a_message_is_known_by_its_label_and_the_first_bytes_stay(store).await;
    assert_eq!(store.absence(), None);
}

#[tokio::test]
async fn memory_does_what_every_store_has_to_do() {
    holds(&Memory::default()).await;
}

#[tokio::test(start_paused = true)]
async fn memory_forgets_figures_after_some_minutes() {
    let memory = Memory::default();
    memory.count(&[(label("x"), 3)]);
    tokio::time::advance(Duration::from_secs(200)).await;
    memory.count(&[(label("x"), 1)]);
    assert_eq!(memory.sums().get(&label("x")), Some(&4));
    tokio::time::advance(Duration::from_secs(120)).await;
    assert_eq!(memory.sums().get(&label("x")), Some(&1));
    tokio::time::advance(Duration::from_secs(600)).await;
    assert!(memory.sums().is_empty());
}

#[test]
fn labels_differ_by_key_incarnation_kind_and_the_place_of_parts() {
    let base = Labels::new([1; 16], [2; 16]);
    let all = [
        base.of("rate", &[b"ab", b"c"]),
        base.of("rate", &[b"a", b"bc"]),
        base.of("message", &[b"ab", b"c"]),
        Labels::new([3; 16], [2; 16]).of("rate", &[b"ab", b"c"]),
        Labels::new([1; 16], [3; 16]).of("rate", &[b"ab", b"c"]),
    ];
    let distinct: std::collections::HashSet<Label> = all.into_iter().collect();
    assert_eq!(distinct.len(), all.len());
    assert_eq!(base.of("rate", &[b"ab", b"c"]), all[0]);
}
