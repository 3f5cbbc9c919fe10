//! Where messages are sent: `host:port`, `mllp://`, `mllps://`, `http://` or `https://`.

use std::fmt;

/// Where messages are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// MLLP, over TLS or not.
    Mllp {
        /// The host's name or address, without brackets.
        host: String,
        /// Its port.
        port: u16,
        /// Whether TLS is spoken.
        tls: bool,
    },
    /// HTTP, over TLS or not.
    Http {
        /// The host's name or address, without brackets.
        host: String,
        /// Its port.
        port: u16,
        /// Path and query.
        path: String,
        /// Whether TLS is spoken.
        tls: bool,
    },
}

/// The target cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot send to {0:?}: say HOST:PORT, mllp://HOST:PORT, mllps://HOST:PORT, http://HOST:PORT/PATH or https://HOST/PATH"
)]
pub struct TargetError(String);

impl Target {
    /// Reads it.
    ///
    /// # Errors
    /// [`TargetError`] where it is none of the forms.
    pub fn read(text: &str) -> Result<Self, TargetError> {
        let wrong = || TargetError(text.to_owned());
        let (scheme, rest) = text.split_once("://").unwrap_or(("mllp", text));
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let default = match scheme {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        let (host, port) = host_and_port(authority, default).ok_or_else(wrong)?;
        match scheme {
            "mllp" | "mllps" if path == "/" => Ok(Self::Mllp { host, port, tls: scheme == "mllps" }),
            "http" | "https" => Ok(Self::Http { host, port, path: path.to_owned(), tls: scheme == "https" }),
            _ => Err(wrong()),
        }
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &str {
        match self {
            Self::Mllp { host, .. } | Self::Http { host, .. } => host,
        }
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        match self {
            Self::Mllp { port, .. } | Self::Http { port, .. } => *port,
        }
    }

    /// Whether TLS is spoken.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        match self {
            Self::Mllp { tls, .. } | Self::Http { tls, .. } => *tls,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = if self.host().contains(':') { format!("[{}]", self.host()) } else { self.host().to_owned() };
        let s = if self.is_tls() { "s" } else { "" };
        match self {
            Self::Mllp { port, .. } => write!(f, "mllp{s}://{host}:{port}"),
            Self::Http { port, path, .. } => write!(f, "http{s}://{host}:{port}{path}"),
        }
    }
}

fn host_and_port(authority: &str, default: Option<u16>) -> Option<(String, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (host, after.strip_prefix(':'))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = match port {
        Some(text) => text.parse().ok()?,
        None => default?,
    };
    (!host.is_empty()).then(|| (host.to_owned(), port))
}
