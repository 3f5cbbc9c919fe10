//! Figures: how much, of what, and who was heard of.

use std::time::Duration;

use barid_model::Cause;

use super::world::{BEGIN, World};
use crate::{Ledger, State};

pub fn statistics_count_by_channel_destination_and_facility(ledger: &dyn Ledger) {
    let mut world = World::default();
    for _ in 0..10 {
        world.deliver();
    }
    let middle = world.now;
    let first = world.deliver();
    let resend = world.accept();
    world.duplicate(resend, first);
    let other = world.accept_as(|envelope| {
        envelope.channel = None;
        envelope.facility.name = "default/lab".into();
    });
    world.set_aside(other, 207);
    world.accept();
    world.refuse("R1");
    world.apply(ledger);
    let figures = ledger.statistics(middle, world.now.plus(Duration::from_secs(1))).unwrap();
    assert!(figures.complete);
    assert_eq!(figures.refused, 1);
    let (none, admissions) = (&figures.channels[0], &figures.channels[1]);
    assert_eq!((none.accepted, none.quarantined, &none.channel), (1, 1, &None));
    let counts = (admissions.accepted, admissions.routed, admissions.duplicate, admissions.not_yet_routed);
    assert_eq!(counts, (3, 1, 1, 1));
    let registry = &figures.destinations[0];
    assert_eq!(registry.states.get(&State::Delivered), Some(&1));
    assert_eq!(registry.latency.unwrap().max, 2_000);
    let facilities: Vec<(&str, u64)> = figures.facilities.iter().map(|f| (f.facility.as_str(), f.accepted)).collect();
    assert_eq!(facilities, [("default/chn", 3), ("default/lab", 1)]);
    let all = ledger.statistics(BEGIN, world.now).unwrap();
    assert_eq!(all.channels[1].accepted, 13);
}

pub fn only_what_a_sender_sent_counts_as_seen(ledger: &dyn Ledger) {
    let mut world = World::default();
    world.accept();
    world.wait(50);
    world.accept_as(|envelope| envelope.cause = Cause::Replayed);
    let lab = world.now;
    world.accept_as(|envelope| envelope.facility.name = "default/lab".into());
    world.apply(ledger);
    let seen = ledger.last_seen().unwrap();
    let seen: Vec<_> = seen.iter().map(|seen| (seen.facility.as_str(), seen.last)).collect();
    assert_eq!(seen, [("default/chn", BEGIN), ("default/lab", lab)]);
}
