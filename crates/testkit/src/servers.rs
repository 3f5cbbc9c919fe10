//! Servers of others that the mesh stands on, started for tests: real ones, killed and frozen as real ones are.
//!
//! A test whose server is not installed fails and says how to get it; nothing is simulated here.

pub mod nats;
pub mod postgres;
pub mod redis;
#[cfg(test)]
mod tests;

use std::io::{self, Read as _};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Starts the program, gives its number, and kills it when its input ends: so it ends with the test that started it, however that ends.
const GUARD: &str = r#""$@" >>"$0" 2>&1 </dev/null & p=$!; echo $p; cat >/dev/null; kill -9 $p 2>/dev/null; wait $p"#;

/// How long a server may take to stop, or its children to end.
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
    /// It, or a tool of its own, answered with an error.
    #[error("{0}: {1}")]
    Refused(&'static str, String),
}

/// Where a process runs: its address, and what is run before its program and becomes it.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where it listens.
    pub address: Ipv4Addr,
    /// A program with its arguments, which takes another program with its arguments behind them; empty: none.
    pub around: Vec<String>,
}

impl Default for Place {
    /// On this machine, as it is.
    fn default() -> Self {
        Self { address: Ipv4Addr::LOCALHOST, around: Vec::new() }
    }
}

/// Files (PEM) of a server. Its certificate is for 127.0.0.1.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// Its certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Who signs clients' certificates.
    pub authorities: PathBuf,
}

/// What the variable names, or what the script put into the cache.
fn installed(variable: &'static str, in_cache: &str, script: &'static str) -> Result<PathBuf, ServerError> {
    let path = std::env::var_os(variable).map_or_else(|| cache().join(in_cache), PathBuf::from);
    if path.exists() {
        return Ok(path);
    }
    Err(ServerError::NotInstalled { program: path.display().to_string(), script, variable })
}

/// Where scripts put what they install.
fn cache() -> PathBuf {
    let var = |name| std::env::var_os(name).map(PathBuf::from);
    var("BARID_CACHE").unwrap_or_else(|| {
        let base = var("XDG_CACHE_HOME").or_else(|| var("HOME").map(|home| home.join(".cache")));
        base.unwrap_or_default().join("barid")
    })
}

/// The end of what a server wrote.
fn last_words(log: &Path) -> String {
    let text = std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(30).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Guarded {
    guard: Child,
    pid: Pid,
}

impl Guarded {
    pub(crate) fn start(program: &Path, arguments: &[&str], log: &Path) -> Result<Self, ServerError> {
        Self::start_at(&Place::default(), program, arguments, log)
    }

    pub(crate) fn start_at(place: &Place, program: &Path, arguments: &[&str], log: &Path) -> Result<Self, ServerError> {
        let failed = |error| ServerError::System("start", error);
        let mut guard = Command::new("sh")
            .args(["-c", GUARD])
            .arg(log)
            .args(&place.around)
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

    /// Whether it has not ended.
    pub(crate) fn lives(&self) -> bool {
        lives(self.pid)
    }

    /// Memory it has, in bytes.
    pub(crate) fn resident(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid.as_raw_nonzero())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib << 10)
    }

    /// Stops it, and waits until every thread has: on a busy machine the signal is some milliseconds on its way.
    pub(crate) fn freeze(&self) -> Result<(), ServerError> {
        freeze(self.pid)
    }

    /// The same with its children, who do the work of a server that forks: the first stops first, so that none is added.
    pub(crate) fn freeze_all(&self) -> Result<(), ServerError> {
        freeze(self.pid)?;
        for child in self.children() {
            match freeze(child) {
                // One that was about to end has done so.
                Err(_) if !lives(child) => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Lets it and its children go on.
    pub(crate) fn thaw_all(&self) -> Result<(), ServerError> {
        for child in self.children() {
            // It may have ended, as one that had been told to before it was frozen does.
            kill_process(child, Signal::CONT).ok();
        }
        self.signal(Signal::CONT)
    }

    /// Ends it and its children at once, and waits for that: what they have left of memory and locks is free then.
    pub(crate) fn kill_all(self) {
        // Frozen it cannot start others in their place; where it has ended already, none of its children is known.
        drop(self.freeze());
        let children = self.children();
        for child in &children {
            kill_process(*child, Signal::KILL).ok();
        }
        drop(self);
        let deadline = Instant::now() + FREEZE;
        while children.iter().any(|child| lives(*child)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn children(&self) -> Vec<Pid> {
        let own = self.pid.as_raw_nonzero();
        let text = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        text.split_whitespace().filter_map(|number| Pid::from_raw(number.parse().ok()?)).collect()
    }
}

fn freeze(pid: Pid) -> Result<(), ServerError> {
    kill_process(pid, Signal::STOP).map_err(|error| ServerError::System("signal", error.into()))?;
    let deadline = Instant::now() + FREEZE;
    while !is_stopped(pid).map_err(|error| ServerError::System("threads", error))? {
        if !lives(pid) {
            return Err(ServerError::System("freeze", io::Error::other("it has ended")));
        }
        if Instant::now() >= deadline {
            return Err(ServerError::Late { what: "frozen", log: String::new() });
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn is_stopped(pid: Pid) -> io::Result<bool> {
    for thread in std::fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero()))? {
        if state(&thread?.path().join("stat"))?.as_deref() != Some("T") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether it has not ended; one that nobody asked for its end yet has.
fn lives(pid: Pid) -> bool {
    let stat = format!("/proc/{}/stat", pid.as_raw_nonzero());
    state(Path::new(&stat)).is_ok_and(|state| !matches!(state.as_deref(), Some("Z" | "X")))
}

fn state(stat: &Path) -> io::Result<Option<String>> {
    let stat = std::fs::read_to_string(stat)?;
    // The state follows the name, which may hold anything but ends with the last bracket.
    Ok(stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next()).map(str::to_owned))
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // It may have ended by itself; the guard then ends too.
        drop(self.signal(Signal::KILL));
        drop(self.guard.stdin.take());
        drop(self.guard.wait());
    }
}
