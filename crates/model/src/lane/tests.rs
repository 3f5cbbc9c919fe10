//! Lanes keep apart what must be apart, say nothing of whom they are, and partitions never move.

use super::*;

const HASHER: LaneHasher = LaneHasher::new([7; 16]);

#[test]
fn a_lane_is_the_same_for_the_same_value_of_the_same_facility() {
    let lane = HASHER.lane("default/chn", LaneKind::Patient, b"123^^^CHN");
    assert_eq!(lane, HASHER.lane("default/chn", LaneKind::Patient, b"123^^^CHN"));
    assert_ne!(lane, HASHER.lane("default/lab", LaneKind::Patient, b"123^^^CHN"));
    assert_ne!(lane, HASHER.lane("default/chn", LaneKind::Expression, b"123^^^CHN"));
    assert_ne!(lane, HASHER.lane("default/chn", LaneKind::Patient, b"124^^^CHN"));
}

#[test]
fn the_border_between_facility_and_value_counts() {
    let one = HASHER.lane("default/a", LaneKind::Patient, b"bc");
    assert_ne!(one, HASHER.lane("default/ab", LaneKind::Patient, b"c"));
    assert_ne!(HASHER.search_key("ab", b"c"), HASHER.search_key("a", b"bc"));
}

#[test]
fn g7_another_log_has_other_lanes_and_search_keys_for_the_same_patient() {
    let other = LaneHasher::new([8; 16]);
    assert_ne!(
        HASHER.lane("default/chn", LaneKind::Patient, b"123"),
        other.lane("default/chn", LaneKind::Patient, b"123")
    );
    assert_ne!(HASHER.search_key("patient", b"123"), other.search_key("patient", b"123"));
    assert_eq!(format!("{HASHER:?}"), "LaneHasher", "the key does not show");
}

#[test]
fn a_lane_reads_back_from_its_text() {
    let lane = Lane::from_raw(0x0102_0304_0506_0708);
    assert_eq!(lane.to_string(), "0102030405060708");
    assert_eq!(Lane::read(&lane.to_string()), Some(lane));
    assert_eq!(Lane::read("no lane"), None);
}

#[test]
fn lanes_are_sorted_and_no_two_alike() {
    let lanes = Lanes::of([9, 3, 9, 1].map(Lane::from_raw).to_vec());
    assert_eq!(lanes.as_slice(), [1, 3, 9].map(Lane::from_raw));
    assert_eq!(Lanes::of(Vec::new()), Lanes::None);
}

#[test]
fn more_lanes_than_allowed_make_a_barrier_and_repeats_do_not_count() {
    let many = |count: u64| Lanes::of((0..count).chain(0..count).map(Lane::from_raw).collect());
    assert_eq!(many(16).as_slice().len(), LANES_MAX);
    assert_eq!(many(17), Lanes::Barrier);
    assert_eq!(many(17).as_slice(), []);
}

/// The subjects of the log depend on it: a facility that moved would have its lanes in two places.
#[test]
fn a_facility_never_changes_its_partition() {
    let standalone =
        ["default/chn", "default/lab", "regions/nouakchott", ""].map(|name| Partitions::STANDALONE.of(name).0);
    assert_eq!(standalone, [4, 11, 8, 12]);
    let mesh = ["default/chn", "default/lab", "regions/nouakchott", ""].map(|name| Partitions::new(64).of(name).0);
    assert_eq!(mesh, [4, 43, 24, 44]);
    assert_eq!(Partitions::HASH, "siphash13-zero-key/facility");
}

#[test]
fn facilities_spread_over_all_partitions() {
    let mut counts = [0_u32; 16];
    for number in 0..1_600 {
        counts[usize::from(Partitions::STANDALONE.of(&format!("default/facility-{number}")).0)] += 1;
    }
    assert!(counts.iter().all(|count| (60..=140).contains(count)), "{counts:?}");
}

#[test]
fn a_log_has_at_least_one_partition_and_lists_all_of_them() {
    assert_eq!(Partitions::new(0).count(), 1);
    assert_eq!(Partitions::new(0).of("default/chn"), Partition(0));
    let all: Vec<String> = Partitions::new(11).all().map(|partition| partition.to_string()).collect();
    assert_eq!((all.len(), all[0].as_str(), all[10].as_str()), (11, "00", "10"));
}
