use super::*;
use crate::testing::{barrier, lanes, orderless};

const P: Partition = Partition(0);

fn window() -> Window {
    let mut window = Window::default();
    window.begin(P, 0);
    window
}

fn admit(window: &mut Window, position: u64, record: OutRecord) -> EntryId {
    window.admit(Entry::from_out(Arc::new(record), P, position, Timestamp::default()))
}

fn ready(window: &mut Window) -> Vec<u64> {
    let mut positions = Vec::new();
    while let Some(id) = window.take_ready(|_| true) {
        positions.push(window.get(id).unwrap().out.1);
    }
    positions
}

#[test]
fn only_the_head_of_a_lane_may_be_sent_and_lanes_do_not_wait_for_each_other() {
    let mut window = window();
    let first = admit(&mut window, 1, lanes(&[1]));
    admit(&mut window, 2, lanes(&[1]));
    admit(&mut window, 3, lanes(&[2]));
    assert_eq!(ready(&mut window), [1, 3]);
    window.recording(first);
    assert!(ready(&mut window).is_empty(), "the next is not sent before the record is durable");
    window.finish(first, 1);
    assert_eq!(ready(&mut window), [2]);
}

#[test]
fn a_message_with_two_lanes_waits_for_both_and_both_wait_for_it() {
    let mut window = window();
    let one = admit(&mut window, 1, lanes(&[1]));
    let two = admit(&mut window, 2, lanes(&[2]));
    let merge = admit(&mut window, 3, lanes(&[1, 2]));
    admit(&mut window, 4, lanes(&[2]));
    assert_eq!(ready(&mut window), [1, 2]);
    window.finish(one, 1);
    assert!(ready(&mut window).is_empty());
    window.finish(two, 2);
    assert_eq!(ready(&mut window), [3]);
    window.finish(merge, 3);
    assert_eq!(ready(&mut window), [4]);
}

#[test]
fn a_barrier_waits_for_all_of_its_facility_and_all_of_it_waits_for_the_barrier() {
    let mut window = window();
    let before = admit(&mut window, 1, lanes(&[1]));
    let wall = admit(&mut window, 2, barrier());
    admit(&mut window, 3, lanes(&[2]));
    admit(&mut window, 4, orderless());
    assert_eq!(ready(&mut window), [1, 4], "what asks for no order waits for nobody");
    window.finish(before, 1);
    assert_eq!(ready(&mut window), [2]);
    window.finish(wall, 2);
    assert_eq!(ready(&mut window), [3]);
}

#[test]
fn a_lane_in_back_off_waits_and_no_other() {
    let mut window = window();
    let refused = admit(&mut window, 1, lanes(&[1]));
    admit(&mut window, 2, lanes(&[1]));
    assert_eq!(ready(&mut window), [1]);
    window.wait_until(refused, Timestamp::from_millis(5));
    admit(&mut window, 3, lanes(&[2]));
    assert_eq!(ready(&mut window), [3]);
    window.elapse(Timestamp::from_millis(4));
    assert!(ready(&mut window).is_empty());
    window.elapse(Timestamp::from_millis(5));
    assert_eq!(ready(&mut window), [1]);
}

#[test]
fn the_finished_prefix_stops_at_the_first_open_position() {
    let mut window = window();
    let first = admit(&mut window, 1, lanes(&[1]));
    let second = admit(&mut window, 2, lanes(&[2]));
    window.finish(second, 7);
    assert_eq!((window.finished(P), window.read(P), window.outcomes_from()), (0, 2, Some(7)));
    window.finish(first, 8);
    assert_eq!((window.finished(P), window.outcomes_from()), (2, None));
}

#[test]
fn a_repeat_bound_of_two_lets_one_go_ahead_of_its_record() {
    let mut window = window();
    let first = admit(&mut window, 1, lanes(&[1]));
    let second = admit(&mut window, 2, lanes(&[1]));
    admit(&mut window, 3, lanes(&[1]));
    assert_eq!(ready(&mut window), [1]);
    window.recording(first);
    window.go_ahead(first, 2);
    assert_eq!(ready(&mut window), [2]);
    window.recording(second);
    window.go_ahead(second, 2);
    assert!(ready(&mut window).is_empty());
    window.finish(first, 1);
    window.finish(second, 2);
    assert_eq!(ready(&mut window), [3]);
}

#[test]
fn what_has_backed_off_at_the_windows_start_for_long_is_stalled() {
    let mut window = window();
    let stuck = admit(&mut window, 1, lanes(&[1]));
    admit(&mut window, 2, lanes(&[2]));
    assert_eq!(ready(&mut window), [1, 2]);
    window.wait_until(stuck, Timestamp::from_millis(1_000));
    assert_eq!(window.stalled(Timestamp::from_millis(1)), [stuck]);
    assert!(window.stalled(Timestamp::from_millis(-1)).is_empty());
}
