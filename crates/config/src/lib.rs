//! Documents to a checked snapshot: what `barid run`, `barid check` and the operator share.
//!
//! [`load_dir`] reads a folder of YAML and JSON into [`Sources`]; [`compile`] makes a [`Snapshot`] of them and a list
//! of [`Problem`]s, each with file, line, field and remedy. Compilation is per document: one that is wrong keeps its
//! last good version and stops nobody else. Reading the folder is the only I/O here; when to read it again is the
//! caller's business, as are clocks, sockets and secrets, which a snapshot only names.

pub mod document;
mod expression;
mod problem;
mod read;
pub mod settings;
mod snapshot;
mod yaml;

pub use expression::Expression;
pub use problem::{Problem, ProblemSeverity};
pub use settings::{Connect, DestinationSpec, ExchangeSpec, FacilitySpec, ListenerSpec};
pub use snapshot::{Channel, Snapshot};

#[path = "../../transform/src/document/mod.rs"]
mod transform_document;
