//! Barid in one process, and its tool.
//!
//! [`engine`] hosts every stage over an embedded log: no server to install, and the same stages that the mesh runs apart. [`cli`] is the command line: it
//! starts the engine, works on documents and messages without one, and speaks to a running one over its control socket. [`send`] is its load client. Nothing clinical is decided here.

pub mod cli;
pub mod engine;
mod file;
pub mod send;
mod tls;
mod trial;
pub mod view;
