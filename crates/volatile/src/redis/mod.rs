//! The store over Redis.
//!
//! One connection, made again by [`Redis::run`] with growing pauses. A call has a short deadline; [`FAILURES_MAX`] that
//! fail one after the other, or the end of the connection, and the store counts as away: calls then fail at once and cost
//! nothing until a new connection has shown that it can do all that is asked of it. Password, authorities and certificate
//! are read for each connection, so that new ones need no restart.

mod connect;
mod options;
mod scripts;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue};
use tokio::sync::Notify;
use tokio::time::Instant;

pub use self::options::{Options, OptionsError};
use crate::store::{Absence, Away, FIGURES_FOR, SPENDS_MAX, Spend, Store};
use crate::{Known, Label, Labels};

/// How long a call may take. No message waits for one, and a healthy server answers in a hundredth of it; but a process that
/// has no processor for a moment should not take that for the server's fault.
pub const CALL_WITHIN: Duration = Duration::from_millis(100);
/// Calls that fail one after the other until the store counts as away.
pub const FAILURES_MAX: u32 = 3;
/// How long a connection may take to be made, TLS and password included.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// Pause before the first attempt to connect again, and the longest one, which a server that comes back waits for.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(4));
/// A connection that held so long was good: the pauses begin anew.
const GOOD_AFTER: Duration = Duration::from_secs(10);
/// How often a server that nobody asks is asked whether it is there.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Figures of a minute: two of ten thousand facilities and channels. More are not counted one by one.
const FIGURES_MAX: usize = 20_000;
/// How long figures are kept, beyond the minutes that are read.
const FIGURES_EXPIRE: u64 = (FIGURES_FOR + 5) * 60;
/// How long a message is remembered: a sender that missed its answer comes again within this time. About 120 bytes each.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(120);
/// What all keys begin with.
const PREFIX: &str = "barid";

/// How it is.
struct Presence {
    since: Instant,
    why: Option<String>,
    told: bool,
}

/// A Redis server.
pub struct Redis {
    options: Options,
    prefix: String,
    connection: ArcSwapOption<MultiplexedConnection>,
    presence: Mutex<Presence>,
    failures: AtomicU32,
    failed: AtomicU64,
    broken: Notify,
}

impl Redis {
    /// Not connected yet: [`Self::run`] does that.
    #[must_use]
    pub fn new(options: Options, labels: &Labels) -> Self {
        Self {
            options,
            prefix: format!("{PREFIX}:{{{}}}", labels.of("installation", &[])),
            connection: ArcSwapOption::empty(),
            presence: Mutex::new(Presence {
                since: Instant::now(),
                why: Some("not connected yet".into()),
                told: false,
            }),
            failures: AtomicU32::new(0),
            failed: AtomicU64::new(0),
            broken: Notify::new(),
        }
    }

