//! A PostgreSQL server with data of its own, a password and, where asked for, TLS.
//!
//! PostgreSQL does not run as root. Where the tests do, as in a container, it runs as nobody by `setpriv` (util-linux) and
//! keeps one right of root's, to reach files that nobody may: the programs in root's cache, its data in a closed folder.

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::process::Command;

use super::{Guarded, ServerError, TlsFiles, installed, last_words};
use crate::mesh::fixed_port;

/// The environment variable that names another folder of programs.
pub const PROGRAMS_VARIABLE: &str = "BARID_POSTGRES_BIN";
/// Its only user, who may do everything, and the password.
pub const USER: (&str, &str) = ("barid", "barid-secret");
/// The database that is there.
pub const DATABASE: &str = "postgres";
/// How long it may take to be ready: what was written before a kill is played again.
const READY: Duration = Duration::from_secs(60);
/// How long a query may take.
const QUERY: Duration = Duration::from_secs(60);
/// Time between two looks; each starts a client.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// What runs a program as nobody (65534), who may read and write everything all the same: `access` tells so only with the
/// secure bit.
const AS_NOBODY: [&str; 7] = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--securebits=+no_setuid_fixup",
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
];

/// The folder of its programs.
///
/// # Errors
/// Where it is not installed.
pub fn programs() -> Result<PathBuf, ServerError> {
    installed(PROGRAMS_VARIABLE, "postgres-17.10/bin", "scripts/postgres")
}

/// How a server is configured.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// TLS, and no connection without. Clients need no certificate; one that is shown has to be signed as told.
    pub tls: Option<TlsFiles>,
    /// Further settings by name, as in `postgresql.conf`.
    pub options: Vec<(String, String)>,
}

/// A server. Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    settings: Settings,
    port: u16,
    running: Mutex<Option<Guarded>>,
    directory: TempDir,
}

impl Postgres {
    /// Starts a server with no data and waits until it is ready.
    ///
    /// # Errors
    /// Where the programs are missing, it cannot run as this user, or it is not ready in time.
    pub async fn start(settings: Settings) -> Result<Self, ServerError> {
        let server = Self {
            programs: programs()?,
            settings,
            port: fixed_port().map_err(|error| ServerError::System("port", error))?,
            running: Mutex::default(),
            directory: TempDir::new().map_err(|error| ServerError::System("temporary folder", error))?,
        };
        server.write_files().map_err(|error| ServerError::System("files of the server", error))?;
        server.initialise().await?;
        server.restart()?;
        server.ready().await?;
        Ok(server)
    }

