use super::*;
use crate::testing::lanes;
use crate::window::{Entry, Window};
use barid_model::{Partition, Timestamp};
use std::sync::Arc;

/// Entries of as many lanes.
fn heads<const N: usize>() -> [EntryId; N] {
    let mut window = Window::default();
    std::array::from_fn(|lane| {
        let record = Arc::new(lanes(&[lane as u64]));
        window.admit(Entry::from_out(record, Partition(0), lane as u64 + 1, Timestamp::default()))
    })
}

fn first(suspects: &Suspects, heads: &[EntryId]) -> EntryId {
    *heads.iter().min_by_key(|id| suspects.rank(**id)).unwrap()
}

#[test]
fn who_is_silent_while_another_is_answered_is_blamed_each_time() {
    let [bad, good] = heads();
    let mut suspects = Suspects::default();
    for times in 1..=3 {
        suspects.failed(bad, format!("silence {times}"));
        assert_eq!(first(&suspects, &[bad, good]), good, "the other one is tried, not the same again");
        let blamed = suspects.answered(good).unwrap();
        assert_eq!(blamed, Blamed { id: bad, times, cause: format!("silence {times}") });
    }
    assert_eq!(suspects.answered(good), None, "one answer, one blame");
    assert_eq!(suspects.answered(bad), None);
    assert!(suspects.is_empty(), "an answer of its own takes all suspicion away");
}

#[test]
fn while_nothing_is_answered_nobody_is_blamed_and_few_are_tried() {
    let all: [EntryId; 100] = heads();
    let mut suspects = Suspects::default();
    for _ in 0..288 {
        let next = first(&suspects, &all);
        suspects.failed(next, String::new());
    }
    let tried = all.iter().filter(|id| suspects.known.contains_key(id)).count();
    assert!((HEADS..=HEADS + 288 / FAILURES_PER_HEAD).contains(&tried), "{tried} in a day");
    assert!(suspects.known.values().all(|suspect| suspect.times == 0));
    assert_eq!(suspects.answered(all[99]), None, "it is back: all were silent, so it was the destination");
    assert!(suspects.known.values().all(|suspect| suspect.times == 0));
}

#[test]
fn of_several_that_fell_silent_together_each_is_sent_alone_until_it_is_answered() {
    let [bad, near, good] = heads();
    let mut suspects = Suspects::default();
    suspects.failed(near, String::new());
    suspects.failed(bad, String::new());
    assert_eq!(suspects.answered(good), None);
    assert_eq!(suspects.alone(), HashSet::from([bad, near]));
    suspects.sending(near);
    assert!(suspects.is_solo());
    assert_eq!(suspects.answered(near), None);
    assert!(!suspects.is_solo());
    suspects.sending(bad);
    suspects.failed(bad, "closed".into());
    assert!(!suspects.is_solo());
    assert_eq!(suspects.answered(good).map(|blamed| (blamed.id, blamed.times)), Some((bad, 1)));
    assert_eq!(suspects.alone(), HashSet::from([bad]), "it stays so until it is answered");
}

#[test]
fn who_is_taken_away_while_silent_leaves_no_blame_for_another() {
    let [gone, near, good] = heads();
    let mut suspects = Suspects::default();
    suspects.failed(gone, String::new());
    suspects.failed(near, String::new());
    suspects.retain(|id| id != gone);
    assert_eq!(suspects.answered(good), None);
    assert_eq!(suspects.alone(), HashSet::from([near]));
}
