//! The admin endpoint: whether the process lives, whether it is ready, and its metrics. Loopback by default, plain HTTP, read only.
//!
//! Commands do not go here but over the control socket, whose file permissions say who may.

mod exemplar;
mod metrics;
mod readiness;
mod server;
#[cfg(test)]
mod tests;

pub use exemplar::{Timed, observe};
pub use metrics::registry;
pub use readiness::{NotReady, Part, Readiness};
pub use server::{AdminError, Bound, DEFAULT_ADDRESS, bind};
