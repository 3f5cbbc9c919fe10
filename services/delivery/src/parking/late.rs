//! What was parked after something that comes behind it in OUT: it was on its way when its lane was closed. The order of OUT is
//! the one that counts, so what stands before it in PARK waits for it.

use std::sync::Arc;

use barid_model::Lanes;
use barid_model::record::{OutRecord, Parked};

use super::{Parking, order};

/// The place of a record that is being written: behind everything.
const WRITING: u64 = u64::MAX;

#[derive(Debug)]
pub(super) struct Late {
    pub(super) position: u64,
    pub(super) order: u64,
    pub(super) lanes: Lanes,
}

impl Parking {
    /// Notes what is parked after something that comes behind it in OUT.
    pub(super) fn note_order(&mut self, record: &OutRecord, why: Parked, out: u64) {
        if record.lanes == Lanes::None {
            return;
        }
        let facility = self.facilities.entry(Arc::clone(&record.facility)).or_default();
        let order = order(why, out);
        if order < facility.highest {
            facility.late.push(Late { position: WRITING, order, lanes: record.lanes.clone() });
        } else if why != Parked::Rerun {
            facility.highest = out;
        }
    }

    /// A reserved record stands in PARK at this position.
    pub(super) fn late_stands(&mut self, position: u64, order: u64, facility: &Arc<str>) {
        let Some(park) = self.facilities.get_mut(facility) else { return };
        if let Some(late) = park.late.iter_mut().find(|late| late.order == order && late.position == WRITING) {
            late.position = position;
        }
    }

    /// Where the facility has to be looked through again when this record is out of the way: what was parked before it
    /// and comes after it in OUT has waited for it, whatever its lanes.
    pub(super) fn waited_for_late(&self, position: u64, facility: &Arc<str>) -> Option<u64> {
        let park = self.facilities.get(facility)?;
        park.late.iter().any(|late| late.position == position).then_some(park.first)
    }
}
