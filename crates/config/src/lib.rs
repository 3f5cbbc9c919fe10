//! Documents to a checked snapshot: what `barid run`, `barid check` and the operator share.
//!
//! [`load_dir`] reads a folder of YAML and JSON into [`Sources`]; [`compile()`] makes a [`Snapshot`] of them and a list
//! of [`Problem`]s, each with file, line, field and remedy. Compilation is per document: one that is wrong keeps its
//! last good version and stops nobody else. Reading the folder is the only I/O here; when to read it again is the
//! caller's business, as are clocks, sockets and secrets, which a snapshot only names.

mod certificates;
mod compile;
mod diff;
pub mod document;
mod explain;
mod expression;
mod load;
mod pack;
mod problem;
mod read;
pub mod settings;
mod snapshot;
pub mod testing;
mod watch;
mod yaml;

pub use compile::{ClosureError, Compiled, Layer, Setting, compile};
pub use diff::{Change, FieldChange, What, diff};
pub use explain::explain;
pub use expression::Expression;
pub use load::{DOCUMENTS_MAX, FILE_BYTES_MAX, Sources, load_dir};
pub use pack::{Packed, UnpackError};
pub use problem::{Problem, ProblemSeverity};
pub use settings::{Connect, DestinationSpec, ExchangeSpec, FacilitySpec, ListenerSpec};
pub use snapshot::{Channel, RestoreError, Sender, Snapshot};
pub use watch::Watcher;
