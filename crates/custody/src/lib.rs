//! What all who hold custody share through the log: channels by the revision a message was accepted under, the last settings
//! of destinations, and pauses by command.
//!
//! Listeners, routers and owners of destinations use these whether they are one process or many; each is a view of keys of
//! the log, and who changes a key does so by compare-and-set. Left to others: what is done by them.

pub mod act;
mod admission;
mod channels;
mod kind;
mod pauses;
pub mod remembered;
pub mod retired;
pub mod tried;

pub use admission::{Full, NotAdmitted, admit};
pub use channels::{Channels, program};
pub use kind::kind;
pub use pauses::{Pause, Pauses, What};