    /// Calls that failed since the start.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Keeps a connection, for ever.
    pub async fn run(&self) {
        let mut pause = PAUSES.0;
        loop {
            let begun = Instant::now();
            match self.connected().await {
                Ok(ended) => {
                    let why = ended.await;
                    self.connection.store(None);
                    self.absent(why);
                }
                Err(why) => self.absent(why),
            }
            if begun.elapsed() >= GOOD_AFTER {
                pause = PAUSES.0;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Connects and tries what will be asked; gives what ends with the connection, saying why.
    async fn connected(&self) -> Result<impl Future<Output = String>, String> {
        let connecting = async {
            let (mut connection, driver) = connect::connect(&self.options).await?;
            let driver = connect::Driven::new(driver);
            self.try_out(&mut connection).await?;
            Ok::<_, String>((connection, driver))
        };
        let within = tokio::time::timeout(CONNECT_WITHIN, connecting).await;
        let (connection, mut driver) = within
            .map_err(|_| format!("{} does not answer within {} s", self.options.place(), CONNECT_WITHIN.as_secs()))??;
        // What happened on the connection before is no fault of this one.
        self.failures.store(0, Ordering::Relaxed);
        let broken = self.broken.notified();
        self.connection.store(Some(Arc::new(connection)));
        self.present();
        Ok(async move {
            tokio::select! {
                biased;
                () = broken => "calls fail or are not answered in time".to_owned(),
                () = driver.ended() => "the connection has ended".to_owned(),
                why = self.keep_asking() => why,
            }
        })
    }

    /// Asks for nothing now and then, so that a server that does not answer is noticed without messages.
    async fn keep_asking(&self) -> String {
        loop {
            tokio::time::sleep(ASK_EVERY).await;
            // What fails is counted.
            drop(self.spend(&[]).await);
        }
    }

    /// Everything that is asked later, on keys of no meaning: whether the user may, and the server can.
    async fn try_out(&self, connection: &mut MultiplexedConnection) -> Result<(), String> {
        let probe = Label([0; 16]);
        let spend = Spend { label: probe, cost: Duration::ZERO, most: Duration::from_secs(1) };
        for command in [self.spending(&[spend]), self.remembering(&[(probe, probe)]), self.adding(&[(probe, 0)])] {
            command.exec_async(connection).await.map_err(|error| {
                format!("{} does not do what is asked of it: {}", self.options.place(), connect::words(&error))
            })?;
        }
        Ok(())
    }

    async fn call<T: FromRedisValue>(&self, command: Cmd) -> Result<T, Away> {
        let Some(connection) = self.connection.load_full() else { return Err(Away("not connected".to_owned())) };
        let mut connection = (*connection).clone();
        let why = match tokio::time::timeout(CALL_WITHIN, command.query_async(&mut connection)).await {
            Ok(Ok(answer)) => {
                self.failures.store(0, Ordering::Relaxed);
                return Ok(answer);
            }
            Ok(Err(error)) => connect::words(&error),
            Err(_) => format!("not answered within {} ms", CALL_WITHIN.as_millis()),
        };
        self.failed.fetch_add(1, Ordering::Relaxed);
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES_MAX {
            // Nobody asks from here on; the connection is made anew.
            self.broken.notify_waiters();
            self.connection.store(None);
        }
        Err(Away(why))
    }

    fn present(&self) {
        let mut presence = self.presence.lock();
        let away = presence.why.take().is_some();
        (presence.since, presence.told) = (Instant::now(), true);
        if away {
            tracing::info!(redis = %self.options.place(), "replicas share rates and figures by Redis");
        }
    }

    fn absent(&self, why: String) {
        let mut presence = self.presence.lock();
        if presence.why.is_none() || !presence.told {
            presence.told = true;
            presence.since = Instant::now();
            tracing::warn!(
                redis = %self.options.place(), %why,
                "Redis is away: each replica limits rates by itself; messages go on as they did"
            );
        }
        presence.why = Some(why);
    }

    fn spending(&self, spends: &[Spend]) -> Cmd {
        let mut command = scripts::eval(scripts::SPEND);
        command.arg(spends.len());
        for spend in spends {
            command.arg(format!("{}:rate:{}", self.prefix, spend.label));
        }
        for spend in spends {
            command.arg(micros(spend.cost)).arg(micros(spend.most));
        }
        command
    }

    fn adding(&self, counts: &[(Label, u64)]) -> Cmd {
        let mut command = scripts::eval(scripts::ADD);
        command.arg(1).arg(format!("{}:figures", self.prefix)).arg(FIGURES_EXPIRE).arg(FIGURES_MAX);
        for (label, count) in counts {
            command.arg(&label.0[..]).arg(*count);
        }
        command
    }

    fn remembering(&self, messages: &[(Label, Label)]) -> Cmd {
        let mut command = scripts::eval(scripts::REMEMBER);
        command.arg(messages.len());
        for (label, _) in messages {
            command.arg(format!("{}:message:{label}", self.prefix));
        }
        command.arg(REMEMBERED_FOR.as_secs());
        for (_, bytes) in messages {
            command.arg(&bytes.0[..]);
        }
        command
    }
}

/// Microseconds that Lua's numbers hold exactly.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).min(1 << 50)
}

impl Store for Redis {
    fn spend<'a>(&'a self, spends: &'a [Spend]) -> BoxFuture<'a, Result<Vec<Duration>, Away>> {
        Box::pin(async move {
            let spends = spends.get(..spends.len().min(SPENDS_MAX)).unwrap_or_default();
            let backlogs: Vec<u64> = self.call(self.spending(spends)).await?;
            if backlogs.len() != spends.len() {
                return Err(Away("an answer of another length".to_owned()));
            }
            Ok(backlogs.into_iter().map(Duration::from_micros).collect())
        })
    }

    fn add<'a>(&'a self, counts: &'a [(Label, u64)]) -> BoxFuture<'a, Result<(), Away>> {
        Box::pin(async move { self.call(self.adding(counts)).await })
    }

    fn figures(&self) -> BoxFuture<'_, Result<HashMap<Label, u64>, Away>> {
        Box::pin(async move {
            let mut command = scripts::eval(scripts::FIGURES);
            command.arg(1).arg(format!("{}:figures", self.prefix)).arg(FIGURES_FOR);
            let pairs: Vec<(Vec<u8>, u64)> = self.call(command).await?;
            let mut sums: HashMap<Label, u64> = HashMap::new();
            for (label, count) in pairs {
                if let Ok(label) = <[u8; 16]>::try_from(label) {
                    let sum = sums.entry(Label(label)).or_default();
                    *sum = sum.saturating_add(count);
                }
            }
            Ok(sums)
        })
    }

    fn remember<'a>(&'a self, messages: &'a [(Label, Label)]) -> BoxFuture<'a, Result<Vec<Known>, Away>> {
        Box::pin(async move {
            let said: Vec<u64> = self.call(self.remembering(messages)).await?;
            let known = said.into_iter().map(|word| match word {
                1 => Known::Same,
                2 => Known::OtherBytes,
                _ => Known::No,
            });
            Ok(known.collect())
        })
    }

    fn absence(&self) -> Option<Absence> {
        let presence = self.presence.lock();
        let why = presence.why.clone()?;
        Some(Absence { lasts: presence.since.elapsed(), why: format!("{}: {why}", self.options.place()) })
    }

    fn is_shared(&self) -> bool {
        true
    }
}
