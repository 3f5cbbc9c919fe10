//! The nouns of Barid: what every stage, log and tool means by a message, a lane, a delivery and an outcome.
//!
//! Nothing here does I/O, reads a clock or knows a transport: these types are what all parts agree on, so they must be
//! free to use anywhere. The records that go into the log are written and read here ([`record`]), because the log
//! itself treats them as opaque bytes and every reader needs the same meaning.

pub mod clock;
pub mod dry_run;
pub mod envelope;
pub mod error;
pub mod finding;
pub mod id;
pub mod lane;
pub mod name;
pub mod outcome;
pub mod payload;
pub mod record;
pub mod stage;

pub use clock::{Clock, ManualClock, Timestamp};
pub use dry_run::{DryEnd, DryPiece, DryRouting, DryRun, DryRunResult};
pub use envelope::{Cause, Envelope, FacilityRef, Format, MessageType, SearchKey, Waits};
pub use error::ErrorClass;
pub use finding::{Finding, Severity};
pub use id::{DeliveryId, Digest, MessageUid, Revision};
pub use lane::{Lane, LaneHasher, LaneKind, Lanes, Partition, Partitions};
pub use name::Name;
pub use outcome::{Disposition, Outcome};
pub use payload::Payload;
