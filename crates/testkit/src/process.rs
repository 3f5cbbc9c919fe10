//! The real program as a process: started, waited for, killed without warning, started again.
//!
//! A test that promises something about crashes has to kill a process: what a task that is dropped leaves behind is
//! kinder than what SIGKILL does. Dropping a [`Running`] kills it, so that a failed test leaves nothing behind.

#[cfg(test)]
mod tests;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The environment variable that names the program, where it is not beside the tests.
pub const BINARY_VARIABLE: &str = "BARID_BIN";
/// Time between two looks at a process that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long one question to the admin endpoint may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a command of the tool may take: an audit waits a minute for the ledger, twice.
const TOOL_TIMEOUT: Duration = Duration::from_secs(300);

/// What can go wrong with a process.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The program is not there.
    #[error(
        "there is no {0}: build it first (cargo build --workspace), or name `barid` beside it in {BINARY_VARIABLE}"
    )]
    NoBinary(PathBuf),
    /// The system refused.
    #[error("{0}: {1}")]
    System(&'static str, #[source] io::Error),
    /// It ended by itself.
    #[error("the process ended by itself ({status}); its last words:\n{log}")]
    Ended {
        /// How.
        status: ExitStatus,
        /// The end of what it wrote.
        log: String,
    },
    /// What was accepted is not accounted for, or that cannot be told.
    #[error("the audit ended with {status}:\n{told}")]
    Unbalanced {
        /// How `barid audit` ended.
        status: ExitStatus,
        /// What it said.
        told: String,
    },
    /// It did not do what was waited for in time.
    #[error("not {what} within {} ms; its last words:\n{log}", within.as_millis())]
    Late {
        /// What was waited for.
        what: &'static str,
        /// How long.
        within: Duration,
        /// The end of what it wrote.
        log: String,
    },
}

/// The program under test.
///
/// # Errors
/// Where it is not built.
pub fn binary() -> Result<PathBuf, ProcessError> {
    if let Some(path) = std::env::var_os(BINARY_VARIABLE) {
        let path = PathBuf::from(path);
        return if path.is_file() { Ok(path) } else { Err(ProcessError::NoBinary(path)) };
    }
    // Tests run in target/<profile>/deps, programs stand in target/<profile>.
    let test = std::env::current_exe().map_err(|error| ProcessError::System("current program", error))?;
    let folder = test.parent().map(|deps| if deps.ends_with("deps") { deps.parent().unwrap_or(deps) } else { deps });
    let path = folder.unwrap_or(Path::new(".")).join("barid");
    if path.is_file() { Ok(path) } else { Err(ProcessError::NoBinary(path)) }
}

/// A port that was free a moment ago.
///
/// # Errors
/// Where the system has none.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// A place for one engine: its documents, its data, what it wrote. Removed when dropped.
#[derive(Debug)]
pub struct Home {
    directory: TempDir,
    binary: PathBuf,
    admin: SocketAddr,
    environment: Vec<(String, String)>,
}

impl Home {
    /// A new place with a free admin port.
    ///
    /// # Errors
    /// Where the program is not built, or the system gives no folder or port.
    pub fn new() -> Result<Self, ProcessError> {
        Self::of(binary()?)
    }

    /// The same for another program that takes the same arguments.
    ///
    /// # Errors
    /// Where the system gives no folder or port.
    pub fn of(binary: PathBuf) -> Result<Self, ProcessError> {
        Self::within(binary, &std::env::temp_dir())
    }

    /// The same inside this folder: where the system's folder for temporary files is held in memory, nothing is durable there.
    ///
    /// # Errors
    /// Where the system gives no folder or port.
    pub fn within(binary: PathBuf, folder: &Path) -> Result<Self, ProcessError> {
        let directory = TempDir::new_in(folder).map_err(|error| ProcessError::System("temporary folder", error))?;
        let home = Self {
            admin: SocketAddr::from((
                [127, 0, 0, 1],
                free_port().map_err(|error| ProcessError::System("port", error))?,
            )),
            directory,
            binary,
            environment: Vec::new(),
        };
        for folder in [home.documents(), home.data()] {
            std::fs::create_dir_all(folder).map_err(|error| ProcessError::System("folder", error))?;
        }
        Ok(home)
    }

    /// Where its documents are.
    #[must_use]
    pub fn documents(&self) -> PathBuf {
        self.directory.path().join("documents")
    }