    /// Where it listens; it keeps that over its restarts.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Where it listens, with user, password and database.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgresql://{}:{}@{}/{DATABASE}?sslmode={}", USER.0, USER.1, self.address(), self.sslmode())
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
            let mut words = as_server(&self.programs.join("postgres"));
            words.extend(["-D".to_owned(), self.place("data")]);
            for (name, value) in self.options() {
                words.extend(["-c".to_owned(), format!("{name}={value}")]);
            }
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let (program, arguments) = words.split_first().unwrap_or((&"", &[]));
            *running = Some(Guarded::start(Path::new(program), arguments, &self.directory.path().join("log"))?);
        }
        Ok(())
    }

    /// Waits until it answers a query.
    ///
    /// # Errors
    /// Where it does not in time; its last words are part of the error.
    pub async fn ready(&self) -> Result<(), ServerError> {
        let deadline = Instant::now() + READY;
        while self.query("select").await.is_err() {
            if Instant::now() >= deadline {
                let log = last_words(&self.directory.path().join("log"));
                return Err(ServerError::Late { what: "ready", log });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// What statements give, run by `psql`: a line a row, columns apart by `|`.
    ///
    /// # Errors
    /// Where the server cannot be reached, refuses, or does not answer in time.
    pub async fn query(&self, statements: &str) -> Result<String, ServerError> {
        let mut psql = self.client();
        psql.args(["--command", statements]).arg("--dbname").arg(format!(
            "host=127.0.0.1 port={} user={} dbname={DATABASE} connect_timeout=10 sslmode={}",
            self.port,
            USER.0,
            self.sslmode()
        ));
        run("query", &mut psql).await
    }

    /// Ends it as a power cut would, but for what its system still has in memory.
    pub fn kill(&self) {
        let running = self.running.lock().take();
        if let Some(running) = running {
            running.kill_all();
        }
    }

    /// Stops it in the middle of whatever it does; it keeps its connections.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn freeze(&self) -> Result<(), ServerError> {
        self.running.lock().as_ref().map_or(Ok(()), Guarded::freeze_all)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn thaw(&self) -> Result<(), ServerError> {
        self.running.lock().as_ref().map_or(Ok(()), Guarded::thaw_all)
    }

    fn client(&self) -> Command {
        let mut psql = Command::new(self.programs.join("psql"));
        // Nothing of the user's own, in files or variables, changes what it does.
        psql.env_clear().env("PGPASSWORD", USER.1).env("HOME", self.directory.path());
        psql.args(["--no-psqlrc", "--no-align", "--tuples-only", "--quiet", "--set=ON_ERROR_STOP=1"]);
        psql
    }

    const fn sslmode(&self) -> &'static str {
        if self.settings.tls.is_some() { "require" } else { "disable" }
    }

    fn place(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn write_files(&self) -> std::io::Result<()> {
        let kind = if self.settings.tls.is_some() { "hostssl" } else { "host" };
        std::fs::write(self.place("access"), format!("{kind} all all 127.0.0.1/32 scram-sha-256\n"))?;
        std::fs::write(self.place("password"), USER.1)?;
        if let Some(files) = &self.settings.tls {
            // It refuses a key that others may read.
            let mut key =
                std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(self.place("key"))?;
            std::io::copy(&mut std::fs::File::open(&files.key)?, &mut key)?;
        }
        Ok(())
    }

    async fn initialise(&self) -> Result<(), ServerError> {
        let words = as_server(&self.programs.join("initdb"));
        let (program, arguments) = words.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
        let mut initdb = Command::new(program);
        initdb.args(arguments).args(["--pgdata", &self.place("data"), "--pwfile", &self.place("password")]);
        initdb.args([
            "--username",
            USER.0,
            "--auth",
            "scram-sha-256",
            "--encoding",
            "UTF8",
            "--no-locale",
            "--no-sync",
        ]);
        run(
            "make a database (as root, PostgreSQL needs setpriv of util-linux, and the right to change the user)",
            &mut initdb,
        )
        .await
        .map(drop)
    }

    fn options(&self) -> Vec<(String, String)> {
        let mut options = vec![
            ("listen_addresses".to_owned(), "127.0.0.1".to_owned()),
            ("port".to_owned(), self.port.to_string()),
            // The name of one may have 107 bytes, and a temporary folder can be deep.
            ("unix_socket_directories".to_owned(), String::new()),
            ("hba_file".to_owned(), self.place("access")),
        ];
        if let Some(files) = &self.settings.tls {
            options.extend([
                ("ssl".to_owned(), "on".to_owned()),
                ("ssl_cert_file".to_owned(), files.certificate.display().to_string()),
                ("ssl_key_file".to_owned(), self.place("key")),
                ("ssl_ca_file".to_owned(), files.authorities.display().to_string()),
            ]);
        }
        options.extend(self.settings.options.iter().cloned());
        options
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A program of the server's and what has to stand before it.
fn as_server(program: &Path) -> Vec<String> {
    let before: &[&str] = if rustix::process::geteuid().is_root() { &AS_NOBODY } else { &[] };
    before.iter().map(|&word| word.to_owned()).chain([program.display().to_string()]).collect()
}

async fn run(what: &'static str, command: &mut Command) -> Result<String, ServerError> {
    let output = command.stdin(std::process::Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(QUERY, output)
        .await
        .map_err(|_| ServerError::Late { what, log: String::new() })?
        .map_err(|error| ServerError::System(what, error))?;
    if !output.status.success() {
        return Err(ServerError::Refused(what, String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}
