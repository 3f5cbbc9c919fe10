//! Mappings and the apply stage: what a channel and its routes change in a message.

mod apply;
pub mod document;
mod mapping;
mod program;

pub use apply::Apply;
pub use mapping::Mapping;
pub use program::{Applied, ApplyInput, ChannelProgram, Outgoing, RouteOutput, RouteProgram, RouteResult, RouteTarget};
