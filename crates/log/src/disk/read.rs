//! Reading records from segments.
//!
//! Plans are made under the index lock, files are read without it; when compaction has replaced a file in between, the plan is made again. Consecutive
//! records of a subject are read with one `pread` where they lie close together, and handed out as slices of that buffer. Every record is verified each time
//! it is read from disk: body, and that it is the one that was asked for.

use std::io;

use bytes::{Bytes, BytesMut};

use super::files::{self, Part};
use super::format::{Kind, NO_SUBJECT, RECORD_HEADER, RecordHeader};
use super::group::Place;
use super::index::{KeyState, Plan};
use super::shared::Shared;
use super::sidecar;
use crate::{Batch, Damage, Entry, Key, LogError, MAX_NAME_BYTES, MAX_RECORD_BYTES, Position, ReadLimit};

/// Records further apart than this are read apart, in bytes: copying 2 kB costs about what a system call does.
const SPAN_GAP: u64 = 2048;
/// Longest span of several records, in bytes: what one slice that is kept can pin.
const SPAN_BYTES: u64 = 256 << 10;
/// Longest record with its header and name, in bytes: a longer one is a damaged row, and must not become an allocation.
const LONGEST: u32 = (MAX_RECORD_BYTES + RECORD_HEADER + MAX_NAME_BYTES) as u32;
/// How often a plan is made again because files were replaced under it; each time takes a compaction, of which there is one a second.
const REPLANS: usize = 8;

/// Why a stretch could not be read as planned.
enum Miss {
    /// Its files have been replaced: plan again.
    Moved,
    Failed(LogError),
}

impl From<io::Error> for Miss {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound {
            Self::Moved
        } else {
            Self::Failed(LogError::Storage(error.to_string().into()))
        }
    }
}

impl Shared {
    /// Whether the next records of a subject are in a segment that has been sealed for a while, and may have to come from the device.
    pub(super) fn is_cold(&self, id: u32, from: u64) -> bool {
        let index = self.index.read();
        let first = index.marks(id).map_or(from, |(first, ..)| first.max(from));
        matches!(index.plan(id, first, 1), Plan::Rows { .. })
    }

    /// A batch of what was written last; none where it has to be read from a file.
    pub(super) fn read_tail(&self, id: u32, from: u64, limit: ReadLimit) -> Option<Batch> {
        let first = self.index.read().marks(id)?.0;
        if from < first { None } else { self.tail.lock().read(id, from, limit) }
    }

