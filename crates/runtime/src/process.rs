//! One process, from start to exit code.
//!
//! The life cycle is fixed: logging, configuration, bind, build, ready, run, signal, drain with a deadline, exit. A service makes a [`Process`], spawns its
//! tasks, marks its parts ready and calls [`Process::run`], which ends when everything has.

use std::time::Duration;

use crate::admin::Readiness;
use crate::exit::Exit;
use crate::shutdown::{Drain, Shutdown};
use crate::task::{Kind, Tasks};

/// What every part of a process needs of it.
#[derive(Clone)]
pub struct Process {
    /// Starts tasks.
    pub tasks: Tasks,
    /// Begins the drain.
    pub shutdown: Shutdown,
    /// What is ready and what is not.
    pub readiness: Readiness,
}

impl Process {
    /// A process whose drain may take `grace`.
    #[must_use]
    pub fn new(grace: Duration) -> Self {
        let shutdown = Shutdown::new(grace);
        Self { tasks: Tasks::new(shutdown.clone()), readiness: Readiness::default(), shutdown }
    }

    /// A handle for who works.
    #[must_use]
    pub fn drain(&self) -> Drain {
        self.shutdown.drain()
    }

    /// Runs until a signal or the end of a critical task, drains, and says how it ended.
    pub async fn run(&self) -> Exit {
        self.tasks.spawn(Kind::Background, "signals", self.shutdown.clone().on_signals());
        let deadline = self.shutdown.drain().started().await;
        self.readiness.part("process").not_ready("draining");
        let drained = self.tasks.finish(deadline).await;
        let exit = match (self.tasks.failure(), self.shutdown.exit()) {
            (Some(failure), _) => failure,
            (None, _) if !drained => Exit::Undrained,
            (None, exit) => exit.unwrap_or_default(),
        };
        tracing::info!(code = exit.code(), drained, "stopped");
        crate::otlp::flush().await;
        exit
    }
}

#[cfg(test)]
mod tests;
