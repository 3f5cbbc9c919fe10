//! How fast a backlog is read: one destination, 64 partitions, a message in each block or many, interleaved in one stream.
//!
//! `cargo run --release -p barid-log-nats --example catchup -- [MESSAGES] [SERVERS]` (default 200,000 and 3). Each case is read without and with reading ahead,
//! in one run: one subject of the 64 alone, and all of them at once; at the end all of them with one reader that takes a record every 10 ms, and memory.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use barid_log::{Log, LogError, Position, ReadLimit, Reader, Subject, Writer};
use barid_log_nats::{Connect, NatsLog, Options, Sizes};
use barid_testkit::servers::nats::{NatsServers, SYSTEM, Settings, USER};
use bytes::Bytes;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Partitions of the destination.
const SUBJECTS: u64 = 64;
/// Records of one append: what a router writes for one batch of one partition.
const TOGETHER: u64 = 8;
/// Bytes of a record.
const BYTES: usize = 2000;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let messages = arguments.next().transpose()?.unwrap_or(200_000);
    let count = usize::try_from(arguments.next().transpose()?.unwrap_or(3))?;
    let servers = NatsServers::start(Settings { count, file_store: 200 << 30, ..Settings::default() }).await?;
    let begun = Instant::now();
    fill(open(&servers, 0).await?, messages / SUBJECTS).await?;
    say(&format!("{messages} messages of {BYTES} bytes on {SUBJECTS} subjects, written in {:.0?}\n", begun.elapsed()))?;
    let ahead = Options::new(Connect::default(), "x", 1, "").read_ahead;
    for (what, read_ahead) in [("each for itself", 0), ("read ahead", ahead)] {
        let log = open(&servers, read_ahead).await?;
        let alone = read(Arc::clone(&log), subject(7)?).await?;
        say(&format!("  {what:16} one of {SUBJECTS} subjects alone: {:8.0} records/s\n", alone.rate()))?;
        // A process of its own: nothing is known of where positions are.
        let log = open(&servers, read_ahead).await?;
        let all = together(&log).await?;
        say(&format!(
            "  {what:16} all {SUBJECTS} at once:           {:8.0} records/s  memory {} MB\n",
            all.rate(),
            memory()
        ))?;
    }
    let log = open(&servers, ahead).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let slow = tokio::spawn(slowly(Arc::clone(&log), subject(SUBJECTS - 1)?, Arc::clone(&stop)));
    let all = together(&log).await?;
    stop.store(true, Ordering::Relaxed);
    let slow = slow.await??;
    say(&format!("  with one reader too slow ({slow} records): {:8.0} records/s  memory {} MB\n", all.rate(), memory()))
}

fn say(text: &str) -> Result<(), Failure> {
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

fn subject(n: u64) -> Result<Subject, LogError> {
    Subject::new(format!("out.registry.{n:02}"))
}

/// Memory of this process, in MB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1024
}

async fn open(servers: &NatsServers, read_ahead: usize) -> Result<Arc<NatsLog>, Failure> {
    let options = Options {
        system: Some(Connect::to(servers.addresses()).as_user(SYSTEM.0, SYSTEM.1)),
        sizes: Sizes::each(16 << 30),
        replicas: servers.count(),
        read_ahead,
        ..Options::new(Connect::to(servers.addresses()).as_user(USER.0, USER.1), "catchup", 64, "sha256")
    };
    for _ in 0..100 {
        if let Ok(log) = NatsLog::open(options.clone()).await {
            return Ok(Arc::new(log));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(Arc::new(NatsLog::open(options).await?))
}

async fn fill(log: Arc<NatsLog>, each: u64) -> Result<(), Failure> {
    let mut tasks = Vec::new();
    for n in 0..SUBJECTS {
        let (log, subject) = (Arc::clone(&log) as Arc<dyn Log>, subject(n)?);
        tasks.push(tokio::spawn(async move {
            let record = Bytes::from(vec![b'x'; BYTES]);
            let (mut writer, _) = Writer::open(log, subject).await?;
            let mut left = each;
            while left > 0 {
                let now = left.min(TOGETHER);
                left -= now;
                writer.append_durable(vec![record.clone(); usize::try_from(now).unwrap_or(1)]).await?;
            }
            Ok::<_, LogError>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(())
}

struct Read {
    records: usize,
    took: Duration,
}

impl Read {
    fn rate(&self) -> f64 {
        self.records as f64 / self.took.as_secs_f64()
    }
}

/// Reads one subject from its beginning.
async fn read(log: Arc<NatsLog>, subject: Subject) -> Result<Read, LogError> {
    let last = log.bounds(&subject).await?.last;
    let begun = Instant::now();
    let mut reader = Reader::new(log, subject, Position::START);
    let mut records = 0;
    while reader.position() <= last {
        match reader.next(ReadLimit::default()).await {
            Ok(batch) => records += batch.entries.len(),
            // Servers that do not answer in time are asked again, as every reader does.
            Err(error) if error.is_retryable() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Read { records, took: begun.elapsed() })
}

/// Reads all subjects at once, but for the last, which the slow reader has.
async fn together(log: &Arc<NatsLog>) -> Result<Read, Failure> {
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for n in 0..SUBJECTS - 1 {
        tasks.push(tokio::spawn(read(Arc::clone(log), subject(n)?)));
    }
    let mut records = 0;
    for task in tasks {
        records += task.await??.records;
    }
    Ok(Read { records, took: begun.elapsed() })
}

async fn slowly(log: Arc<NatsLog>, subject: Subject, stop: Arc<AtomicBool>) -> Result<usize, LogError> {
    let mut reader = Reader::new(log, subject, Position::START);
    let mut records = 0;
    while !stop.load(Ordering::Relaxed) {
        records += reader.next(ReadLimit { records: 1, bytes: 1 << 20 }).await?.entries.len();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(records)
}
