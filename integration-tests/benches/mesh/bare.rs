//! The least that the servers could do: single messages on as many subjects as there are senders, each after its acknowledgement.

use std::time::{Duration, Instant};

use async_nats::jetstream::{self, stream};
use barid_testkit::servers::nats::{NatsServers, USER};
use bytes::Bytes;

use crate::Failed;

/// Subjects, with one publisher each.
const SUBJECTS: usize = 64;
/// Bytes of a message: about the mean of what hospitals send.
const BYTES: usize = 2_000;
/// Bytes that the stream keeps.
const KEEP: i64 = 1 << 30;

/// A stream on the same servers that is not the mesh's.
pub(crate) struct Bare {
    context: jetstream::Context,
}

impl Bare {
    pub(crate) async fn start(servers: &NatsServers) -> Result<Self, Failed> {
        let options = async_nats::ConnectOptions::with_user_and_password(USER.0.into(), USER.1.into());
        let context = jetstream::new(options.connect(servers.addresses()).await?);
        let config = stream::Config {
            name: "BARE".into(),
            subjects: vec!["bare.>".into()],
            num_replicas: servers.count(),
            max_bytes: KEEP,
            ..stream::Config::default()
        };
        context.create_stream(config).await?;
        Ok(Self { context })
    }

    /// Messages a second that are acknowledged.
    pub(crate) async fn rate(&self, time: Duration) -> Result<f64, Failed> {
        let (begun, end) = (Instant::now(), Instant::now() + time);
        let publishers: Vec<_> = (0..SUBJECTS)
            .map(|number| tokio::task::spawn_local(publish(self.context.clone(), format!("bare.{number}"), end)))
            .collect();
        let mut count = 0;
        for publisher in publishers {
            count += publisher.await?.map_err(|error| error.to_string())?;
        }
        Ok(count as f64 / begun.elapsed().as_secs_f64())
    }
}

async fn publish(
    context: jetstream::Context,
    subject: String,
    end: Instant,
) -> Result<u64, jetstream::context::PublishError> {
    let payload = Bytes::from(vec![b'x'; BYTES]);
    let mut count = 0;
    while Instant::now() < end {
        context.publish(subject.clone(), payload.clone()).await?.await?;
        count += 1;
    }
    Ok(count)
}
