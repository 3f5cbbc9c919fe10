//! Connections: how a listener is opened and a replica dialled, so that no call waits for Nagle's timer.
//!
//! tonic's own way to serve a stream of connections leaves TCP_NODELAY off, and a call then takes 40 ms. So every listener
//! is opened by [`listen`] and every connection made by [`dial`](dial::Dial), both of which set it.

pub(crate) mod dial;
mod io;
mod listener;
pub mod tls;

#[cfg(test)]
pub(crate) use listener::in_process;
pub use listener::{ListenError, Listener, listen};
