//! One consumer that tells what is appended, and ends as soon as it may have missed something.
//!
//! The client's own ordered consumer notices after ten seconds that the server with its consumer is gone, and then tries again at
//! growing intervals of up to ten seconds: as long as that nobody here would hear of what others append. This one has a
//! heartbeat a second, takes the first gap or silence for its end, and leaves it to its user to listen anew from where it was.

use std::time::Duration;

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, push};
use async_nats::{StatusCode, Subscriber};
use barid_log::LogError;
use futures_util::StreamExt as _;

use crate::link::{Link, busy};

/// How often the server says that there is nothing new.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Silence after which the consumer is taken for gone: two heartbeats, on a busy machine.
const SILENCE: Duration = Duration::from_millis(2_500);
/// After which the server forgets a consumer that nobody hears.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(10);
/// Headers of a heartbeat: what was delivered last, and where it is to be said that this was heard.
const LAST_CONSUMER: &str = "Nats-Last-Consumer";
const STALLED: &str = "Nats-Consumer-Stalled";

/// A consumer.
pub(super) struct Ear<'a> {
    link: &'a Link,
    subscriber: Subscriber,
    /// Messages it has given.
    delivered: u64,
}

impl<'a> Ear<'a> {
    /// Listens to these subjects of a stream, all where none is named, from a sequence on; to what they hold where it is `whole`, otherwise to the headers.
    pub(super) async fn open(
        link: &'a Link,
        stream: &str,
        filters: &[String],
        start_sequence: u64,
        whole: bool,
    ) -> Result<Self, LogError> {
        let inbox = link.client().new_inbox();
        let subscriber = link.client().subscribe(inbox.clone()).await.map_err(|error| busy(&error))?;
        let config = push::Config {
            deliver_subject: inbox,
            filter_subjects: filters.to_vec(),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence },
            ack_policy: AckPolicy::None,
            max_deliver: 1,
            headers_only: !whole,
            flow_control: true,
            idle_heartbeat: HEARTBEAT,
            inactive_threshold: FORGOTTEN_AFTER,
            num_replicas: 1,
            memory_storage: true,
            ..push::Config::default()
        };
        link.stream(stream).await?.create_consumer(config).await.map_err(|error| busy(&error))?;
        Ok(Self { link, subscriber, delivered: 0 })
    }

    /// The next message.
    pub(super) async fn next(&mut self) -> Result<Message, LogError> {
        loop {
            let message = tokio::time::timeout(SILENCE, self.subscriber.next())
                .await
                .map_err(|_| LogError::Busy("no heartbeat".into()))?
                .ok_or_else(|| LogError::Busy("the connection is closed".into()))?;
            match message.status {
                Some(StatusCode::IDLE_HEARTBEAT) => self.heartbeat(&message).await?,
                Some(status) => return Err(LogError::Busy(format!("the consumer ended: {status}").into())),
                None => {
                    let message = Message { message, context: self.link.context().clone() };
                    let consumer = message.info().map_err(|error| LogError::Busy(error.to_string().into()))?;
                    self.heard(consumer.consumer_sequence)?;
                    return Ok(message);
                }
            }
        }
    }

    /// Answers where it is asked for, so that the server goes on; looks whether all was heard.
    async fn heartbeat(&self, message: &async_nats::Message) -> Result<(), LogError> {
        let header = |name: &'static str| message.headers.as_ref()?.get(name).map(async_nats::HeaderValue::as_str);
        let asked = message.reply.as_ref().map(|reply| reply.to_string());
        if let Some(to) = asked.or_else(|| header(STALLED).map(str::to_owned)) {
            self.link.client().publish(to, bytes::Bytes::new()).await.map_err(|error| busy(&error))?;
        }
        match header(LAST_CONSUMER).and_then(|last| last.parse::<u64>().ok()) {
            Some(last) if last != self.delivered => Err(LogError::Busy("messages were not heard".into())),
            _ => Ok(()),
        }
    }

    fn heard(&mut self, sequence: u64) -> Result<(), LogError> {
        self.delivered += 1;
        if sequence == self.delivered { Ok(()) } else { Err(LogError::Busy("messages were not heard".into())) }
    }
}
