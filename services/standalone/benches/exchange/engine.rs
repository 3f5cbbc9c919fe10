//! The engine under test: its documents, and what the system says of its process.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use barid_testkit::process::{Home, Running, free_port};

/// A clock tick of `/proc`, in milliseconds; a constant of the system's interface.
const TICK_MILLIS: u64 = 10;
/// How long the engine may take to become quiet: the ledger catches up behind a run.
const SETTLE_MAX: Duration = Duration::from_secs(120);

/// Ports of the documents.
pub(crate) struct Ports {
    /// A channel whose messages end when they are accepted.
    pub(crate) accept: u16,
    /// A channel with six steps and one route.
    pub(crate) relay: u16,
    /// The receiver behind it.
    pub(crate) receiver: u16,
}

impl Ports {
    pub(crate) fn free() -> io::Result<Self> {
        Ok(Self { accept: free_port()?, relay: free_port()?, receiver: free_port()? })
    }

    /// Six mapping steps, one route, order by facility (the default).
    pub(crate) fn documents(&self) -> String {
        let Self { accept, relay, receiver } = self;
        format!(
            r#"kind: Listener
metadata: {{name: accept}}
spec: {{mllp: {{port: {accept}, address: 127.0.0.1}}, unknownFacility: accept}}
---
kind: Listener
metadata: {{name: relay}}
spec: {{mllp: {{port: {relay}, address: 127.0.0.1}}, unknownFacility: accept}}
---
kind: Channel
metadata: {{name: accept}}
spec:
  from: {{listeners: [{{name: accept}}]}}
  filter: "msg.type == 'ORU'"
  routes: [{{name: out, to: {{destination: receiver}}}}]
---
kind: Channel
metadata: {{name: relay}}
spec:
  from: {{listeners: [{{name: relay}}]}}
  transform:
    - set: {{path: MSH-5, to: "'MOH'"}}
    - set: {{path: MSH-6, to: "'MPI'"}}
    - copy: {{from: PID-3.1, to: PID-4}}
    - format: {{path: PID-5.1, case: upper}}
    - set: {{path: PV1-19, to: "msg['PID-3.1']"}}
    - delete: {{path: PID-19}}
  routes: [{{name: out, to: {{destination: receiver}}}}]
---
kind: Destination
metadata: {{name: receiver}}
spec: {{mllp: {{endpoints: ["127.0.0.1:{receiver}"], connections: 16}}}}
"#
        )
    }
}

/// Starts it and waits until it is ready; gives how long that took.
pub(crate) async fn start(home: &Home) -> Result<(Running<'_>, Duration), Box<dyn std::error::Error>> {
    let started = Instant::now();
    let mut running = home.start()?;
    running.ready(Duration::from_secs(120)).await?;
    Ok((running, started.elapsed()))
}

/// Processor time of a process so far.
pub(crate) fn processor(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * TICK_MILLIS)
}

/// A line of `/proc/PID/status` in kB, such as `VmRSS`.
pub(crate) fn memory(pid: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(':'));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Waits until the process does nothing more; gives how long that took.
pub(crate) async fn settle(pid: u32) -> Duration {
    let started = Instant::now();
    let mut before = processor(pid);
    while started.elapsed() < SETTLE_MAX {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = processor(pid);
        if now - before <= Duration::from_millis(TICK_MILLIS) {
            break;
        }
        before = now;
    }
    started.elapsed()
}

/// Bytes in a folder, one level deep.
pub(crate) fn folder_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}
