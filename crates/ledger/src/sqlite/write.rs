//! Rows out of what a batch said.

pub(super) mod aside;
pub(super) mod delivery;
pub(super) mod message;
pub(super) mod steps;
