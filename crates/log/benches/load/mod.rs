//! The load that every engine gets: tasks that append one record each and wait until it is durable, and what they measured.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;

/// Something that makes records durable.
pub(crate) trait Engine: Send + Sync + 'static {
    /// Appends one record for a task; ends when it is durable.
    fn append(&self, task: usize, record: Bytes) -> BoxFuture<'_, ()>;
}

/// What runs measured, one added to another.
#[derive(Default)]
pub(crate) struct Measured {
    seconds: f64,
    processor: f64,
    times: Vec<Duration>,
}

impl Measured {
    /// Adds another run.
    pub(crate) fn add(&mut self, run: Self) {
        self.seconds += run.seconds;
        self.processor += run.processor;
        self.times.extend(run.times);
    }

    /// Appends a second.
    pub(crate) fn rate(&self) -> f64 {
        self.times.len() as f64 / self.seconds
    }

    /// Prints one line, with the ratio to the rate of the limit.
    pub(crate) fn report(&mut self, name: &str, tasks: usize, bytes: usize, limit: f64) {
        self.times.sort_unstable();
        let at = |part: f64| {
            self.times.get((self.times.len() as f64 * part) as usize).copied().unwrap_or_default().as_secs_f64() * 1e3
        };
        let line = format!(
            "{name:<10} {tasks:>3} tasks {bytes:>5} B {:>8.0}/s  p50 {:>7.3} ms  p99 {:>7.3} ms  processor {:>6.1} us each  {:>5.2} of bare",
            self.rate(),
            at(0.5),
            at(0.99),
            self.processor * 1e6 / self.times.len() as f64,
            self.rate() / limit
        );
        let mut out = std::io::stdout();
        writeln!(out, "{line}").and_then(|()| out.flush()).expect("a terminal");
    }
}

/// Runs `tasks` waiting tasks with records of `bytes` for a while.
pub(crate) async fn run(engine: &Arc<dyn Engine>, tasks: usize, bytes: usize, time: Duration) -> Measured {
    let record = Bytes::from((0..bytes).map(|n| (n * 31 % 251) as u8).collect::<Vec<u8>>());
    let stop = Arc::new(AtomicBool::new(false));
    let (started, processor) = (Instant::now(), processor_seconds());
    let running: Vec<_> = (0..tasks)
        .map(|task| {
            let (engine, record, stop) = (engine.clone(), record.clone(), stop.clone());
            tokio::spawn(async move {
                let mut times = Vec::with_capacity(1 << 12);
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
    let mut measured = Measured::default();
    for task in running {
        measured.times.extend(task.await.expect("a task of the load"));
    }
    measured.seconds = started.elapsed().as_secs_f64();
    measured.processor = processor_seconds() - processor;
    measured
}

/// Processor time of this process so far, user and system: unlike the rates it hardly depends on neighbours.
fn processor_seconds() -> f64 {
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>()
        / TICKS_A_SECOND
}
