//! Where the n-th segment of an id is, without looking through all before it.
//!
//! The first segments are looked through: that finds nearly everything people ask for, and costs nothing to keep. Only
//! a message that is longer, and asked beyond them, gets an order; then a loop over thousands of observations takes
//! time in proportion to their number, not to its square.

use crate::SegmentId;

/// Segments that are looked through one by one: a cache line or two of ids.
pub(crate) const NEAR: usize = 64;

/// The places of all segments, by id and then by place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Order {
    places: Vec<u32>,
}

impl Order {
    pub(crate) fn of(count: usize, id_of: impl Fn(usize) -> Option<SegmentId>) -> Self {
        let mut places: Vec<u32> = (0..u32::try_from(count).unwrap_or(u32::MAX)).collect();
        // Stable, so that places of one id stay in order.
        places.sort_by_key(|&place| id_of(place as usize));
        Self { places }
    }

    /// The place of the `n`th segment of an id, from 1.
    pub(crate) fn find(&self, id: SegmentId, n: u32, id_of: impl Fn(usize) -> Option<SegmentId>) -> Option<usize> {
        let first = self.places.partition_point(|&place| id_of(place as usize) < Some(id));
        let place = *self.places.get(first.checked_add(n.checked_sub(1)? as usize)?)? as usize;
        (id_of(place) == Some(id)).then_some(place)
    }

    /// Keeps up with a segment that was added; `id_of` knows it already. Gives its number among those of its id, from 0.
    pub(crate) fn inserted(&mut self, at: usize, id_of: impl Fn(usize) -> Option<SegmentId>) -> usize {
        let Ok(new) = u32::try_from(at) else { return 0 };
        for place in &mut self.places {
            *place += u32::from(*place >= new);
        }
        let rank = (id_of(at), new);
        let before = self.places.partition_point(|&place| (id_of(place as usize), place) < rank);
        let first = self.places.partition_point(|&place| id_of(place as usize) < rank.0);
        self.places.insert(before, new);
        before - first
    }

    /// Keeps up with a segment that was removed.
    pub(crate) fn removed(&mut self, at: usize) {
        self.places.retain(|&place| place as usize != at);
        for place in &mut self.places {
            *place -= u32::from(*place as usize > at);
        }
    }
}
