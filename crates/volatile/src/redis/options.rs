//! Where Redis is, as whom, and how the way to it is guarded.

use std::path::{Path, PathBuf};

/// What cannot be used of the options.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// The address.
    #[error("the address of Redis cannot be used ({0}): write rediss://USER@HOST:PORT/DB, or redis:// without TLS")]
    Address(&'static str),
    /// A password in the address.
    #[error("the address of Redis has a password in it, where anybody sees it: name a file that has it instead")]
    Password,
    /// TLS is wanted and nobody says whose certificates are good.
    #[error("name the authorities that sign the certificate of Redis, or write redis:// for a way without TLS")]
    Authorities,
    /// Certificate or key alone.
    #[error("certificate and key for Redis belong together: name both or none")]
    Certificate,
}

/// Where Redis is. Its `Debug` shows no password.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: Option<String>,
    pub(super) database: i64,
    pub(super) tls: bool,
    pub(super) password: Password,
    pub(super) authorities: Option<PathBuf>,
    pub(super) certificate: Option<(PathBuf, PathBuf)>,
}

/// Where the password is.
#[derive(Clone, Default)]
pub(super) enum Password {
    #[default]
    None,
    /// The first line of a file.
    File(PathBuf),
    Given(String),
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::File(_) => "in a file",
            Self::Given(_) => "given",
        })
    }
}

impl Options {
    /// Reads `rediss://USER@HOST:PORT/DB`; user, port (6379) and database (0) may be left out.
    ///
    /// # Errors
    /// [`OptionsError`].
    pub fn read(url: &str) -> Result<Self, OptionsError> {
        let (tls, rest) = match url.split_once("://") {
            Some(("rediss", rest)) => (true, rest),
            Some(("redis", rest)) => (false, rest),
            _ => return Err(OptionsError::Address("it begins with neither rediss:// nor redis://")),
        };
        let (user, rest) = match rest.rsplit_once('@') {
            Some((user, _)) if user.contains(':') => return Err(OptionsError::Password),
            Some((user, rest)) => (Some(user.to_owned()).filter(|user| !user.is_empty()), rest),
            None => (None, rest),
        };
        let (place, database) = rest.split_once('/').unwrap_or((rest, ""));
        let database = if database.is_empty() { Ok(0) } else { database.parse::<u16>() };
        let database = database.map_err(|_| OptionsError::Address("its database is no number"))?;
        let (host, port) = host_and_port(place)?;
        Ok(Self { host, port, user, database: i64::from(database), tls, ..Self::default() })
    }

    /// With a password: in the first line of a file, which is read for each connection, or given.
    #[must_use]
    pub fn password(self, file: Option<&Path>, given: Option<String>) -> Self {
        let password = match (file, given) {
            (Some(file), _) => Password::File(file.to_owned()),
            (None, Some(given)) => Password::Given(given),
            (None, None) => Password::None,
        };
        Self { password, ..self }
    }

    /// With the authorities that sign the server's certificate, and our own certificate with its key (PEM); they are read
    /// for each connection.
    ///
    /// # Errors
    /// [`OptionsError::Authorities`] and [`OptionsError::Certificate`].
    pub fn tls(
        self,
        authorities: Option<&Path>,
        certificate: Option<&Path>,
        key: Option<&Path>,
    ) -> Result<Self, OptionsError> {
        if self.tls && authorities.is_none() {
            return Err(OptionsError::Authorities);
        }
        let certificate = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate.to_owned(), key.to_owned())),
            (None, None) => None,
            _ => return Err(OptionsError::Certificate),
        };
        Ok(Self { authorities: authorities.map(Path::to_owned), certificate, ..self })
    }

    /// Scheme, host, port and database, for people.
    #[must_use]
    pub fn place(&self) -> String {
        let scheme = if self.tls { "rediss" } else { "redis" };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{scheme}://{host}:{}/{}", self.port, self.database)
    }
}

fn host_and_port(place: &str) -> Result<(String, u16), OptionsError> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or(OptionsError::Address("a bracket is missing"))?;
            (host, rest.strip_prefix(':').unwrap_or(rest))
        }
        None => place.split_once(':').unwrap_or((place, "")),
    };
    let port = if port.is_empty() { Ok(6379) } else { port.parse::<u16>() };
    let port = port.map_err(|_| OptionsError::Address("its port is no number"))?;
    if host.is_empty() {
        return Err(OptionsError::Address("it names no host"));
    }
    Ok((host.to_owned(), port))
}
