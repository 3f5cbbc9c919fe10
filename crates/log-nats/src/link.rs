//! The connection, and the few requests that everything else is made of.
//!
//! Answers of the servers become the words this crate decides by: stored, stale, full, refused, unclear. Reads that something is decided by go to the stream's
//! leader; any replica may answer a batch, so who reads a batch checks that it is not behind.

mod mux;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, RawMessageErrorKind, Stream};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectOptions, HeaderMap, Request, StatusCode};
use barid_log::LogError;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use self::mux::Mux;
use crate::options::{Connect, OpenError};

/// How long one request to a leader may take: a leader answers in milliseconds, or there is none.
pub(crate) const REQUEST: Duration = Duration::from_secs(2);
/// Pause between two messages of a batch after which it is given up.
const BATCH_GAP: Duration = Duration::from_secs(2);
/// How often the server is asked whether it is there; a frozen one is left after three times this. Shorter, and a busy machine loses connections.
const PING_EVERY: Duration = Duration::from_secs(2);
/// Longest time to the next attempt to connect.
const RECONNECT: Duration = Duration::from_millis(500);
/// How long the first connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// Messages that may wait for a subscriber of ours: a second of headers at full load.
const SUBSCRIPTION_CAPACITY: usize = 1 << 16;

/// A message as it is in its stream.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) sequence: u64,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Bytes,
}

/// What became of a publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Published {
    /// It is stored at this sequence, on a quorum.
    Stored(u64),
    /// The subject is not where it was expected to be.
    Stale,
    /// The stream has no room. Not stored.
    Full,
    /// There is nobody now who could store it. Not stored.
    Nobody,
    /// It can never be stored as it is. Not stored.
    Refused(String),
    /// Not known; it may be stored, now or a little later.
    Unclear(String),
}

/// Which message of a stream.
pub(crate) enum Which<'a> {
    /// The one at this sequence.
    At(u64),
    /// The first of this subject at or after this sequence.
    Next(&'a str, u64),
    /// The last of this subject.
    Last(&'a str),
}

#[derive(Deserialize)]
struct Acknowledgement {
    #[serde(default)]
    seq: u64,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    err_code: u64,
    #[serde(default)]
    description: String,
}

#[derive(Serialize)]
struct BatchRequest<'a> {
    seq: u64,
    next_by_subj: &'a str,
    batch: usize,
    max_bytes: usize,
}

/// A connection.
pub(crate) struct Link {
    client: Client,
    context: Context,
    mux: Mux,
}

