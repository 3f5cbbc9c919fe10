//! The router: reads accepted messages in order, has them mapped, and writes what goes where.
//!
//! It owns a partition: it judges resends ([`judge`]), calls the apply stage, turns its answer into OUT records, one
//! ROUTED record and chained messages ([`fanout`]), and commits how far it came ([`router`]). It never waits for one
//! message: a failed mapping becomes an OUT record that is set aside, a closed destination is the delivery's matter.
//! After a crash a rerun completes what was written in part and writes nothing twice, because each output names its
//! source. It knows the log and the stage only as traits.

pub mod answer;
pub mod commit;
pub mod fanout;
pub mod intake;
pub mod joint;
pub mod judge;
pub mod memory;
pub mod outputs;
pub mod router;
pub mod subject;
pub mod supervise;
mod traced;

pub use intake::{Durable, Intake, Submitted};
pub use joint::{Chain, Joint};
pub use router::{Handle, Options, Program, Programs, Router, RouterError};
pub use supervise::supervise;
