//! Tasks whose kind says what their end means.
//!
//! A bare `tokio::spawn` loses its error and its panic. Here every long-lived task has a name and a [`Kind`]: the end of a critical one before the drain is
//! the end of the process, with the task's exit code, because an engine without its router or its log is worse than one that restarts.

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::Instant;

use crate::exit::Exit;
use crate::shutdown::Shutdown;

/// How long background tasks may take to end once they are told to.
const ABORT_PATIENCE: Duration = Duration::from_secs(1);

/// What the end of a task means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Runs until the drain; its end before that, or its failure at any time, stops the process with this code.
    Critical(Exit),
    /// May end or fail while the process goes on; a failure is logged.
    Service,
    /// Is ended when the process stops, without being waited for.
    Background,
}

/// A background task: how to end it, and who tells that it has ended.
type Background = (AbortHandle, JoinHandle<()>);

/// The tasks of a process.
#[derive(Clone)]
pub struct Tasks {
    shutdown: Shutdown,
    alive: watch::Sender<usize>,
    background: Arc<Mutex<Vec<Background>>>,
    failure: Arc<Mutex<Option<Exit>>>,
}

impl Tasks {
    /// No tasks yet; a critical one that ends begins this shutdown.
    #[must_use]
    pub fn new(shutdown: Shutdown) -> Self {
        let (alive, _) = watch::channel(0);
        Self { shutdown, alive, background: Arc::default(), failure: Arc::default() }
    }

    /// Starts a task.
    pub fn spawn<F, E>(&self, kind: Kind, name: &'static str, future: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        let tasks = self.clone();
        let task = tokio::spawn(future);
        if kind == Kind::Background {
            let abort = task.abort_handle();
            let ended = tokio::spawn(async move { tasks.ended(kind, name, task.await) });
            let mut background = self.background.lock();
            background.retain(|(_, ended)| !ended.is_finished());
            background.push((abort, ended));
            return;
        }
        self.alive.send_modify(|alive| *alive += 1);
        tokio::spawn(async move {
            tasks.ended(kind, name, task.await);
            tasks.alive.send_modify(|alive| *alive = alive.saturating_sub(1));
        });
    }

    fn ended<E: Display>(&self, kind: Kind, task: &'static str, result: Result<Result<(), E>, tokio::task::JoinError>) {
        let failure = match result {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) if error.is_panic() => Some("it panicked".to_owned()),
            Err(_) => return,
        };
        let Kind::Critical(exit) = kind else {
            if let Some(error) = failure {
                tracing::error!(task, %error, "task failed");
            }
            return;
        };
        match failure {
            None if self.shutdown.exit().is_some() => {}
            None => {
                tracing::error!(task, "task ended before its time: stopping");
                self.fail(task, exit);
            }
            Some(error) => {
                tracing::error!(task, %error, "task failed: stopping");
                self.fail(task, exit);
            }
        }
    }

    fn fail(&self, task: &str, exit: Exit) {
        self.failure.lock().get_or_insert(exit);
        self.shutdown.begin(task, exit);
    }

    /// The exit code of the first critical task that failed.
    #[must_use]
    pub fn failure(&self) -> Option<Exit> {
        *self.failure.lock()
    }

    /// Waits until all critical and service tasks have ended, or the deadline has passed; then ends the background ones.
    /// Whether all ended in time.
    pub async fn finish(&self, deadline: Instant) -> bool {
        let mut alive = self.alive.subscribe();
        let all = tokio::time::timeout_at(deadline, alive.wait_for(|alive| *alive == 0)).await.is_ok();
        let background = std::mem::take(&mut *self.background.lock());
        for (abort, _) in &background {
            abort.abort();
        }
        // What they hold (a socket's file) goes with them: that is worth a moment, not more.
        let gone = futures_util::future::join_all(background.into_iter().map(|(_, ended)| ended));
        if tokio::time::timeout(ABORT_PATIENCE, gone).await.is_err() {
            tracing::debug!("a background task did not end");
        }
        all
    }
}
