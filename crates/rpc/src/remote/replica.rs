//! One replica: its connection, whether it says it is well, and how much it has to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::limits;
use crate::transport::dial::{Dial, Requests};

/// One replica of a service.
pub(crate) struct Replica {
    /// Tells it from others, also from one that had its address before.
    pub(super) id: u64,
    dial: Dial,
    service: &'static str,
    /// Set while it is connected and says it serves.
    requests: ArcSwapOption<Requests>,
    on_the_way: AtomicUsize,
    suspect: Mutex<Option<Instant>>,
    /// Tells that somebody began or ended to serve.
    changed: watch::Sender<u64>,
}

/// Counts a call while it is on the way.
pub(super) struct OnTheWay(Arc<Replica>);

impl Drop for OnTheWay {
    fn drop(&mut self) {
        self.0.on_the_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Replica {
    pub(super) fn new(id: u64, dial: Dial, service: &'static str, changed: watch::Sender<u64>) -> Arc<Self> {
        Arc::new(Self {
            id,
            dial,
            service,
            requests: ArcSwapOption::empty(),
            on_the_way: AtomicUsize::new(0),
            suspect: Mutex::new(None),
            changed,
        })
    }

    /// Its connection, while it serves.
    pub(crate) fn requests(&self) -> Option<Requests> {
        self.requests.load().as_deref().cloned()
    }

    /// Tells it from others.
    pub(crate) const fn number(&self) -> u64 {
        self.id
    }

    pub(super) fn is_serving(&self) -> bool {
        self.requests.load().is_some()
    }

    pub(super) fn is_suspect(&self) -> bool {
        let mut suspect = self.suspect.lock();
        if suspect.is_some_and(|until| Instant::now() >= until) {
            *suspect = None;
        }
        suspect.is_some()
    }

    /// It did not answer in time: others are asked first for a while.
    pub(super) fn suspect(&self) {
        *self.suspect.lock() = Some(Instant::now() + limits::SUSPECT);
    }

    pub(super) fn load(&self) -> usize {
        self.on_the_way.load(Ordering::Relaxed)
    }

    pub(super) fn begin(self: &Arc<Self>) -> OnTheWay {
        self.on_the_way.fetch_add(1, Ordering::Relaxed);
        OnTheWay(Arc::clone(self))
    }

    fn serves(&self, requests: Option<Requests>) {
        let before = self.requests.swap(requests.map(Arc::new)).is_some();
        let now = self.is_serving();
        if before != now {
            tracing::info!(service = self.service, replica = %self.dial, serving = now, "replica");
            self.changed.send_modify(|count| *count += 1);
        }
    }

    /// Keeps it connected, and knows whether it serves; never ends.
    pub(super) async fn keep(self: Arc<Self>) {
        let mut pause = limits::RECONNECT.0;
        loop {
            let began = Instant::now();
            match self.dial.connect().await {
                Ok((requests, connection)) => {
                    let driven = tokio::spawn(connection);
                    let end = tokio_util::task::AbortOnDropHandle::new(driven);
                    tokio::select! {
                        () = self.watch(requests) => {}
                        _ = end => {}
                    }
                    self.serves(None);
                }
                Err(error) => tracing::debug!(service = self.service, replica = %self.dial, %error, "cannot connect"),
            }
            // One that was well for a while is tried at once.
            pause = if began.elapsed() > limits::RECONNECT.1 { limits::RECONNECT.0 } else { pause };
            tokio::time::sleep(jittered(pause, self.id)).await;
            pause = (pause * 2).min(limits::RECONNECT.1);
        }
    }

    /// Follows what it says about the service; ends when it says no more.
    async fn watch(&self, requests: Requests) {
        let request = HealthCheckRequest { service: self.service.to_owned() };
        let mut said = match HealthClient::new(requests.clone()).watch(request).await {
            Ok(response) => response.into_inner(),
            Err(status) => {
                tracing::debug!(service = self.service, replica = %self.dial, %status, "does not say whether it serves");
                return;
            }
        };
        while let Ok(Some(HealthCheckResponse { status })) = said.message().await {
            let serving = ServingStatus::try_from(status) == Ok(ServingStatus::Serving);
            self.serves(serving.then(|| requests.clone()));
        }
    }
}

/// Somewhat more or less, so that callers do not come back all at once.
fn jittered(pause: Duration, seed: u64) -> Duration {
    let eighths = u32::try_from(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 61).unwrap_or(0);
    pause * (8 + eighths) / 10
}
