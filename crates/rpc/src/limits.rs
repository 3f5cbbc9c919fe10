//! Bounds of calls, each with unit and reason. Both ends of a call are ours, so both keep to the same ones.

use std::time::Duration;

/// Largest message of a call in bytes, either way: a scanned document of 16 MiB for three routes that all change it.
pub const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// Bytes of a call besides the messages' own: what encoding adds to a single item of the largest size.
pub const OVERHEAD_BYTES: usize = 1 << 20;
/// Most items of a call: enough that a call's own cost (40 µs) is nothing beside what they cost.
pub const BATCH_ITEMS_MAX: usize = 128;
/// Most bytes of a call of several items: what a replica maps in about 50 ms, so that no item waits long for its neighbours.
pub const BATCH_BYTES_MAX: usize = 4 << 20;
/// Calls to one replica at once: one that computes, one on its way. More, and under load each carries less: with 4, a tenth fewer messages a second.
pub const CALLS_A_REPLICA: usize = 2;
/// Items that wait for a call; more wait outside, at whoever makes them.
pub const QUEUE_ITEMS_MAX: usize = 4_096;
/// Calls that a server reads from one connection at once; the next one stays in the network.
pub const CALLS_A_CONNECTION: usize = 16;
/// Calls that a server computes or holds ready at once, beyond which it says so and the caller asks another: in the worst
/// case this many times [`MESSAGE_BYTES_MAX`], usually this many times some kilobytes.
pub const CALLS_HELD: usize = 64;
/// How long a call may take, all its tries included, besides [`per_byte`].
pub const DEADLINE: Duration = Duration::from_secs(2);
/// How long one try may take before another replica is asked, besides [`per_byte`].
pub const ATTEMPT: Duration = Duration::from_millis(800);
/// How long a call waits for any replica to be there; who calls has its own patience.
pub const NO_REPLICA: Duration = Duration::from_millis(500);
/// How long a replica that did not answer in time is passed over, where there are others.
pub const SUSPECT: Duration = Duration::from_secs(2);
/// How long a connection may take to be made, TLS included.
pub const CONNECT: Duration = Duration::from_secs(2);
/// Wait before a lost replica is tried again: first, and at most.
pub const RECONNECT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How often names are looked up again: replicas come and go.
pub const RESOLVE_EVERY: Duration = Duration::from_secs(2);
/// How often an idle connection is asked for a sign of life, and how long that may take: a frozen replica is found out
/// within the sum.
pub const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(2));
/// How long a TLS handshake at a listener may take.
pub const HANDSHAKE: Duration = Duration::from_secs(5);
/// Handshakes of one listener at once.
pub const HANDSHAKES_MAX: usize = 64;
/// How long a served call waits for a revision that it has to fetch, within its own deadline.
pub const REVISION_WAIT: Duration = Duration::from_millis(600);
/// Time that a server leaves for its answer to arrive before the caller's deadline.
pub const ANSWER_MARGIN: Duration = Duration::from_millis(50);

/// What the bytes of a call add to its times: 16 MiB a second, a network that is nearly full.
#[must_use]
pub fn per_byte(bytes: usize) -> Duration {
    Duration::from_nanos(u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(60))
}
