//! How fast the log is, on three real servers that sync before they acknowledge, with three copies.
//!
//! `cargo run --release -p barid-log-nats --example load`. The first table is the servers alone: one message a subject in flight, as the design's figures were
//! measured. The second is the log under the load of many senders a subject, where blocks make up for the syncs.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use barid_log::{Log, Position, ReadLimit, Reader, Subject, Writer};
use barid_log_nats::{Connect, NatsLog, Options, Sizes};
use barid_testkit::servers::nats::{NatsServers, SYSTEM, Settings, USER};
use bytes::Bytes;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long each case runs.
const RUN: Duration = Duration::from_secs(8);

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let servers = NatsServers::start(Settings { file_store: 200 << 30, ..Settings::default() }).await?;
    say("one append in flight a subject: every record is a block of its own\n")?;
    let mut read_back = None;
    for (subjects, bytes) in [(1, 2000), (16, 2000), (64, 2000), (64, 20_000), (64, 100_000)] {
        let (log, name) = run(&servers, subjects, 1, bytes).await?;
        if bytes == 20_000 {
            read_back = Some((log, name));
        }
    }
    if let Some((log, name)) = read_back {
        read(log, &name).await?;
    }
    say("many appends in flight a subject: they share blocks\n")?;
    let (log, name) = run(&servers, 1, 64, 2000).await?;
    read(log, &name).await?;
    let mut read_back = None;
    for (subjects, senders, bytes) in [(16, 16, 2000), (64, 1, 2000), (64, 4, 2000), (64, 16, 2000)] {
        read_back = Some(run(&servers, subjects, senders, bytes).await?);
    }
    if let Some((log, name)) = read_back {
        read(log, &name).await?;
    }
    Ok(())
}

fn say(text: &str) -> Result<(), Failure> {
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

async fn open(servers: &NatsServers, name: &str) -> Result<Arc<NatsLog>, Failure> {
    let connect = Connect::to(servers.addresses()).as_user(USER.0, USER.1);
    let options = Options {
        system: Some(Connect::to(servers.addresses()).as_user(SYSTEM.0, SYSTEM.1)),
        sizes: Sizes::each(2 << 30),
        ..Options::new(connect, name, 64, "sha256")
    };
    for _ in 0..100 {
        if let Ok(log) = NatsLog::open(options.clone()).await {
            return Ok(Arc::new(log));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(Arc::new(NatsLog::open(options).await?))
}

/// `senders` appends in flight on each subject; prints what that made.
async fn run(
    servers: &NatsServers,
    subjects: usize,
    senders: usize,
    bytes: usize,
) -> Result<(Arc<NatsLog>, Subject), Failure> {
    let log = open(servers, &format!("s{subjects}x{senders}x{bytes}")).await?;
    let mut tasks = Vec::new();
    let begun = Instant::now();
    for n in 0..subjects {
        let (log, subject) = (Arc::clone(&log) as Arc<dyn Log>, Subject::new(format!("in.{n:02}"))?);
        tasks.push(tokio::spawn(async move {
            let record = Bytes::from(vec![b'x'; bytes]);
            let mut waits = Vec::new();
            let (mut writer, _) = Writer::open(log, subject).await?;
            let mut flying = std::collections::VecDeque::new();
            while begun.elapsed() < RUN {
                while flying.len() < senders {
                    flying.push_back((Instant::now(), writer.append(vec![record.clone()]).await?));
                }
                if let Some((sent, ticket)) = flying.pop_front() {
                    ticket.await?;
                    waits.push(sent.elapsed());
                }
            }
            for (_, ticket) in flying {
                ticket.await?;
            }
            Ok::<_, Failure>(waits)
        }));
    }
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await??);
    }
    let took = begun.elapsed().as_secs_f64();
    waits.sort();
    let at =
        |part: f64| waits.get((waits.len() as f64 * part) as usize).copied().unwrap_or_default().as_secs_f64() * 1e3;
    let blocks = log.status().blocks;
    say(&format!(
        "  {subjects:2} subjects, {senders:2} in flight, {bytes:6} bytes: {:8.0} records/s {:7.0} blocks/s {:6.1} MB/s  p50 {:.1} ms p99 {:.1} ms\n",
        waits.len() as f64 / took,
        blocks as f64 / took,
        (waits.len() * bytes) as f64 / took / 1e6,
        at(0.5),
        at(0.99),
    ))?;
    Ok((log, Subject::new("in.00")?))
}

/// Reads one subject from its beginning.
async fn read(log: Arc<NatsLog>, subject: &Subject) -> Result<(), Failure> {
    let last = log.bounds(subject).await?.last;
    let begun = Instant::now();
    let mut reader = Reader::new(log, subject.clone(), Position::START);
    let (mut records, mut bytes) = (0usize, 0usize);
    while reader.position() <= last {
        let batch = reader.next(ReadLimit::default()).await?;
        records += batch.entries.len();
        bytes += batch.entries.iter().map(|entry| entry.record.len()).sum::<usize>();
    }
    let took = begun.elapsed().as_secs_f64();
    say(&format!("  read back: {:.0} records/s, {:.1} MB/s\n", records as f64 / took, bytes as f64 / took / 1e6))
}
