//! Delivery: the last hop, from the log's OUT to a system that receives.
//!
//! [`connect`] speaks the receivers' languages: one message in, one answer or one failure out, with no memory of what
//! was sent before. [`window`] and [`parking`] decide what may be sent now, without clock or I/O; [`owner`] is the one
//! task of a destination that drives both over the log. [`destinations`] keeps an owner for each that this process owns.

pub mod act;
pub mod backlog;
pub mod connect;
pub mod destinations;
pub mod metrics;
pub mod owner;
pub mod parking;
pub mod probed;
#[cfg(feature = "mesh")]
pub mod process;
pub mod report;
#[cfg(test)]
mod testing;
mod traced;
pub mod window;
