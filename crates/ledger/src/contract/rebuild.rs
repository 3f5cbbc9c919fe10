//! The ledger is a view: whatever way the log was read, the same log gives the same answers.

use barid_model::record::{OutcomeRecord, Parked};
use barid_model::{Cause, Disposition, Name, Outcome};

use super::ask::{picture, same};
use super::world::{Piece, World, Written, apply, changes, key};
use crate::Ledger;

/// Numbers that look random and are the same each time (splitmix64), so that a failure can be run again by its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[usize::try_from(self.below(items.len() as u64)).unwrap()]
    }
}

const FACILITIES: [&str; 3] = ["default/chn", "default/lab-1", "default/clinic-of-the-north"];
const ROUTES: [&str; 3] = ["archive", "laboratory", "registry"];

/// A history in which most of what can happen happens.
#[must_use]
pub fn history(seed: u64, messages: u64) -> World {
    let mut dice = Dice(seed);
    let mut world = World::default();
    let mut waiting: Vec<Piece> = Vec::new();
    for _ in 0..messages {
        let facility = dice.pick(&FACILITIES);
        let channel = dice.pick(&["admissions", "results"]);
        let patient = format!("{:032x}", dice.below(7));
        let uid = world.accept_as(|envelope| {
            envelope.facility.name = facility.into();
            envelope.channel = Some(Name::local(channel));
            envelope.keys = vec![key("patient", &patient)];
        });
        match dice.below(10) {
            0 => {}
            1 => world.duplicate(uid, world.uids()[0]),
            2 => {
                world.set_aside(uid, 205);
                if dice.one_in(2) {
                    world.route(uid, &["registry"]);
                    waiting.push(Piece::new(uid, "registry"));
                }
            }
            3 => chain(&mut world, uid),
            _ => {
                let routes = &ROUTES[..=usize::try_from(dice.below(3)).unwrap()];
                world.route(uid, routes);
                waiting.extend(routes.iter().map(|route| Piece::new(uid, route)));
            }
        }
        while !waiting.is_empty() && !dice.one_in(3) {
            let index = usize::try_from(dice.below(waiting.len() as u64)).unwrap();
            let piece = waiting.swap_remove(index);
            waiting.extend(act(&mut world, &mut dice, piece));
        }
        if dice.one_in(6) {
            world.command("replay", &uid.to_string());
        }
    }
    world
}

/// The router hands a message to another channel.
fn chain(world: &mut World, uid: barid_model::MessageUid) {
    let mut routed = world.routed(uid, Disposition::Routed, &["next"]);
    let chained = world.accept_as(|envelope| {
        envelope.cause = Cause::Chained;
        envelope.parents = vec![uid];
    });
    routed.deliveries[0].destination = None;
    routed.deliveries[0].outcome = Some(Outcome::Delivered);
    routed.deliveries[0].chained = Some(chained);
    world.write_routed(routed);
}

/// What a destination's owner, or a person, does next with a delivery; gives what still waits after that.
fn act(world: &mut World, dice: &mut Dice, piece: Piece) -> Option<Piece> {
    match dice.below(9) {
        0 => {
            let place = world.park(piece, dice.pick(&[Parked::Held, Parked::Stalled, Parked::Follows, Parked::Paused]));
            match dice.below(3) {
                0 => world.hold(&piece.destination(), place),
                1 => world.unpark(&piece.destination(), place),
                _ => {}
            }
            Some(piece)
        }
        1 => {
            let park = Some(world.park(piece, Parked::Held));
            let record = world.outcome(piece, None);
            world.write_outcome(OutcomeRecord { park, answer: None, ..record });
            Some(piece)
        }
        2 => {
            world.quarantine(piece);
            let again = Piece { run: piece.run + 1, ..piece };
            dice.one_in(2).then(|| {
                world.park(again, Parked::Rerun);
                again
            })
        }
        3 => {
            world.quarantine(piece);
            let discard = world.outcome(piece, Some(Outcome::Discarded));
            world.write_outcome(OutcomeRecord { actor: Some("amina".into()), ..discard });
            None
        }
        4 => {
            let outcome = dice.pick(&[Outcome::Rejected, Outcome::Expired, Outcome::Merged]);
            world.end(piece, outcome);
            None
        }
        5 => {
            // Recorded twice, as an owner does that did not know whether the first record was stored.
            world.end(piece, Outcome::Delivered);
            world.end(piece, Outcome::Delivered);
            None
        }
        _ => {
            world.end(piece, Outcome::Delivered);
            None
        }
    }
}

pub fn a_rebuilt_ledger_answers_as_before(ledger: &dyn Ledger) {
    let world = history(7, 120);
    for records in world.records.chunks(11) {
        apply(ledger, records);
    }
    let before = picture(ledger, &world);
    let positions = ledger.positions().unwrap();
    assert!(ledger.balance(&Default::default()).unwrap().holds(), "{}", ledger.balance(&Default::default()).unwrap());
    ledger.reset().unwrap();
    assert_eq!(ledger.positions().unwrap(), []);
    assert_eq!(ledger.follow(world.uids()[0]).unwrap(), None);
    world.apply(ledger);
    same(&picture(ledger, &world), &before, "again");
    assert_eq!(ledger.positions().unwrap(), positions);
}

pub fn any_interleaving_with_repeats_folds_to_the_same_answers(ledger: &dyn Ledger) {
    for seed in 0..12 {
        let world = history(seed, 25);
        ledger.reset().unwrap();
        world.apply(ledger);
        let expected = picture(ledger, &world);
        for way in 0..3 {
            ledger.reset().unwrap();
            read_in_some_way(ledger, &world, &mut Dice(seed * 100 + way));
            same(&picture(ledger, &world), &expected, &format!("seed {seed}, way {way}"));
        }
    }
}

/// Reads the subjects side by side, each in its order, now and then again from an earlier place, in batches of any
/// size, with positions that lag behind.
fn read_in_some_way(ledger: &dyn Ledger, world: &World, dice: &mut Dice) {
    let mut subjects: Vec<&str> = world.records.iter().map(|(subject, ..)| subject.as_str()).collect();
    subjects.sort_unstable();
    subjects.dedup();
    let logs: Vec<Vec<(String, u64, Written)>> = subjects
        .iter()
        .map(|wanted| world.records.iter().filter(|(subject, ..)| subject == wanted).cloned().collect())
        .collect();
    let mut at = vec![0_usize; logs.len()];
    let mut batch: Vec<(String, u64, Written)> = Vec::new();
    while at.iter().zip(&logs).any(|(at, log)| *at < log.len()) {
        let index = usize::try_from(dice.below(logs.len() as u64)).unwrap();
        let (log, at) = (&logs[index], &mut at[index]);
        let end = log.len().min(*at + 1 + usize::try_from(dice.below(4)).unwrap());
        batch.extend_from_slice(&log[*at..end]);
        *at = end;
        if dice.one_in(5) {
            *at -= usize::try_from(dice.below(*at as u64 + 1)).unwrap().min(6);
        }
        if dice.one_in(3) {
            ledger.apply(&changes(&batch), &[]).unwrap();
            batch.clear();
        }
    }
    apply(ledger, &batch);
    // At last all positions, as a reader that has come to the end.
    world.apply(ledger);
}
