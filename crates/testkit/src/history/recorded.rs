//! The judge judged: a history as a real sender and a real receiver recorded it, then with one fault put into it. Each
//! kind of fault has to be objected to, at its message and at nothing else.

use std::sync::Arc;

use parking_lot::Mutex;

use super::*;
use crate::generate::Generator;
use crate::receiver::{Options, Receiver};
use crate::sender::{self, Done, Load, Made, Target};

const FACILITIES: u64 = 3;
const EACH: u64 = 40;
const OUT: &str = "out";

/// Two connections a facility, so that lanes are judged across connections.
async fn recorded() -> History {
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let generators: Vec<_> = (0..FACILITIES).map(|n| Generator::new(n, &format!("F{n}"))).collect();
    let (kept, ended) = (Arc::new(Mutex::new(Vec::<Done>::new())), Arc::new(Made::new(generators.clone(), EACH)));
    let observed = Arc::clone(&kept);
    let target = Target::Mllp(receiver.address().to_string());
    let load = Load { connections: 2 * FACILITIES as usize, pipeline: 2, ..Load::to(target) };
    let report = sender::run(load, ended, Some(Arc::new(move |done| observed.lock().push(done.clone())))).await;
    assert_eq!(report.accepted, FACILITIES * EACH, "{report:?}");
    let mut history = History::default();
    for done in kept.lock().iter() {
        let id = String::from_utf8_lossy(&done.control_id).into_owned();
        let (facility, n) = id.split_once('-').unwrap();
        history.sent(done, facility, vec![facility.to_owned()], &[OUT]);
        let generator = &generators[facility[1..].parse::<usize>().unwrap()];
        history.sent.last_mut().unwrap().expected = Some(Digest::of(&generator.message(n.parse().unwrap()).bytes));
    }
    receiver.received().iter().for_each(|received| history.arrived(OUT, received));
    history
}

/// What is objected to when this is done to what arrived.
fn broken(history: &History, fault: impl FnOnce(&mut Vec<Arrival>)) -> Vec<(ViolationKind, Key)> {
    let mut history = history.clone();
    fault(history.arrived.get_mut(OUT).unwrap());
    history.judge().violations().iter().map(|violation| (violation.kind, violation.key.clone())).collect()
}

#[tokio::test]
async fn a_recorded_history_is_clean_and_each_fault_put_into_it_is_found() {
    let history = recorded().await;
    let verdict = history.judge();
    assert!(verdict.is_clean(), "{verdict}");
    let arrivals = &history.arrived[OUT];
    // One in the middle, and the next of its lane that was sent on the same connection.
    let sent = |arrival: &Arrival| history.sent.iter().find(|sent| sent.key == arrival.key).unwrap();
    let at = arrivals.len() / 2;
    let (one, connection) = (&arrivals[at], sent(&arrivals[at]).connection);
    let next = (at + 1..arrivals.len()).find(|next| sent(&arrivals[*next]).connection == connection).unwrap();
    assert_eq!(broken(&history, |all| drop(all.remove(at))), [(ViolationKind::Missing, one.key.clone())]);
    let swapped = broken(&history, |all| all.swap(at, next));
    assert!(swapped.contains(&(ViolationKind::OutOfOrder, one.key.clone())), "{swapped:?}");
    assert!(swapped.iter().all(|(kind, key)| *kind == ViolationKind::OutOfOrder && key.facility == one.key.facility));
    let repeated = broken(&history, |all| all.push(one.clone()));
    assert_eq!(repeated, [(ViolationKind::Duplicate, one.key.clone())]);
    let altered = broken(&history, |all| all[at].digest = Digest::of(b"other"));
    assert_eq!(altered, [(ViolationKind::Altered, one.key.clone())]);
    let key = Key::new("F0", "F0-99999999");
    let invented = broken(&history, |all| all.push(Arrival { key: key.clone(), ..one.clone() }));
    assert_eq!(invented, [(ViolationKind::Invented, key)]);
    assert!(broken(&history, |all| all.push(Arrival { is_marked: true, ..one.clone() })).is_empty(), "a marked repeat");
}
