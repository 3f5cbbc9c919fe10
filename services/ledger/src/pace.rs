//! How soon the history reads on: while messages come fast it leaves the processor to them, up to a bound.
//!
//! To write the history costs a quarter of what it costs to take a message. Senders wait for their acknowledgement and receivers for the message; who reads the
//! history can wait some seconds. So in a busy moment the feed takes a batch now and then, and catches up when the moment is over. A load that never ends does not
//! leave it behind for ever: past the bound it takes its share.

use std::time::Duration;

use tokio::time::Instant;

/// How often it looks: what collects meanwhile is one transaction, in which most messages are whole and are written once.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often it takes a batch in a busy moment.
const BUSY_EVERY: Duration = Duration::from_secs(1);
/// Records a second from which on a moment is busy: a fifth of what two cores can take.
const BUSY: u64 = 10_000;
/// So many records behind it gives way no longer: some eight seconds of all that two cores can take.
const BEHIND_MAX: u64 = 400_000;

/// The feed's pace.
pub(crate) struct Pace {
    /// Records of the log that the feed has seen to exist, and when.
    seen: Option<(u64, Instant)>,
}

impl Pace {
    pub(crate) const fn new() -> Self {
        Self { seen: None }
    }

    /// How long to wait after a round, where `end` is how many records there are, `behind` how many of them are not read, and `full` that the round had to leave
    /// some.
    pub(crate) fn wait(&mut self, now: Instant, end: u64, behind: u64, full: bool) -> Duration {
        let before = self.seen.replace((end, now));
        let busy = before.is_some_and(|(known, at)| {
            let micros = now.saturating_duration_since(at).as_micros().max(1);
            u128::from(end.saturating_sub(known)) * 1_000_000 > u128::from(BUSY) * micros
        });
        match (busy, full) {
            (true, _) if behind < BEHIND_MAX => BUSY_EVERY,
            (_, true) => Duration::ZERO,
            (_, false) => LOOK_EVERY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(pace: &mut Pace, start: Instant, millis: u64, end: u64, behind: u64) -> Duration {
        pace.wait(start + Duration::from_millis(millis), end, behind, behind > 0)
    }

    #[test]
    fn the_history_gives_way_while_messages_come_fast_and_catches_up_after() {
        let (mut pace, start) = (Pace::new(), Instant::now());
        assert_eq!(after(&mut pace, start, 0, 1_000, 0), LOOK_EVERY);
        assert_eq!(after(&mut pace, start, 50, 1_010, 0), LOOK_EVERY, "some messages are no reason to wait");
        assert_eq!(after(&mut pace, start, 100, 3_000, 1_500), BUSY_EVERY);
        assert_eq!(after(&mut pace, start, 600, 30_000, 25_000), BUSY_EVERY);
        assert_eq!(after(&mut pace, start, 1_100, 30_100, 20_000), Duration::ZERO, "the moment is over");
    }

    #[test]
    fn a_load_without_end_does_not_leave_the_history_behind_for_ever() {
        let (mut pace, start) = (Pace::new(), Instant::now());
        assert_eq!(after(&mut pace, start, 0, 0, 0), LOOK_EVERY);
        assert_eq!(after(&mut pace, start, 500, 500_000, BEHIND_MAX - 1), BUSY_EVERY);
        assert_eq!(after(&mut pace, start, 1_000, 600_000, BEHIND_MAX), Duration::ZERO);
    }

    #[test]
    fn a_start_that_finds_much_unread_reads_it_at_once() {
        assert_eq!(after(&mut Pace::new(), Instant::now(), 0, 900_000, 300_000), Duration::ZERO);
    }
}