impl Link {
    /// Connects.
    pub(crate) async fn connect(connect: &Connect, name: &str) -> Result<Self, OpenError> {
        let client = open(connect, name).await?;
        let mut context = jetstream::new(client.clone());
        context.set_timeout(REQUEST);
        let mux = Mux::start(&client).await.map_err(OpenError::Connection)?;
        Ok(Self { client, context, mux })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// Whether there is a connection now.
    pub(crate) fn connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// A stream, without asking whether it is there.
    pub(crate) async fn stream(&self, name: &str) -> Result<Stream<()>, LogError> {
        self.context.get_stream_no_info(name).await.map_err(|error| busy(&error))
    }

    /// Publishes to a stream; `expect` is the sequence of the subject's last message.
    pub(crate) async fn publish(
        &self,
        address: &str,
        expect: Option<u64>,
        headers: &[(&'static str, String)],
        payload: Bytes,
        within: Duration,
    ) -> Published {
        let mut map = HeaderMap::new();
        if let Some(expect) = expect {
            map.insert("Nats-Expected-Last-Subject-Sequence", expect.to_string());
        }
        for (name, value) in headers {
            map.insert(*name, value.as_str());
        }
        let request = Request::new().headers(map).payload(payload).timeout(Some(within));
        // The client's own queue may be full while there is no connection.
        let answer = match tokio::time::timeout(within, self.client.send_request(address.to_owned(), request)).await {
            Ok(Ok(message)) => message,
            Ok(Err(error)) if error.kind() == async_nats::RequestErrorKind::MaxPayloadExceeded => {
                return Published::Refused(error.to_string());
            }
            // Said by the server at once: the subject has no subscriber, for the stream has no leader.
            Ok(Err(error)) if error.kind() == async_nats::RequestErrorKind::NoResponders => return Published::Nobody,
            Ok(Err(error)) => return Published::Unclear(error.to_string()),
            Err(_) => return Published::Unclear("no answer".into()),
        };
        match serde_json::from_slice::<Acknowledgement>(&answer.payload) {
            Ok(Acknowledgement { seq, error: None }) if seq > 0 => Published::Stored(seq),
            Ok(Acknowledgement { error: Some(refusal), .. }) => refusal.meaning(),
            _ => Published::Unclear("an answer that is no acknowledgement".into()),
        }
    }

    /// Reads one message from the stream's leader.
    pub(crate) async fn message(&self, stream: &str, which: Which<'_>) -> Result<Option<Stored>, LogError> {
        let builder = self.stream(stream).await?.raw_message_builder();
        let builder = match which {
            Which::At(sequence) => builder.sequence(sequence),
            Which::Next(subject, from) => builder.next_by_subject(subject).sequence(from.max(1)),
            Which::Last(subject) => builder.last_by_subject(subject),
        };
        match builder.send().await {
            Ok(message) => {
                Ok(Some(Stored { sequence: message.sequence, headers: message.headers, payload: message.payload }))
            }
            Err(error) => match error.kind() {
                RawMessageErrorKind::NoMessageFound => Ok(None),
                LastRawMessageErrorKind::JetStream(error) => Err(busy(&error)),
                _ => Err(busy(&error)),
            },
        }
    }

    /// Reads up to `count` messages of a subject from a sequence on, from any replica: it may lack the newest. Stops after the message that reaches `max_bytes`.
    pub(crate) async fn batch(
        &self,
        stream: &str,
        subject: &str,
        from: u64,
        count: usize,
        max_bytes: usize,
    ) -> Result<Vec<Stored>, LogError> {
        let request = BatchRequest { seq: from.max(1), next_by_subj: subject, batch: count.max(1), max_bytes };
        let body = serde_json::to_vec(&request).map_err(|error| busy(&error))?;
        // One more for the end of the batch.
        let mut answers = self.mux.register(count + 2);
        let address = format!("$JS.API.DIRECT.GET.{stream}");
        let send = self.client.publish_with_reply(address, answers.address(), body.into());
        tokio::time::timeout(REQUEST, send)
            .await
            .map_err(|_| LogError::Busy("not connected".into()))?
            .map_err(|error| busy(&error))?;
        let mut found = Vec::new();
        loop {
            let message = match tokio::time::timeout(BATCH_GAP, answers.next()).await {
                Ok(Some(message)) => message,
                Ok(None) => return Err(LogError::Busy("the connection is closed".into())),
                Err(_) => return Err(LogError::Busy("no answer from any replica".into())),
            };
            match message.status {
                None => {}
                Some(StatusCode::NOT_FOUND) => return Ok(found),
                Some(status) if status.as_u16() == 204 => return Ok(found),
                Some(status) => return Err(LogError::Busy(format!("direct get: {status}").into())),
            }
            let headers = message.headers.unwrap_or_default();
            let sequence = headers.get("Nats-Sequence").and_then(|value| value.as_str().parse().ok());
            let Some(sequence) = sequence else {
                return Err(LogError::Busy("a message without sequence".into()));
            };
            found.push(Stored { sequence, headers, payload: message.payload });
        }
    }

    /// The last message of a subject, from any replica: it may lack the newest. The request names the subject, so that a right can be limited to it.
    pub(crate) async fn newest(&self, stream: &str, address: &str) -> Result<Option<Stored>, LogError> {
        let request = Request::new().timeout(Some(REQUEST));
        let ask = self.client.send_request(format!("$JS.API.DIRECT.GET.{stream}.{address}"), request);
        let message = tokio::time::timeout(REQUEST, ask)
            .await
            .map_err(|_| LogError::Busy("no answer from any replica".into()))?
            .map_err(|error| busy(&error))?;
        match message.status {
            None => {}
            Some(StatusCode::NOT_FOUND) => return Ok(None),
            Some(status) => return Err(LogError::Busy(format!("direct get: {status}").into())),
        }
        let headers = message.headers.unwrap_or_default();
        let sequence = headers.get("Nats-Sequence").and_then(|value| value.as_str().parse().ok());
        let lost = || LogError::Busy("a message without sequence".into());
        Ok(Some(Stored { sequence: sequence.ok_or_else(lost)?, headers, payload: message.payload }))
    }

    /// Removes what a filter matches before a sequence.
    pub(crate) async fn purge(&self, stream: &str, filter: &str, before: u64) -> Result<(), LogError> {
        let stream = self.stream(stream).await?;
        stream.purge().sequence(before).filter(filter).await.map(|_| ()).map_err(|error| busy(&error))
    }
}

impl Refusal {
    fn meaning(self) -> Published {
        match self.err_code {
            // Wrong last sequence, with and without telling it.
            10071 | 10164 => Published::Stale,
            // Limits of the account and the server's storage.
            10002 | 10047 => Published::Full,
            10077 if self.description.contains("maximum") => Published::Full,
            10054 | 10097 => Published::Refused(self.description),
            _ => Published::Unclear(self.description),
        }
    }
}

/// The address of a message of a batch.
pub(crate) fn batch_subject(stored: &Stored) -> Option<&str> {
    stored.headers.get("Nats-Subject").map(async_nats::HeaderValue::as_str)
}

/// An error of the client: nothing was done, and it may be done later.
pub(crate) fn busy(error: &dyn std::error::Error) -> LogError {
    let mut text = error.to_string();
    if let Some(source) = error.source() {
        text = format!("{text}: {source}");
    }
    LogError::Busy(text.into())
}

async fn open(connect: &Connect, name: &str) -> Result<Client, OpenError> {
    let mut options = ConnectOptions::new()
        .name(name)
        .ping_interval(PING_EVERY)
        .connection_timeout(CONNECT)
        .request_timeout(Some(REQUEST))
        .subscription_capacity(SUBSCRIPTION_CAPACITY)
        .reconnect_delay_callback(|attempts| RECONNECT.min(Duration::from_millis(50 * attempts as u64)))
        .require_tls(connect.require_tls);
    let unusable = |what: &str, error: &dyn std::fmt::Display| OpenError::Connection(format!("{what}: {error}"));
    let own = match &connect.nkey_seed {
        Some(seed) => {
            let pair = nkeys::KeyPair::from_seed(seed).map_err(|error| unusable("seed of the NKEY user", &error))?;
            Some(crate::users::inbox(&pair.public_key()))
        }
        None => None,
    };
    if let Some(prefix) = connect.inbox_prefix.as_ref().or(own.as_ref()) {
        options = options.custom_inbox_prefix(prefix);
    }
    if let Some(seed) = &connect.nkey_seed {
        options = options.nkey(seed.clone());
    }
    if let Some((user, password)) = &connect.user {
        options = options.user_and_password(user.clone(), password.clone());
    }
    if let Some(authorities) = &connect.authorities {
        options = options.add_root_certificates(authorities.clone());
    }
    if let Some((certificate, key)) = &connect.certificate {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    let unreachable = |why: String| OpenError::Unreachable { servers: connect.servers.clone(), why };
    match tokio::time::timeout(CONNECT, options.connect(connect.servers.clone())).await {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(error)) => Err(unreachable(error.to_string())),
        Err(_) => Err(unreachable(format!("not within {CONNECT:?}"))),
    }
}

/// An id that nobody else draws: random for the process, counted within it.
pub(crate) fn random_id() -> [u8; 16] {
    static BASE: OnceLock<u64> = OnceLock::new();
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let base = *BASE.get_or_init(|| {
        let mut bytes = [0; 8];
        // Without random bytes, the time and the process still tell writers apart.
        if random(&mut bytes).is_err() {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            return (now.as_nanos() as u64) ^ u64::from(std::process::id()).rotate_left(48);
        }
        u64::from_le_bytes(bytes)
    });
    let mut id = [0; 16];
    let (left, right) = id.split_at_mut(8);
    left.copy_from_slice(&base.to_le_bytes());
    right.copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    id
}

/// Fills with random bytes of the system.
pub(crate) fn random(bytes: &mut [u8]) -> std::io::Result<()> {
    use std::io::Read as _;
    std::fs::File::open("/dev/urandom")?.read_exact(bytes)
}
