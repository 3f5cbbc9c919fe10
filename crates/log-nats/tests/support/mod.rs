//! Servers that the tests of one program share, and logs on them.

#![allow(dead_code, unreachable_pub, reason = "each test program uses its part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use barid_log::contract::Harness;
use barid_log::{BoxFuture, Log};
use barid_log_nats::{Connect, NatsLog, Options, Sizes};
use barid_testkit::servers::nats::{NatsServers, SYSTEM, Settings, USER};
use tokio::sync::OnceCell;

/// Bytes of each stream.
const STREAM_BYTES: u64 = 512 << 20;

/// One server, started for the first test that needs it.
pub async fn one() -> &'static NatsServers {
    static SERVERS: OnceCell<NatsServers> = OnceCell::const_new();
    SERVERS.get_or_init(|| start(1)).await
}

/// Three servers, likewise.
pub async fn three() -> &'static NatsServers {
    static SERVERS: OnceCell<NatsServers> = OnceCell::const_new();
    SERVERS.get_or_init(|| start(3)).await
}

/// Servers of its own.
pub async fn start(count: usize) -> NatsServers {
    let settings = Settings { count, file_store: 200 << 30, ..Settings::default() };
    match NatsServers::start(settings).await {
        Ok(servers) => servers,
        Err(error) => panic!("{error}"),
    }
}

/// Options of an installation that nobody else uses.
pub fn options(servers: &NatsServers) -> Options {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let installation = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let connect = Connect::to(servers.addresses()).as_user(USER.0, USER.1);
    Options {
        system: Some(Connect::to(servers.addresses()).as_user(SYSTEM.0, SYSTEM.1)),
        replicas: servers.count(),
        sizes: Sizes::each(STREAM_BYTES),
        ..Options::new(connect, &installation, 16, "sha256")
    }
}

/// Opens a log, patiently: a cluster that has just started places no stream for a while.
pub async fn open(options: &Options) -> NatsLog {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match NatsLog::open(options.clone()).await {
            Ok(log) => return log,
            Err(error) if Instant::now() >= deadline => panic!("{error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

/// Waits until something holds.
pub async fn until(what: &str, within: Duration, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + within;
    while !holds().await {
        assert!(Instant::now() < deadline, "not {what} within {within:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Logs for the contract suite.
pub struct Servers {
    count: usize,
    options: OnceCell<Options>,
}

impl Servers {
    pub fn new(count: usize) -> Self {
        Self { count, options: OnceCell::new() }
    }
}

impl Harness for Servers {
    fn open(&self) -> BoxFuture<'_, Arc<dyn Log>> {
        Box::pin(async {
            let servers = if self.count == 1 { one().await } else { three().await };
            let options = self.options.get_or_init(|| async { options(servers) }).await;
            Arc::new(open(options).await) as Arc<dyn Log>
        })
    }

    fn restart(&self, log: Arc<dyn Log>) -> BoxFuture<'_, Arc<dyn Log>> {
        drop(log);
        self.open()
    }
}
