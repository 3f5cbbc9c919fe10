//! The shell of a process: everything around the stages that is the same whatever the process does.
//!
//! Only this crate sees the wall clock, the environment, signals and standard error; everything else is handed a clock, options and a [`Drain`]. A process
//! is a [`Process`]: tasks whose kind says what their end means ([`task`]), a shutdown that drains with a deadline ([`shutdown`]), what is ready and what is
//! not ([`admin`]), and commands over a socket in the data directory ([`control`]). Every way to end has its [`Exit`] code.
//!
//! What it leaves to others: it knows no message, no stage and no log; the engine behind [`control::Commands`] is wired in the services.

pub mod admin;
pub mod clock;
pub mod control;
pub mod environment;
pub mod exit;
mod openmetrics;
pub mod otlp;
pub mod process;
pub mod shutdown;
pub mod task;
pub mod telemetry;
pub mod time;

pub use clock::SystemClock;
pub use exit::{Exit, Failure};
pub use process::Process;
pub use shutdown::{Drain, Shutdown};
pub use task::{Kind, Tasks};
