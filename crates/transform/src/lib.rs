//! Mappings and the apply stage: what a channel and its routes change in a message.
//!
//! [`document`] is what people write, [`Mapping`] what it is compiled to, and [`Apply`] the stage that runs a channel's
//! revision on a message: filter, the channel's own steps, then for each route its condition, its steps and the bytes
//! to send. The stage is a pure function: its clock is the received time, its randomness none, and what it may do is
//! counted in steps, so that a rerun on another machine gives the same bytes or the same failure.
//!
//! A message is indexed once. Steps edit an `hl7::Draft`, which copies a segment when it is first changed and leaves
//! every other byte alone; each route continues on a cheap clone, and a message that nobody changed goes out as the
//! very bytes that came in.
//!
//! Left to others: expressions (`expr`), which channel takes a message (`validate`), what is done with the outputs
//! (`pipeline`).

mod apply;
mod compile;
pub mod document;
mod facts;
mod failure;
mod mapping;
mod program;
mod run;
mod table;
mod trace;

#[cfg(test)]
mod tests;

pub use apply::Apply;
pub use compile::{APPLY_DEPTH_MAX, CompileEnv, Library, STEPS_MAX, StepError, Unresolved};
pub use facts::Context;
pub use failure::StepFailure;
pub use mapping::Mapping;
pub use program::{Applied, ApplyInput, ChannelProgram, Outgoing, RouteOutput, RouteProgram, RouteResult, RouteTarget};
pub use run::STEPS_A_MAPPING;
pub use table::{ROWS_MAX, Row, RowError, Table};
pub use trace::{CHANGES_MAX, Change, Done, Trace, TracedStep};
