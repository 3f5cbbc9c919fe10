//! Stopping: a first signal drains with a deadline, a second one ends the process at once.
//!
//! Nothing accepted depends on a drain: custody lies in the log, so that a process that is killed loses time, not messages. The drain is a courtesy to
//! senders (their last messages are answered) and to destinations (fewer repeats). Whoever works holds a [`Drain`] and stops taking new work when it starts.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::exit::Exit;

/// How long a drain may take where nothing says otherwise: below the 30 s that init systems and Kubernetes wait before they kill.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(25);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Draining { deadline: Instant, exit: Exit },
}

/// Starts the drain; cloned to whoever may decide that.
#[derive(Debug, Clone)]
pub struct Shutdown {
    state: watch::Sender<State>,
    grace: Duration,
}

impl Shutdown {
    /// A shutdown whose drain may take `grace`.
    #[must_use]
    pub fn new(grace: Duration) -> Self {
        let (state, _) = watch::channel(State::Running);
        Self { state, grace }
    }

    /// Starts the drain, for this reason and with this exit code at its end. The first call decides; later ones change nothing.
    pub fn begin(&self, why: &str, exit: Exit) {
        let deadline = Instant::now() + self.grace;
        let began = self.state.send_if_modified(|state| {
            let running = *state == State::Running;
            if running {
                *state = State::Draining { deadline, exit };
            }
            running
        });
        if began {
            tracing::info!(why, grace_s = self.grace.as_secs(), "draining");
        }
    }

    /// A handle for who works.
    #[must_use]
    pub fn drain(&self) -> Drain {
        Drain { state: self.state.subscribe() }
    }

    /// The exit code with which the drain began; none while running.
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        match *self.state.borrow() {
            State::Running => None,
            State::Draining { exit, .. } => Some(exit),
        }
    }

    /// Waits for SIGTERM or SIGINT and begins the drain; a second signal ends the process with [`Exit::Undrained`].
    ///
    /// # Errors
    /// Where signal handlers cannot be installed.
    pub async fn on_signals(self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        loop {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            if self.exit().is_some() {
                tracing::warn!(signal = name, "told to stop again: ending without draining");
                std::process::exit(i32::from(Exit::Undrained.code()));
            }
            self.begin(name, Exit::Ok);
        }
    }
}

/// Tells who works that no new work is to be taken, and how long what was begun may go on.
#[derive(Debug, Clone)]
pub struct Drain {
    state: watch::Receiver<State>,
}

impl Drain {
    /// Whether the drain began.
    #[must_use]
    pub fn has_started(&self) -> bool {
        *self.state.borrow() != State::Running
    }

    /// Ends when the drain begins, with its deadline.
    pub async fn started(&mut self) -> Instant {
        match self.state.wait_for(|state| *state != State::Running).await.map(|state| *state) {
            Ok(State::Draining { deadline, .. }) => deadline,
            // The shutdown is gone without a drain: the process ends now.
            Ok(State::Running) | Err(_) => Instant::now(),
        }
    }

    /// When the drain has to be over; none while running.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match *self.state.borrow() {
            State::Running => None,
            State::Draining { deadline, .. } => Some(deadline),
        }
    }
}
