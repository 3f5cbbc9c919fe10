//! The load that every engine gets: tasks that append one record each and wait until it is durable, and what they measured.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;

/// Something that makes records durable.
pub trait Engine: Send + Sync + 'static {
    /// Appends one record for a task; ends when it is durable.
    fn append(&self, task: usize, record: Bytes) -> BoxFuture<'_, ()>;
}

/// What one run measured.
pub struct Measured {
    /// Appends a second.
    pub rate: f64,
    /// Median of one append.
    pub p50: Duration,
    /// 99th percentile.
    pub p99: Duration,
}

/// Runs `tasks` waiting tasks with records of `bytes` for a while.
pub async fn run(engine: Arc<dyn Engine>, tasks: usize, bytes: usize, time: Duration) -> Measured {
    let record = Bytes::from((0..bytes).map(|n| (n * 31 % 251) as u8).collect::<Vec<u8>>());
    let stop = Arc::new(AtomicBool::new(false));
    let started = Instant::now();
    let running: Vec<_> = (0..tasks)
        .map(|task| {
            let (engine, record, stop) = (engine.clone(), record.clone(), stop.clone());
            tokio::spawn(async move {
                let mut times = Vec::with_capacity(1 << 16);
                while !stop.load(Ordering::Relaxed) {
                    let begin = Instant::now();
                    engine.append(task, record.clone()).await;
                    times.push(begin.elapsed());
                }
                times
            })
        })
        .collect();
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let mut times = Vec::new();
    for task in running {
        times.extend(task.await.expect("a task of the load"));
    }
    let seconds = started.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |part: f64| times.get((times.len() as f64 * part) as usize).copied().unwrap_or_default();
    Measured { rate: times.len() as f64 / seconds, p50: at(0.5), p99: at(0.99) }
}

/// Prints one line, with the ratio to the first engine's rate.
pub fn report(name: &str, tasks: usize, bytes: usize, measured: &Measured, limit: f64) {
    let line = format!(
        "{name:<12} {tasks:>3} tasks {bytes:>5} B {:>9.0}/s  p50 {:>8.3} ms  p99 {:>8.3} ms  {:>5.2} of bare",
        measured.rate,
        measured.p50.as_secs_f64() * 1e3,
        measured.p99.as_secs_f64() * 1e3,
        measured.rate / limit
    );
    let mut out = std::io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("a terminal");
}