    /// Where its data are.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Where its admin endpoint is.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Writes a document.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<(), ProcessError> {
        std::fs::write(self.documents().join(name), text).map_err(|error| ProcessError::System("document", error))
    }

    /// Runs another program from now on, which ends in the same one: for what has to be done around it.
    pub fn through(&mut self, program: PathBuf) {
        self.binary = program;
    }

    /// Sets an environment variable of the process.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Everything it wrote so far, over all its runs.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(self.log_path()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The end of what it wrote.
    fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().rev().take(30).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    /// Starts it: `barid run DOCUMENTS --data DATA --admin ADDRESS`.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(&self) -> Result<Running<'_>, ProcessError> {
        let failed = |error| ProcessError::System("start", error);
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_path()).map_err(failed)?;
        let child = Command::new(&self.binary)
            .arg("run")
            .arg(self.documents())
            .arg("--data")
            .arg(self.data())
            .args(["--admin", &self.admin.to_string()])
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log)
            .spawn()
            .map_err(failed)?;
        Ok(Running { child, home: self })
    }

    /// Runs a command of the same program with this place's data directory, whether an engine runs there or not.
    ///
    /// # Errors
    /// Where it cannot be started or does not end in time.
    pub async fn tool(&self, arguments: &[&str]) -> Result<Output, ProcessError> {
        let mut command = tokio::process::Command::new(&self.binary);
        command.arg("--data").arg(self.data()).args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        match tokio::time::timeout(TOOL_TIMEOUT, command.output()).await {
            Ok(output) => output.map_err(|error| ProcessError::System("run", error)),
            Err(_) => Err(ProcessError::Late { what: "done", within: TOOL_TIMEOUT, log: arguments.join(" ") }),
        }
    }

    /// That everything accepted is accounted for (`barid audit`), whether an engine runs or not; gives the balance.
    /// `deep`: by every record of the log instead of the ledger's word.
    ///
    /// # Errors
    /// [`ProcessError::Unbalanced`] where it is not.
    pub async fn audit(&self, deep: bool) -> Result<Balance, ProcessError> {
        let Output { status, stdout, stderr } = self.tool(if deep { &["audit", "--deep"] } else { &["audit"] }).await?;
        let told = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        if status.success() { Ok(Balance(told)) } else { Err(ProcessError::Unbalanced { status, told }) }
    }

    /// Runs another command of the same program and gives what it wrote and how it ended.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn run(&self, arguments: &[&str]) -> Result<Output, ProcessError> {
        let output = Command::new(&self.binary).args(arguments).stdin(Stdio::null()).output();
        output.map_err(|error| ProcessError::System("run", error))
    }
}

/// What an audit said, where the balance holds.
#[derive(Debug)]
pub struct Balance(String);

impl Balance {
    /// The figure of a line, by its words: `messages accepted`, `delivered`, `in flight`. Of two lines with the same
    /// words (`quarantined`: messages, then deliveries) the last.
    #[must_use]
    pub fn count(&self, words: &str) -> Option<u64> {
        let lines = self.0.lines().rev();
        lines.filter_map(|line| line.trim().strip_prefix(words)).find_map(|rest| rest.trim().parse().ok())
    }
}

impl std::fmt::Display for Balance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A running engine. Dropping it kills it.
#[derive(Debug)]
pub struct Running<'a> {
    child: Child,
    home: &'a Home,
}

impl Running<'_> {
    /// Waits until it says that it is ready.
    ///
    /// # Errors
    /// Where it ended by itself, or is not ready in time.
    pub async fn ready(&mut self, within: Duration) -> Result<(), ProcessError> {
        let deadline = Instant::now() + within;
        while self.ask("/readyz").await.is_none_or(|(status, _)| status != 200) {
            self.alive()?;
            if Instant::now() >= deadline {
                return Err(ProcessError::Late { what: "ready", within, log: self.home.last_words() });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Asks the admin endpoint: status and body, where it answers.
    pub async fn ask(&self, path: &str) -> Option<(u16, String)> {
        tokio::time::timeout(ASK_TIMEOUT, get(self.home.admin, path)).await.ok()?.ok()
    }

    /// The system's number of the process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as a power cut would.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn kill(mut self) -> Result<(), ProcessError> {
        self.child.kill().map_err(|error| ProcessError::System("kill", error))?;
        self.child.wait().map(drop).map_err(|error| ProcessError::System("wait", error))
    }

    /// Asks it to end (SIGTERM) and waits for it.
    ///
    /// # Errors
    /// Where it does not end in time; it is killed then.
    pub async fn stop(mut self, within: Duration) -> Result<ExitStatus, ProcessError> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM).map_err(|error| ProcessError::System("terminate", error.into()))?;
        }
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().map_err(|error| ProcessError::System("wait", error))? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return Err(ProcessError::Late { what: "ended", within, log: self.home.last_words() });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Ends it as a test of custody should: the balance holds while it runs, it ends well, and the balance still holds
    /// when every record is read again.
    ///
    /// # Errors
    /// Where one of these is not so.
    pub async fn end(self, within: Duration) -> Result<(), ProcessError> {
        let home = self.home;
        home.audit(false).await?;
        let status = self.stop(within).await?;
        if !status.success() {
            return Err(ProcessError::Ended { status, log: home.last_words() });
        }
        home.audit(true).await.map(drop)
    }

    /// An error where it ended by itself.
    ///
    /// # Errors
    /// Then.
    pub fn alive(&mut self) -> Result<(), ProcessError> {
        match self.child.try_wait().map_err(|error| ProcessError::System("wait", error))? {
            None => Ok(()),
            Some(status) => Err(ProcessError::Ended { status, log: self.home.last_words() }),
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // It may have ended already; nobody is left to be told.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A GET in the fewest words, of HTTP/1.0, so that no answer comes in chunks: on loopback, and the other end closes.
pub(crate) async fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.0\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(16 << 20).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.map(|status| (status, body.to_owned())).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
