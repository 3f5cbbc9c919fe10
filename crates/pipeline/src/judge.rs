//! The duplicate judge of a partition (G3): a sender's resend is recognised, and only what is certain is dropped.
//!
//! The memory holds *where* a message with this facility and control id stands in IN, the log holds *what* it was: 16
//! bytes a message here, and a suspicion is settled by reading the record and comparing facility, control id and
//! SHA-256. A clash of hashes can so never drop a message. The memory is bounded per facility and per partition, is
//! checkpointed beside the router's commit, and is filled up from IN behind the checkpoint when a router starts.

use std::collections::{HashMap, VecDeque};
use std::hash::Hasher;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use siphasher::sip::SipHasher13;

/// Most messages remembered of one facility: a busy laboratory's last hours; a resend comes within minutes.
pub const PER_FACILITY_MAX: usize = 20_000;
/// Most messages remembered in one partition, so that a checkpoint fits the log's largest value (1 MiB).
pub const PER_PARTITION_MAX: usize = 60_000;
/// Control ids that were used again by messages read ahead of the commit, of which the earlier place is kept: a router is some thousand messages ahead.
const DISPLACED_MAX: usize = 8_192;
/// Most bytes of a facility's name in a checkpoint.
const NAME_BYTES_MAX: usize = 512;
/// Says how far it reaches.
const CHECKPOINT_VERSION: u8 = 2;
/// Did not.
const CHECKPOINT_WITHOUT_POSITION: u8 = 1;

/// What one facility sent, oldest first.
#[derive(Debug, Default, Clone, PartialEq)]
struct Facility {
    positions: HashMap<u64, u64>,
    order: VecDeque<u64>,
}

impl Facility {
    fn forget_oldest(&mut self) -> bool {
        match self.order.pop_front() {
            Some(oldest) => {
                self.positions.remove(&oldest);
                true
            }
            None => false,
        }
    }
}

/// Where messages of a partition stand, by facility and control id.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Memory {
    facilities: HashMap<Arc<str>, Facility>,
    entries: usize,
    /// Oldest first.
    displaced: VecDeque<Displaced>,
}

/// A control id that was remembered at another place before.
#[derive(Debug, Clone, PartialEq)]
struct Displaced {
    facility: Arc<str>,
    hash: u64,
    before: u64,
    by: u64,
}

impl Memory {
    /// The position of the newest message remembered under this facility and control id: a suspicion, to be settled
    /// against the record there.
    #[must_use]
    pub fn suspect(&self, facility: &str, control_id: &[u8]) -> Option<u64> {
        self.facilities.get(facility)?.positions.get(&hash(control_id)).copied()
    }

    /// Remembers a message that was not dropped.
    pub fn insert(&mut self, facility: &Arc<str>, control_id: &[u8], position: u64) {
        let hash = hash(control_id);
        let entry = self.facilities.entry(Arc::clone(facility)).or_default();
        if let Some(before) = entry.positions.insert(hash, position) {
            if self.displaced.len() >= DISPLACED_MAX {
                self.displaced.pop_front();
            }
            self.displaced.push_back(Displaced { facility: Arc::clone(facility), hash, before, by: position });
            return;
        }
        entry.order.push_back(hash);
        self.entries += 1;
        if entry.order.len() > PER_FACILITY_MAX && entry.forget_oldest() {
            self.entries -= 1;
        }
        if self.entries > PER_PARTITION_MAX {
            self.forget_of_largest();
        }
    }

    /// How many messages are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The facility that takes most room gives way, so that a busy one cannot empty the memory of a quiet one.
    fn forget_of_largest(&mut self) {
        let largest = self.facilities.values_mut().max_by_key(|facility| facility.order.len());
        if largest.is_some_and(Facility::forget_oldest) {
            self.entries -= 1;
        }
    }

    /// Everything up to here is committed: where it stood before is not needed any more.
    pub fn committed(&mut self, position: u64) {
        self.displaced.retain(|displaced| displaced.by > position);
    }

    /// The memory as bytes, to stand in the log beside the commit that names `position`: all up to there is in it. A control id that was used again behind it
    /// stands where it was up to there, since who begins at the commit judges what comes in between by that.
    #[must_use]
    pub fn checkpoint(&self, position: u64) -> Bytes {
        let mut bytes = BytesMut::with_capacity(16 + self.entries * 16);
        bytes.put_u8(CHECKPOINT_VERSION);
        bytes.put_u64(position);
        let mut before: HashMap<(&str, u64), u64> = HashMap::new();
        for displaced in self.displaced.iter().filter(|displaced| displaced.by > position) {
            before.entry((&displaced.facility, displaced.hash)).or_insert(displaced.before);
        }
        for (name, facility) in &self.facilities {
            if name.len() > NAME_BYTES_MAX {
                continue;
            }
            bytes.put_u16(u16::try_from(name.len()).unwrap_or(0));
            bytes.put_slice(name.as_bytes());
            bytes.put_u32(u32::try_from(facility.order.len()).unwrap_or(0));
            for hash in &facility.order {
                let newest = facility.positions.get(hash).copied().unwrap_or(0);
                bytes.put_u64(*hash);
                bytes.put_u64(before.get(&(&**name, *hash)).copied().unwrap_or(newest));
            }
        }
        bytes.freeze()
    }

