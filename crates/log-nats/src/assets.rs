//! The streams: made where they are missing, checked where they are there.

use std::sync::Arc;

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::jetstream::{
    ErrorCode,
    context::{CreateStreamErrorKind, GetStreamErrorKind},
};
use barid_log::MAX_VALUE_BYTES;

use crate::link::Link;
use crate::name::{Family, Names};
use crate::options::{OpenError, Options};
use crate::shared::Shared;

/// Largest message sent: a value of the largest size with its headers.
pub(crate) const MAX_MESSAGE: usize = MAX_VALUE_BYTES + (64 << 10);

fn config(name: String, subjects: String, bytes: u64, options: &Options) -> Config {
    Config {
        name,
        subjects: vec![subjects],
        max_bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
        discard: DiscardPolicy::New,
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        num_replicas: options.replicas,
        allow_direct: true,
        ..Config::default()
    }
}

/// What streams there have to be.
fn wanted(names: &Names, options: &Options) -> Vec<Config> {
    let sizes = options.sizes;
    let family = |family: Family| {
        let bytes = match family {
            Family::In => sizes.intake,
            Family::Out => sizes.outputs,
            Family::Park => sizes.park,
            Family::Outcome => sizes.outcomes,
        };
        config(names.stream(family), names.stream_subjects(family), bytes, options)
    };
    let mut all: Vec<Config> = Family::ALL.into_iter().map(family).collect();
    all.push(config(names.objects(), names.objects_subjects(), sizes.objects, options));
    let keys = config(names.keys(), names.keys_subjects(), sizes.keys, options);
    // As NATS makes its buckets, so that its tools read this one.
    all.push(Config {
        max_messages_per_subject: 1,
        allow_rollup: true,
        deny_delete: true,
        allow_message_ttl: true,
        ..keys
    });
    all
}

/// Makes what is missing.
pub(crate) async fn ensure(link: &Link, names: &Names, options: &Options) -> Result<(), OpenError> {
    let actual = link.client().max_payload();
    if actual < MAX_MESSAGE {
        return Err(OpenError::MaxPayload { actual, needed: MAX_MESSAGE });
    }
    for wanted in wanted(names, options) {
        ensure_one(link, wanted, options).await?;
    }
    Ok(())
}

async fn ensure_one(link: &Link, wanted: Config, options: &Options) -> Result<(), OpenError> {
    let stream = wanted.name.clone();
    let failed = |why: String| OpenError::Stream { stream: stream.clone(), why };
    let unreachable = |why: String| OpenError::Unreachable { servers: options.connect.servers.clone(), why };
    let found = match link.context().get_stream(&wanted.name).await {
        Ok(found) => found.cached_info().config.clone(),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                match link.context().create_stream(wanted.clone()).await {
                    Ok(made) => made.cached_info().config.clone(),
                    Err(error) if passes(error.kind()) => {
                        return Err(unreachable(format!("stream {stream} is not made yet: {error}")));
                    }
                    Err(error) => {
                        return Err(failed(format!(
                            "cannot be made: {error}; may this user make streams, and do servers and account have room for their limits?"
                        )));
                    }
                }
            }
            _ => return Err(unreachable(error.to_string())),
        },
    };
    if found.retention != wanted.retention || found.discard != wanted.discard || !found.max_age.is_zero() {
        return Err(failed("drops messages by itself: it needs retention limits, discard new and no max_age".into()));
    }
    if found.max_bytes <= 0 {
        return Err(failed("has no max_bytes: a full volume would freeze it".into()));
    }
    if !wanted.subjects.iter().all(|subject| found.subjects.contains(subject)) {
        return Err(failed(format!("takes {:?}, not {:?}", found.subjects, wanted.subjects)));
    }
    if found.max_bytes != wanted.max_bytes || !found.allow_direct {
        let update = Config { max_bytes: wanted.max_bytes, allow_direct: true, ..found };
        link.context().update_stream(update).await.map_err(|error| failed(format!("cannot be changed: {error}")))?;
    }
    Ok(())
}

/// A leader that is being chosen, or others that make theirs: the stream may even be made by now.
fn passes(kind: CreateStreamErrorKind) -> bool {
    match kind {
        CreateStreamErrorKind::TimedOut | CreateStreamErrorKind::JetStreamUnavailable => true,
        CreateStreamErrorKind::JetStream(error) => error.error_code() == ErrorCode::CLUSTER_NOT_AVAILABLE,
        _ => false,
    }
}

impl Shared {
    /// The names of all streams of the installation.
    pub(crate) fn all_streams(self: &Shared) -> Vec<String> {
        let names = &self.names;
        let mut all: Vec<String> = Family::ALL.into_iter().map(|family| names.stream(family)).collect();
        all.extend([names.objects(), names.keys()]);
        all
    }

    /// Runs a task until the log is closed.
    pub(crate) fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        let closed = self.closed.clone();
        self.runtime.spawn(async move {
            tokio::select! {
                () = closed.cancelled() => {}
                () = task => {}
            }
        });
    }
}
