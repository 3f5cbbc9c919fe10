//! HTTP and HTTPS requests, one message a request, over kept connections.
//!
//! Each slot keeps one HTTP/1.1 connection, so a request's answer can only be its own. 2xx accepts; 401, 407, 408,
//! 425, 429 and 5xx say that nothing gets through now (401 and 407 are about our credentials, not about the message);
//! every other status refuses the message, redirects included: a message is not sent where its destination does not
//! say. An HL7 acknowledgement in the body is the receiver's own word: AE or AR refuses, whatever the status, unless
//! it is one of those that say *now*; one that names another message is no answer.
//!
//! Every request carries the delivery's id as its idempotency key, and `Barid-Possible-Duplicate: true` where the
//! receiver may have it already.

mod answer;
mod connection;
mod request;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use barid_config::settings::{HttpCredentials, TlsClient};
use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue, Method, Uri};

use super::dial::{Dialer, Endpoint};
use super::facts::Expression;
use super::probe::Met;
use super::secret::Secrets;
use super::status::Status;
use super::tls::Tls;
use super::{Connection, Connector};
use connection::Slot;
use request::Template;

/// The header that carries the delivery's id where the destination names no other.
pub const IDEMPOTENCY_HEADER: &str = "idempotency-key";
/// The header that marks a message the receiver may have already.
pub const POSSIBLE_DUPLICATE_HEADER: &str = "barid-possible-duplicate";
/// The content type where the destination names no other.
pub const CONTENT_TYPE: &str = "application/hl7-v2";
/// Largest body that is read when no sender waits for it, in bytes; what is beyond is left unread.
pub const BODY_MAX: usize = 1024 * 1024;
/// Largest body that is read for a sender that waits, in bytes: as large as a message may be.
pub const AWAITED_BODY_MAX: usize = 16 * 1024 * 1024;

/// Settings of an HTTP destination.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Where to; `http` or `https`, with a host.
    pub url: Uri,
    /// POST or PUT.
    pub method: Method,
    /// Content-Type.
    pub content_type: HeaderValue,
    /// Further headers; an empty value leaves its header out.
    pub headers: Vec<(HeaderName, Expression)>,
    /// The header that carries the delivery's id.
    pub idempotency_header: HeaderName,
    /// Credentials, where it wants any.
    pub credentials: Option<HttpCredentials>,
    /// TLS beyond what an `https` URL says.
    pub tls: TlsClient,
    /// From the request's first byte to the answer's last.
    pub timeout: Duration,
    /// How long written bytes may stay unacknowledged by the receiver's machine.
    pub guard: Duration,
}

/// An HTTP destination.
pub struct Http {
    shared: Arc<Shared>,
}

struct Shared {
    dialer: Arc<Dialer>,
    template: Template,
    timeout: Duration,
    target: String,
    open: AtomicU64,
}

/// Settings that no request can be made from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HttpSettingsError(String);

impl Http {
    /// A destination with these settings.
    ///
    /// # Errors
    /// [`HttpSettingsError`] where the URL is not `http` or `https`, or has no host.
    pub fn new(settings: HttpSettings, secrets: &Arc<dyn Secrets>) -> Result<Self, HttpSettingsError> {
        let url = &settings.url;
        let host = url.host().ok_or_else(|| HttpSettingsError("the URL has no host".to_owned()))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let (port, tls) = match url.scheme_str() {
            Some("http") => (80, None),
            Some("https") => (443, Some(Tls::new(settings.tls.clone(), &[b"http/1.1"], Arc::clone(secrets)))),
            _ => return Err(HttpSettingsError("the URL begins with neither http:// nor https://".to_owned())),
        };
        let endpoint = Endpoint { host, port: url.port_u16().unwrap_or(port) };
        let shared = Shared {
            dialer: Dialer::new(vec![endpoint], tls, settings.timeout, settings.guard),
            timeout: settings.timeout,
            target: url.to_string(),
            open: AtomicU64::new(0),
            template: Template::new(settings, Arc::clone(secrets))?,
        };
        Ok(Self { shared: Arc::new(shared) })
    }
}

impl Connector for Http {
    fn open(&self) -> Box<dyn Connection> {
        Box::new(Slot::new(Arc::clone(&self.shared)))
    }

    fn status(&self) -> Status {
        let open = self.shared.open.load(Ordering::Relaxed);
        Status {
            target: self.shared.target.clone(),
            open,
            unexpected: 0,
            certificates: self.shared.dialer.certificates(),
        }
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Met>> {
        Box::pin(connection::probe(&self.shared))
    }
}
