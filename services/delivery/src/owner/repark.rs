//! Keeps PARK short. The log gives a subject back from its start only, so one delivery that was set aside and that nobody
//! decides on would keep everything that was parked behind it, for ever.
//!
//! Where nearly all of PARK is over, the oldest that are set aside are written again at its end, a few at a time. Only those:
//! they stand in nobody's way, while what waits in a lane goes on when that does.

use std::sync::Arc;

use barid_log::{Position, ReadLimit};
use barid_model::record::{ParkEvent, Parked, Record as _};
use barid_pipeline::subject;

use super::write::Over;
use super::{Owner, OwnerError};

/// Records up to which PARK is left alone: so few cost less than writing again. (Fewer in tests, so that they reach it.)
const SPAN_MIN: u64 = if cfg!(test) { 64 } else { 16_384 };
/// One in so many may stand at most: a record is written again once for so many others that have ended.
const ONE_IN: u64 = 8;
/// Records looked at each time, with a commit, and their bytes: little beside what is delivered meanwhile.
const AT_ONCE: ReadLimit = ReadLimit { records: 64, bytes: 1 << 20 };

impl Owner {
    /// Parks the oldest again that are set aside, where they keep much that is over.
    pub(super) async fn repark(&mut self) -> Result<(), OwnerError> {
        let (first, span) = self.parking.span();
        if self.stopping || span < SPAN_MIN || self.parking.standing() > span / ONE_IN {
            return Ok(());
        }
        let park = subject::park(&self.options.destination)?;
        let batch = self.options.log.read(&park, Position(first), AT_ONCE).await?;
        for entry in batch.entries {
            let position = entry.position.0;
            // What a person has just decided on is out of the way soon.
            if self.parking.has_ended(position) || self.parking.is_decided(position) {
                continue;
            }
            let event = ParkEvent::decode(entry.record).map_err(|source| OwnerError::Record {
                subject: park.to_string(),
                position,
                source,
            })?;
            let ParkEvent::Parked(record) = event else { continue };
            if record.why != Parked::Quarantined {
                return Ok(());
            }
            // A person who names this place now is told to look again.
            self.parking.decide(position);
            let delivery = Arc::new(record.delivery.clone());
            let over = Over { position, why: record.why, out: record.out, record: delivery };
            self.write_again(*record, None, over, None);
        }
        Ok(())
    }
}
