//! The fast path of duplicate detection at the listeners: what was made durable lately.
//!
//! It spares a resend its way through the log, and lets a control id that comes again with other bytes be refused while
//! its sender still waits. It is written after the append is durable, is bounded, and may forget: the partition's owner
//! is the judge.

use std::collections::{HashMap, VecDeque};
use std::hash::Hasher as _;
use std::time::Duration;

use barid_model::{Digest, Envelope, MessageUid, Timestamp};
use parking_lot::Mutex;
use siphasher::sip::SipHasher13;

use crate::accept::Seen;

/// Messages remembered: some seconds of full load, which is when a sender that missed its answer comes again. About 100
/// bytes each.
const REMEMBERED: usize = 16_384;

struct Entry {
    digest: Digest,
    uid: MessageUid,
    received: Timestamp,
}

#[derive(Default)]
struct Memory {
    entries: HashMap<u64, Entry>,
    order: VecDeque<u64>,
}

/// What was made durable lately.
#[derive(Default)]
pub struct Recent(Mutex<Memory>);

impl Recent {
    /// Remembers a message that is durable.
    pub fn insert(&self, key: u64, envelope: &Envelope) {
        let mut memory = self.0.lock();
        let entry = Entry { digest: envelope.digest, uid: envelope.uid, received: envelope.received };
        if memory.entries.insert(key, entry).is_none() {
            memory.order.push_back(key);
        }
        if memory.order.len() > REMEMBERED
            && let Some(oldest) = memory.order.pop_front()
        {
            memory.entries.remove(&oldest);
        }
    }

    /// Whether this message came before, within the channel's window.
    pub fn seen(&self, envelope: &Envelope, window: Duration) -> Seen {
        let memory = self.0.lock();
        let Some(entry) = memory.entries.get(&key(envelope)) else { return Seen::No };
        if envelope.received.since(entry.received) > window {
            Seen::No
        } else if entry.digest == envelope.digest {
            Seen::Same(entry.uid)
        } else {
            Seen::OtherBytes
        }
    }
}

/// The place of a message in the memory: its facility and control id.
pub(super) fn key(envelope: &Envelope) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(envelope.facility.name.as_bytes());
    hasher.write_u8(0);
    hasher.write(&envelope.control_id);
    hasher.finish()
}
