//! What a probe meets on the way to a receiver, without sending it a message: names, addresses, TLS, a status.

use std::time::{Duration, Instant};

use rustls::ClientConnection;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::dial::{Dialed, Dialer};

/// What was met at one endpoint or directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Met {
    /// The endpoint, URL or directory.
    pub target: String,
    /// Why it cannot be used; none where it can.
    pub problem: Option<String>,
    /// How long it took to connect, TLS included.
    pub took: Duration,
    /// What was learned, as name and value: `address`, `tls`, `issuer`, `expires`, `status`…
    pub facts: Vec<(&'static str, String)>,
}

/// Connects to every endpoint in turn.
pub(super) async fn sockets(dialer: &Dialer) -> Vec<Met> {
    let mut met = Vec::new();
    for endpoint in 0..dialer.endpoints().len() {
        met.push(socket(dialer, endpoint).await.0);
    }
    met
}

/// Connects to one endpoint; the connection, where there is one, to ask it more.
pub(super) async fn socket(dialer: &Dialer, endpoint: usize) -> (Met, Option<Dialed>) {
    let start = Instant::now();
    let result = dialer.connect_to(endpoint).await;
    let mut met = Met { target: dialer.name(endpoint), problem: None, took: start.elapsed(), facts: Vec::new() };
    match result {
        Ok(dialed) => {
            met.facts.push(("address", dialed.address.to_string()));
            if let Some(session) = dialed.stream.session() {
                met.facts.extend(tls_facts(session));
            }
            (met, Some(dialed))
        }
        Err(error) => {
            met.problem = Some(error.to_string());
            (met, None)
        }
    }
}

fn tls_facts(session: &ClientConnection) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(version) = session.protocol_version() {
        facts.push(("tls", format!("{version:?}")));
    }
    if let Some(suite) = session.negotiated_cipher_suite() {
        facts.push(("cipher", format!("{:?}", suite.suite())));
    }
    let certificate = session.peer_certificates().and_then(|chain| chain.first());
    if let Some((_, certificate)) = certificate.and_then(|bytes| X509Certificate::from_der(bytes).ok()) {
        facts.push(("subject", certificate.subject().to_string()));
        facts.push(("issuer", certificate.issuer().to_string()));
        facts.push(("expires", certificate.validity().not_after.to_string()));
        let names = certificate.subject_alternative_name().ok().flatten();
        let names = names.map(|names| names.value.general_names.iter().map(ToString::to_string).collect::<Vec<_>>());
        facts.extend(names.map(|names| ("names", names.join(", "))));
    }
    facts
}
