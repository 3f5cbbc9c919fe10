//! A Redis server (Valkey) with data of its own, a password and, where asked for, TLS.
//!
//! The program that `scripts/redis` installs is built without TLS. What speaks it here stands before the server, as is
//! often done in use; a client sees no difference.

#[cfg(test)]
mod tests;
mod tls;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::TcpStream;

use super::{Guarded, ServerError, TlsFiles, installed, last_words};
use crate::mesh::fixed_port;

/// The environment variable that names another server program.
pub const SERVER_VARIABLE: &str = "BARID_REDIS_SERVER";
/// The password of its only user.
pub const PASSWORD: &str = "barid-secret";
/// How long it may take to be ready: what was written before a kill is read again.
const READY: Duration = Duration::from_secs(30);
/// How long a command may take.
const ASK: Duration = Duration::from_secs(10);
/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Longest answer that is read, bytes: the tests ask for counts and keys.
const LONGEST: u64 = 16 << 20;

/// The server program.
///
/// # Errors
/// Where it is not installed.
pub fn program() -> Result<PathBuf, ServerError> {
    installed(SERVER_VARIABLE, "valkey-9.1.2/valkey-server", "scripts/redis")
}

/// How a server is configured.
#[derive(Debug, Clone)]
pub struct Settings {
    /// TLS. Clients need no certificate: none is asked for.
    pub tls: Option<TlsFiles>,
    /// Whether it syncs each change before it answers, so that it keeps its data over a kill; else it comes back with none.
    pub durable: bool,
    /// Further lines of its configuration.
    pub options: Vec<String>,
}

impl Default for Settings {
    /// Durable, without TLS.
    fn default() -> Self {
        Self { tls: None, durable: true, options: Vec::new() }
    }
}

/// A server. Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct Redis {
    program: PathBuf,
    port: u16,
    tls: Option<tls::Front>,
    running: Mutex<Option<Guarded>>,
    directory: TempDir,
}

impl Redis {
    /// Starts a server with no data and waits until it is ready.
    ///
    /// # Errors
    /// Where the program or a file is missing, or it is not ready in time.
    pub async fn start(settings: Settings) -> Result<Self, ServerError> {
        let port = || fixed_port().map_err(|error| ServerError::System("port", error));
        let own = port()?;
        let tls = match &settings.tls {
            Some(files) => Some(tls::Front::start(files, port()?, SocketAddr::from(([127, 0, 0, 1], own))).await?),
            None => None,
        };
        let directory = TempDir::new().map_err(|error| ServerError::System("temporary folder", error))?;
        let server = Self { program: program()?, port: own, tls, running: Mutex::default(), directory };
        std::fs::write(server.directory().join("redis.conf"), server.config(&settings))
            .map_err(|error| ServerError::System("configuration", error))?;
        server.restart()?;
        server.ready().await?;
        Ok(server)
    }

    /// Where clients connect, with TLS where that was asked for; it keeps that over its restarts.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.tls.as_ref().map_or_else(|| self.plain(), tls::Front::address)
    }

    /// The same with the password.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://:{PASSWORD}@{}", self.address())
    }

    /// Where its data are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Starts it where it does not run, with its data.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn restart(&self) -> Result<(), ServerError> {
        let mut running = self.running.lock();
        if running.is_none() {
            let config = self.directory().join("redis.conf").display().to_string();
            *running = Some(Guarded::start(&self.program, &[&config], &self.directory().join("log"))?);
        }
        Ok(())
    }

    /// Waits until it answers, its data read.
    ///
    /// # Errors
    /// Where it does not in time; its last words are part of the error.
    pub async fn ready(&self) -> Result<(), ServerError> {
        let deadline = Instant::now() + READY;
        while self.ask(&["PING"]).await.is_err() {
            if Instant::now() >= deadline {
                return Err(ServerError::Late { what: "ready", log: last_words(&self.directory().join("log")) });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// What a command answers, over a connection of its own: nothing is the empty text, several a line each.
    ///
    /// # Errors
    /// Where the server cannot be reached, refuses, or does not answer in time.
    pub async fn ask(&self, command: &[&str]) -> Result<String, ServerError> {
        let failed = |error| ServerError::System("ask", error);
        let asked = async {
            let mut stream = BufStream::new(TcpStream::connect(self.plain()).await.map_err(failed)?);
            write(&mut stream, &["AUTH", PASSWORD]).await.map_err(failed)?;
            write(&mut stream, command).await.map_err(failed)?;
            stream.flush().await.map_err(failed)?;
            let mut stream = stream.take(LONGEST);
            answer(&mut stream).await.map_err(failed)?.map_err(|said| ServerError::Refused("sign in", said))?;
            answer(&mut stream).await.map_err(failed)?.map_err(|said| ServerError::Refused("command", said))
        };
        let late = |_| ServerError::Late { what: "answered", log: String::new() };
        tokio::time::timeout(ASK, asked).await.map_err(late)?
    }

    /// Ends it as a power cut would, but for what its system still has in memory.
    pub fn kill(&self) {
        drop(self.running.lock().take());
    }

    /// Stops it in the middle of whatever it does; it keeps its connections.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn freeze(&self) -> Result<(), ServerError> {
        self.running.lock().as_ref().map_or(Ok(()), Guarded::freeze)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn thaw(&self) -> Result<(), ServerError> {
        self.running.lock().as_ref().map_or(Ok(()), |running| running.signal(Signal::CONT))
    }

    fn plain(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    fn config(&self, settings: &Settings) -> String {
        let durable = if settings.durable { "yes" } else { "no" };
        format!(
            "bind 127.0.0.1\nport {}\nrequirepass {PASSWORD}\ndir \"{}\"\ndaemonize no\nsave \"\"\n\
             appendonly {durable}\nappendfsync always\n{}\n",
            self.port,
            self.directory().display(),
            settings.options.join("\n"),
        )
    }
}

async fn write(stream: &mut BufStream<TcpStream>, words: &[&str]) -> std::io::Result<()> {
    let mut text = format!("*{}\r\n", words.len());
    for word in words {
        text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    stream.write_all(text.as_bytes()).await
}

/// One answer of RESP 2; the inner error is the server's.
async fn answer(stream: &mut (impl AsyncBufRead + Unpin + Send)) -> std::io::Result<Result<String, String>> {
    let mut left = 1_usize;
    let mut parts = Vec::new();
    while left > 0 {
        left -= 1;
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let rest = line.get(1..).unwrap_or_default().trim_end().to_owned();
        match line.as_bytes().first() {
            Some(b'-') => return Ok(Err(rest)),
            Some(b'$') => match rest.parse::<usize>() {
                Ok(length) => {
                    let mut bytes = Vec::new();
                    let most = u64::try_from(length).unwrap_or(u64::MAX).saturating_add(2);
                    stream.take(most).read_to_end(&mut bytes).await?;
                    bytes.truncate(length);
                    parts.push(String::from_utf8_lossy(&bytes).into_owned());
                }
                Err(_) => parts.push(String::new()),
            },
            // The parts of a list follow one another, those of a list in it in its place.
            Some(b'*') => left += rest.parse::<usize>().unwrap_or(0),
            _ => parts.push(rest),
        }
    }
    Ok(Ok(parts.join("\n")))
}
