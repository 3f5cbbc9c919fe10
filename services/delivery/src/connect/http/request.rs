//! Builds the request for a message: what stays the same is made once, credentials are the newest, headers from
//! expressions see the message.

use std::sync::Arc;

use barid_config::settings::{HttpCredentials, Secret};
use barid_model::Finding;
use base64::Engine as _;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;

use super::{HttpSettings, HttpSettingsError, POSSIBLE_DUPLICATE_HEADER};
use crate::connect::facts::{Expression, Seen};
use crate::connect::secret::Secrets;
use crate::connect::{Outgoing, Sent, TransportError, TransportKind};

pub(super) struct Template {
    method: Method,
    target: Uri,
    fixed: HeaderMap,
    computed: Vec<(HeaderName, Expression)>,
    idempotency: HeaderName,
    credentials: Option<HttpCredentials>,
    secrets: Arc<dyn Secrets>,
}

impl Template {
    pub(super) fn new(settings: HttpSettings, secrets: Arc<dyn Secrets>) -> Result<Self, HttpSettingsError> {
        let invalid = |_| HttpSettingsError("the URL's host or path cannot be sent".to_owned());
        // As Host wants it: with the port, without user and password.
        let authority = settings.url.authority().map_or("", |authority| authority.as_str());
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let path = settings.url.path_and_query().map_or("/", |path| path.as_str());
        let mut fixed = HeaderMap::new();
        fixed.insert(HOST, HeaderValue::from_str(host).map_err(|_| invalid(()))?);
        fixed.insert(CONTENT_TYPE, settings.content_type);
        Ok(Self {
            method: settings.method,
            target: path.parse().map_err(|_| invalid(()))?,
            fixed,
            computed: settings.headers,
            idempotency: settings.idempotency_header,
            credentials: settings.credentials,
            secrets,
        })
    }

    /// The request for one message.
    pub(super) fn request(&self, out: &Outgoing) -> Result<Request<Full<Bytes>>, Box<Sent>> {
        let mut request = Request::new(Full::new(out.record.payload.bytes()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target.clone();
        let headers = request.headers_mut();
        headers.clone_from(&self.fixed);
        self.compute(out, headers).map_err(|finding| Box::new(Sent::Unsendable(finding)))?;
        if let Ok(id) = HeaderValue::from_str(&out.id().to_string()) {
            headers.insert(self.idempotency.clone(), id);
        }
        if let Some(trace) = out.trace.and_then(|trace| HeaderValue::from_str(&trace.header()).ok()) {
            headers.insert(HeaderName::from_static("traceparent"), trace);
        }
        if out.possible_duplicate {
            headers.insert(HeaderName::from_static(POSSIBLE_DUPLICATE_HEADER), HeaderValue::from_static("true"));
        }
        self.authorize(headers).map_err(|error| Box::new(Sent::Failed(error)))?;
        Ok(request)
    }

    /// A request that carries no message, to see whether the receiver is there.
    pub(super) fn options(&self) -> Result<Request<Full<Bytes>>, TransportError> {
        let mut request = Request::new(Full::default());
        *request.method_mut() = Method::OPTIONS;
        *request.uri_mut() = self.target.clone();
        let headers = request.headers_mut();
        headers.clone_from(&self.fixed);
        headers.remove(CONTENT_TYPE);
        self.authorize(headers)?;
        Ok(request)
    }

    fn compute(&self, out: &Outgoing, headers: &mut HeaderMap) -> Result<(), Finding> {
        if self.computed.is_empty() {
            return Ok(());
        }
        let seen = Seen::of(&out.record, self.computed.iter().any(|(_, value)| value.uses_message()));
        for (name, expression) in &self.computed {
            let wrong = |text: String| Finding::error(207, "", "http.headers", format!("header {name}: {text}"));
            let value = expression.text(&seen).map_err(&wrong)?;
            if value.is_empty() {
                continue;
            }
            let value = HeaderValue::from_bytes(value.as_bytes());
            let value = value.map_err(|_| wrong("its value has line ends or control characters".to_owned()))?;
            headers.insert(name.clone(), value);
        }
        Ok(())
    }

    fn authorize(&self, headers: &mut HeaderMap) -> Result<(), TransportError> {
        let text = match &self.credentials {
            None => return Ok(()),
            Some(HttpCredentials::Bearer(token)) => format!("Bearer {}", self.secret(token)?),
            Some(HttpCredentials::Basic { username, password }) => {
                let pair = format!("{username}:{}", self.secret(password)?);
                format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
            }
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| {
            TransportError::new(TransportKind::Secret, "the credentials hold characters that no HTTP header can carry")
        })?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
        Ok(())
    }

    fn secret(&self, at: &Secret) -> Result<String, TransportError> {
        let failed = |text: String| TransportError::new(TransportKind::Secret, text);
        let value = self.secrets.read(at).map_err(|error| failed(error.to_string()))?;
        value.text().map(str::to_owned).ok_or_else(|| failed("the credentials are not text".to_owned()))
    }
}