    /// Reads a batch.
    pub(super) fn read_batch(&self, id: u32, from: u64, limit: ReadLimit) -> Result<Batch, LogError> {
        let mut batch = Batch { next: Position(from.max(1)), ..Batch::default() };
        let mut room = limit.bytes;
        let mut replans = 0;
        let mut repaired = None;
        while batch.entries.len() < limit.records.max(1) && (room > 0 || batch.entries.is_empty()) {
            let plan = {
                let index = self.index.read();
                let Some((first, ..)) = index.marks(id) else { break };
                if batch.next.0 < first {
                    batch.next = Position(first);
                    batch.trimmed_to = Some(Position(first));
                }
                index.plan(id, batch.next.0, limit.records.max(1) - batch.entries.len())
            };
            match plan {
                Plan::End => break,
                Plan::Hole { to, place } => lost(&mut batch, to, place),
                plan => match self.stretch(id, &plan, &mut batch, &mut room, &mut repaired) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(Miss::Moved) if replans < REPLANS => replans += 1,
                    Err(Miss::Moved) => return Err(LogError::Storage("segments keep moving".into())),
                    Err(Miss::Failed(error)) => return Err(error),
                },
            }
        }
        Ok(batch)
    }

    /// Reads the records of a plan into the batch; false when the batch is full. A record that is not what its row says may be the row's fault: the sidecar is
    /// checked and made anew then, once a segment (`repaired`), before the record counts as lost.
    fn stretch(
        &self,
        id: u32,
        plan: &Plan,
        batch: &mut Batch,
        room: &mut usize,
        repaired: &mut Option<(u64, u32)>,
    ) -> Result<bool, Miss> {
        let (segment, generation, mut places, from_table) = match plan {
            Plan::Places { segment, generation, places } => (*segment, *generation, places.clone(), false),
            Plan::Rows { segment, generation, row, count } => {
                let file = self.files.get(*segment, *generation, Part::Sidecar)?;
                let rows = sidecar::read_rows(self.seal, *segment, *generation, &*file, *row, *count)?;
                if rows.len() < *count {
                    self.repair(*segment, *generation)?;
                    return Err(Miss::Moved);
                }
                (*segment, *generation, rows, true)
            }
            Plan::End | Plan::Hole { .. } => return Ok(true),
        };
        let full = cut(&mut places, *room, batch.entries.is_empty());
        let file = self.files.get(segment, generation, Part::Data)?;
        for (place, raw) in places.iter().zip(fetch(&*file, &places)?) {
            let position = batch.next;
            match self.verify(id, position.0, &raw) {
                Some(record) => {
                    *room = room.saturating_sub(place.len as usize);
                    batch.next = position.next();
                    batch.entries.push(Entry { position, record });
                }
                None => {
                    if from_table && place.len > 0 && *repaired != Some((segment, generation)) {
                        *repaired = Some((segment, generation));
                        self.repair(segment, generation)?;
                        return Err(Miss::Moved);
                    }
                    let name = files::name(segment, generation, Part::Data);
                    lost(batch, position.0, format!("{name}:{}", place.offset));
                }
            }
        }
        Ok(!full)
    }

    /// The body of a record, if the bytes are that record.
    fn verify(&self, id: u32, position: u64, raw: &Bytes) -> Option<Bytes> {
        let header = RecordHeader::read(self.seal, raw)?;
        let right = header.kind == Kind::Data && header.id == id && header.position == position;
        let start = header.body_start();
        header.body_of(self.seal, raw).filter(|_| right)?;
        Some(raw.slice(start..start + header.body_len()))
    }

    /// The value of a key.
    pub(super) fn read_key(&self, key: &Key) -> Result<Option<(u64, Bytes)>, LogError> {
        for _ in 0..REPLANS {
            let planned = {
                let index = self.index.read();
                let Some(state) = index.keys.get(key).copied() else { return Ok(None) };
                index.segments.get(&state.segment).map(|segment| (state, segment.generation))
            };
            let Some((state, generation)) = planned else { continue };
            match self.read_key_at(key, state, generation) {
                Err(Miss::Moved) => {}
                Err(Miss::Failed(error)) => return Err(error),
                Ok(value) => return Ok(Some((state.revision, value))),
            }
        }
        Err(LogError::Storage("segments keep moving".into()))
    }

    fn read_key_at(&self, key: &Key, state: KeyState, generation: u32) -> Result<Bytes, Miss> {
        let file = self.files.get(state.segment, generation, Part::Data)?;
        let raw = fetch(&*file, &[state.place])?.pop().unwrap_or_default();
        let value = RecordHeader::read(self.seal, &raw).and_then(|header| {
            let right = header.kind == Kind::Put && header.id == NO_SUBJECT && header.position == state.revision;
            let right =
                right && header.name_of(&raw) == Some(key.as_str()) && header.body_of(self.seal, &raw).is_some();
            right.then(|| raw.slice(header.body_start()..header.total()))
        });
        value.ok_or_else(|| {
            let place = format!("{}:{}", files::name(state.segment, generation, Part::Data), state.place.offset);
            Miss::Failed(LogError::Damaged(format!("key {key} in {place}").into()))
        })
    }
}

/// Notes a loss up to `to`, and goes on after it.
fn lost(batch: &mut Batch, to: u64, place: String) {
    let from = batch.next;
    batch.next = Position(to).next();
    match batch.damaged.last_mut() {
        Some(damage) if damage.to.next() == from => damage.to = Position(to),
        _ => batch.damaged.push(Damage { from, to: Position(to), place }),
    }
}

/// Cuts the places to the room there is, but leaves one if the batch is empty. True if something was cut.
fn cut(places: &mut Vec<Place>, room: usize, at_least_one: bool) -> bool {
    let mut bytes = 0usize;
    let fits = places.iter().take_while(|place| {
        bytes = bytes.saturating_add(place.len as usize);
        bytes <= room
    });
    let keep = fits.count().max(usize::from(at_least_one));
    let full = keep < places.len();
    places.truncate(keep);
    full
}

/// Reads the bytes at ascending places; short or empty where the file ends or the record is lost.
pub(super) fn fetch(file: &dyn super::storage::File, places: &[Place]) -> io::Result<Vec<Bytes>> {
    let mut out = Vec::with_capacity(places.len());
    let mut rest = places;
    while let Some(first) = rest.first() {
        let start = u64::from(first.offset);
        let mut end = start + u64::from(first.len.min(LONGEST));
        let mut count = 1;
        for place in rest.iter().skip(1) {
            let (offset, len) = (u64::from(place.offset), u64::from(place.len));
            if place.len == 0
                || first.len == 0
                || offset < end
                || offset - end > SPAN_GAP
                || offset + len - start > SPAN_BYTES
            {
                break;
            }
            end = offset + len;
            count += 1;
        }
        let (span, after) = rest.split_at_checked(count).unwrap_or((rest, &[]));
        let mut buffer = BytesMut::zeroed(usize::try_from(end - start).unwrap_or(0));
        let read = file.read_at(&mut buffer, start)?;
        buffer.truncate(read);
        let buffer = buffer.freeze();
        for place in span {
            let from = usize::try_from(u64::from(place.offset) - start).unwrap_or(usize::MAX);
            let to = from.saturating_add(place.len as usize);
            out.push(if to <= buffer.len() { buffer.slice(from..to) } else { Bytes::new() });
        }
        rest = after;
    }
    Ok(out)
}
