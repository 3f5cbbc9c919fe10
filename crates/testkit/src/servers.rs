//! Servers of others that the mesh stands on, started for tests: real ones, killed and frozen as real ones are.
//!
//! A test whose server is not installed fails and says how to get it; nothing is simulated here.

pub mod nats;

use std::io::{self, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Starts the program, gives its number, and kills it when its input ends: so it ends with the test that started it, however that ends.
const GUARD: &str = r#""$@" >>"$0" 2>&1 </dev/null & p=$!; echo $p; cat >/dev/null; kill -9 $p 2>/dev/null; wait $p"#;

/// How long a server may take to stop.
const FREEZE: Duration = Duration::from_secs(5);

/// What can go wrong with a server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The program is not there.
    #[error("there is no {program}: run {script} (or name another in {variable})")]
    NotInstalled {
        /// Where it was looked for.
        program: String,
        /// What installs it.
        script: &'static str,
        /// The environment variable that names another.
        variable: &'static str,
    },
    /// The system refused.
    #[error("{0}: {1}")]
    System(&'static str, #[source] io::Error),
    /// It did not do what was waited for in time.
    #[error("not {what} in time; its last words:\n{log}")]
    Late {
        /// What was waited for.
        what: &'static str,
        /// The end of what it wrote.
        log: String,
    },
}

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Guarded {
    guard: Child,
    pid: Pid,
}

impl Guarded {
    pub(crate) fn start(program: &Path, arguments: &[&str], log: &Path) -> Result<Self, ServerError> {
        let failed = |error| ServerError::System("start", error);
        let mut guard = Command::new("sh")
            .args(["-c", GUARD])
            .arg(log)
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let mut text = String::new();
        if let Some(output) = guard.stdout.as_mut() {
            let mut byte = [0];
            while output.read(&mut byte).map_err(failed)? == 1 && byte != *b"\n" {
                text.extend(byte.iter().map(|byte| char::from(*byte)));
            }
        }
        let pid = text.trim().parse().ok().and_then(Pid::from_raw);
        match pid {
            Some(pid) => Ok(Self { guard, pid }),
            None => Err(failed(io::Error::other("no process number"))),
        }
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<(), ServerError> {
        kill_process(self.pid, signal).map_err(|error| ServerError::System("signal", error.into()))
    }

    /// Stops it, and waits until every thread has: on a busy machine the signal is some milliseconds on its way.
    pub(crate) fn freeze(&self) -> Result<(), ServerError> {
        self.signal(Signal::STOP)?;
        let deadline = Instant::now() + FREEZE;
        while !self.is_stopped().map_err(|error| ServerError::System("threads", error))? {
            if Instant::now() >= deadline {
                return Err(ServerError::Late { what: "frozen", log: String::new() });
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn is_stopped(&self) -> io::Result<bool> {
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.pid.as_raw_nonzero()))? {
            let stat = std::fs::read_to_string(thread?.path().join("stat"))?;
            // The state follows the name, which may hold anything but ends with the last bracket.
            let state = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next());
            if state != Some("T") {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // It may have ended by itself; the guard then ends too.
        drop(self.signal(Signal::KILL));
        drop(self.guard.stdin.take());
        drop(self.guard.wait());
    }
}
