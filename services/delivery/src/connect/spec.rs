//! From a destination's compiled document to its connector and its rules: the only place where the two meet.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use barid_config::DestinationSpec;
use barid_config::settings::{Connect, FileConnect, HttpConnect, MllpConnect, TlsClient};
use barid_hl7::Charset;
use barid_model::ErrorClass;
use http::{HeaderName, HeaderValue, Method, Uri};

use super::file::{FileSettings, Files};
use super::http::{CONTENT_TYPE, Http, HttpSettings};
use super::mllp::{Mllp, MllpSettings};
use super::secret::Secrets;
use super::{Answers, Connector, Endpoint, Expression};

/// What connectors need of the process they run in.
#[derive(Clone)]
pub struct Environment {
    /// Where secrets come from.
    pub secrets: Arc<dyn Secrets>,
    /// What relative folders of file destinations are inside of.
    pub data: PathBuf,
    /// `TCP_USER_TIMEOUT` of connections, usually [`super::GUARD`]; an engine that no other can take over from may
    /// bear longer outages of a link.
    pub guard: Duration,
}

/// A destination that no connector can be made for. `barid check` finds all of these in documents; this guards
/// against specs that come from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {text}")]
pub struct SpecError {
    /// The setting.
    pub field: &'static str,
    /// What is wrong, and what would be right.
    pub text: String,
}

impl SpecError {
    fn new(field: &'static str, text: impl Into<String>) -> Self {
        Self { field, text: text.into() }
    }

    /// The document is wrong, and will be until somebody changes it.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        ErrorClass::Rejected
    }
}

/// The connector of a destination. Opens nothing yet.
///
/// # Errors
/// [`SpecError`] where a setting cannot be used.
pub fn connector(spec: &DestinationSpec, environment: &Environment) -> Result<Arc<dyn Connector>, SpecError> {
    Ok(match &spec.connect {
        Connect::Mllp(mllp) => Arc::new(Mllp::new(of_mllp(spec, mllp, environment)?, &environment.secrets)),
        Connect::Http(http) => {
            let http = Http::new(of_http(spec, http, environment)?, &environment.secrets);
            Arc::new(http.map_err(|error| SpecError::new("http.url", error.to_string()))?)
        }
        Connect::File(file) => Arc::new(Files::new(of_file(spec, file, environment))),
    })
}

/// What a destination's answers mean.
#[must_use]
pub fn answers(spec: &DestinationSpec) -> Answers {
    let rules = spec.answers.iter().map(|rule| (Arc::clone(rule.when.program()), rule.then)).collect();
    Answers::new(rules, spec.on_reject)
}

fn of_mllp(spec: &DestinationSpec, mllp: &MllpConnect, environment: &Environment) -> Result<MllpSettings, SpecError> {
    let read = |text: &String| {
        let wrong =
            || SpecError::new("mllp.endpoints", format!("{text:?} is no host:port, such as registry.example:2575"));
        Endpoint::read(text).ok_or_else(wrong)
    };
    Ok(MllpSettings {
        endpoints: mllp.endpoints.iter().map(read).collect::<Result<_, _>>()?,
        tls: spec.tls.clone(),
        timeout: spec.timeout,
        guard: environment.guard,
        release: mllp.release,
        awaits: mllp.await_ack,
    })
}

fn of_http(spec: &DestinationSpec, http: &HttpConnect, environment: &Environment) -> Result<HttpSettings, SpecError> {
    let url: Uri = http.url.parse().map_err(|_| SpecError::new("http.url", "it is no URL"))?;
    let name = |field, text: &str| {
        HeaderName::try_from(text).map_err(|_| SpecError::new(field, format!("{text:?} is no name of a header")))
    };
    let mut headers = Vec::with_capacity(http.headers.len());
    for header in &http.headers {
        headers.push((name("http.headers", &header.name)?, Expression::new(Arc::clone(header.value.program()))));
    }
    let method = Method::try_from(http.method.as_str());
    let content_type = http.content_type.clone().unwrap_or_else(|| content_type(spec.outbound.charset.as_deref()));
    let content_type = HeaderValue::try_from(content_type);
    Ok(HttpSettings {
        url,
        method: method.map_err(|_| SpecError::new("http.method", "it is no method: POST or PUT"))?,
        content_type: content_type.map_err(|_| SpecError::new("http.contentType", "it is no content type"))?,
        headers,
        idempotency_header: name("http.idempotencyHeader", &http.idempotency_header)?,
        credentials: http.credentials.clone(),
        tls: spec.tls.clone().unwrap_or(TlsClient { ca: None, certificate: None, server_name: None }),
        timeout: spec.timeout,
        guard: environment.guard,
    })
}

/// HL7 v2, with the charset where the destination is always written in one; else MSH-18 alone tells it.
fn content_type(charset: Option<&str>) -> String {
    let charset = charset.and_then(|name| Charset::from_name(name).ok());
    match charset {
        None => CONTENT_TYPE.to_owned(),
        Some(Charset::Utf8) => format!("{CONTENT_TYPE}; charset=utf-8"),
        Some(Charset::Ascii) => format!("{CONTENT_TYPE}; charset=us-ascii"),
        // `8859/15` is `iso-8859-15` to the rest of the world; the Windows sets have one name.
        Some(other) => format!("{CONTENT_TYPE}; charset={}", other.hl7_name().replace("8859/", "iso-8859-")),
    }
}

fn of_file(spec: &DestinationSpec, file: &FileConnect, environment: &Environment) -> FileSettings {
    FileSettings {
        // An absolute folder replaces the data directory.
        directory: environment.data.join(&file.directory),
        name: Expression::new(Arc::clone(file.name.program())),
        mode: file.mode,
        timeout: spec.timeout,
    }
}