    /// Reads a checkpoint and how far it reaches, where it says so; what is cut off or of another version is not believed, and the
    /// memory begins empty: a resend may then be delivered again, marked by nothing, but no message is dropped.
    #[must_use]
    pub fn restore(mut bytes: Bytes) -> Option<(Self, Option<u64>)> {
        let mut memory = Self::default();
        let position = match take(&mut bytes, 1)?.get_u8() {
            CHECKPOINT_VERSION => Some(take(&mut bytes, 8)?.get_u64()),
            CHECKPOINT_WITHOUT_POSITION => None,
            _ => return None,
        };
        while !bytes.is_empty() {
            let name = take(&mut bytes, 2).map(|mut b| usize::from(b.get_u16()))?;
            let name: Arc<str> = std::str::from_utf8(&take(&mut bytes, name)?).ok()?.into();
            let count = take(&mut bytes, 4)?.get_u32() as usize;
            let mut facility = Facility::default();
            for _ in 0..count.min(PER_FACILITY_MAX) {
                let mut pair = take(&mut bytes, 16)?;
                let hash = pair.get_u64();
                facility.positions.insert(hash, pair.get_u64());
                facility.order.push_back(hash);
            }
            memory.entries += facility.order.len();
            memory.facilities.insert(name, facility);
        }
        Some((memory, position))
    }
}

fn take(bytes: &mut Bytes, count: usize) -> Option<Bytes> {
    (bytes.len() >= count).then(|| bytes.split_to(count))
}

fn hash(control_id: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(control_id);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_suspected_by_facility_and_control_id_alone() {
        let mut memory = Memory::default();
        let (chn, lab) = (Arc::from("chn"), Arc::from("lab"));
        memory.insert(&chn, b"1", 10);
        assert_eq!(memory.suspect("chn", b"1"), Some(10));
        assert_eq!(memory.suspect("chn", b"2"), None);
        assert_eq!(memory.suspect(&lab as &str, b"1"), None);
        memory.insert(&chn, b"1", 20);
        assert_eq!(memory.suspect("chn", b"1"), Some(20));
        assert_eq!(memory.len(), 1);
    }

    #[test]
    fn the_memory_of_a_facility_is_bounded_and_forgets_the_oldest() {
        let mut memory = Memory::default();
        let chn = Arc::from("chn");
        for i in 0..=PER_FACILITY_MAX {
            memory.insert(&chn, i.to_string().as_bytes(), i as u64 + 1);
        }
        assert_eq!(memory.len(), PER_FACILITY_MAX);
        assert_eq!(memory.suspect("chn", b"0"), None);
        assert_eq!(memory.suspect("chn", b"1"), Some(2));
    }

    #[test]
    fn a_busy_facility_does_not_empty_the_memory_of_a_quiet_one() {
        let mut memory = Memory::default();
        let quiet: Arc<str> = Arc::from("quiet");
        memory.insert(&quiet, b"only", 1);
        for facility in 0..4 {
            let busy: Arc<str> = Arc::from(format!("busy{facility}"));
            for i in 0..PER_FACILITY_MAX {
                memory.insert(&busy, i.to_string().as_bytes(), i as u64 + 1);
            }
        }
        assert!(memory.len() <= PER_PARTITION_MAX);
        assert_eq!(memory.suspect("quiet", b"only"), Some(1));
    }

    #[test]
    fn a_full_checkpoint_fits_a_value_of_the_log_and_restores_the_same_memory() {
        let mut memory = Memory::default();
        for facility in 0..6 {
            let name: Arc<str> = Arc::from(format!("default/facility-with-a-long-name-{facility}"));
            for i in 0..PER_FACILITY_MAX {
                memory.insert(&name, i.to_string().as_bytes(), i as u64 + 1);
            }
        }
        let checkpoint = memory.checkpoint(7);
        assert!(checkpoint.len() <= barid_log::MAX_VALUE_BYTES, "{}", checkpoint.len());
        assert_eq!(Memory::restore(checkpoint), Some((memory, Some(7))));
    }

    #[test]
    fn a_control_id_that_was_used_again_behind_the_commit_stands_where_it_was_before_it() {
        let mut memory = Memory::default();
        let chn = Arc::from("chn");
        for position in [90, 110, 120] {
            memory.insert(&chn, b"1", position);
        }
        memory.insert(&chn, b"2", 130);
        let restored = |memory: &Memory, at| Memory::restore(memory.checkpoint(at)).unwrap().0;
        assert_eq!(restored(&memory, 100).suspect("chn", b"1"), Some(90));
        assert_eq!(restored(&memory, 115).suspect("chn", b"1"), Some(110));
        assert_eq!(restored(&memory, 120).suspect("chn", b"1"), Some(120));
        assert_eq!(restored(&memory, 100).suspect("chn", b"2"), Some(130));
        memory.committed(115);
        assert_eq!((memory.displaced.len(), memory.suspect("chn", b"1")), (1, Some(120)));
    }

    #[test]
    fn a_checkpoint_of_the_first_version_is_read() {
        let mut bytes = vec![1, 0, 3];
        bytes.extend(b"chn");
        bytes.extend(1_u32.to_be_bytes());
        bytes.extend(hash(b"1").to_be_bytes());
        bytes.extend(10_u64.to_be_bytes());
        let (memory, position) = Memory::restore(bytes.into()).unwrap();
        assert_eq!((memory.suspect("chn", b"1"), position), (Some(10), None));
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_restore_to_nothing_or_a_bounded_memory(bytes in proptest::collection::vec(0_u8.., 0..400)) {
            let (memory, _) = Memory::restore(Bytes::from(bytes)).unwrap_or_default();
            proptest::prop_assert!(memory.len() < 40);
        }
    }
}
