//! Commands to a running engine, over a Unix socket in its data directory.
//!
//! [`Commands`] is what an engine can be asked and told; the engine implements it, and so does [`Client`], so that a tool cannot tell a running engine from a
//! data directory opened without one. The words that travel are in [`protocol`]: JSON over HTTP, one path a command, so that `curl --unix-socket` works too.
//! Who may is decided by the permissions of the directory and the socket (0600), as for any file of the engine.
//!
//! Lists are bounded: a page has at most [`protocol::PAGE_ROWS_MAX`] rows and a cursor for the next one; it travels as one JSON object a line.

mod client;
mod commands;
pub mod protocol;
mod server;
mod socket;
#[cfg(test)]
mod tests;

pub use client::Client;
pub use commands::{CommandError, CommandResult, Commands, ErrorKind};
pub use server::{Control, ControlError, bind};
pub use socket::{SOCKET_FILE, SocketError, locate};
