//! The registry that every part adds its metrics to, with what is true of any process: its build, start, memory, processor time and open files.
//!
//! Figures of the process are read from `/proc` when they are asked for; where there is none (other systems) they are left out.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use barid_model::Clock as _;

use crate::clock::SystemClock;
use crate::otlp::Sendings;

/// Ticks a second in `/proc/self/stat`; 100 on every Linux that Barid runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// A registry whose metrics are named `barid_…`, with the process's own figures in it.
#[must_use]
pub fn registry() -> Registry {
    let mut registry = Registry::with_prefix("barid");
    registry.register("build", "What runs here", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
    let started = ConstGauge::new(SystemClock.now().millis() / 1_000);
    registry.register("start_time_seconds", "When the process started, seconds since the epoch", started);
    registry.register_collector(Box::new(OwnProcess));
    registry.register_collector(Box::new(Sendings));
    registry
}

#[derive(Debug)]
struct OwnProcess;

impl Collector for OwnProcess {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        if let Some(bytes) = resident_bytes() {
            let gauge = ConstGauge::new(bytes);
            gauge.encode(encoder.encode_descriptor(
                "process_resident_memory_bytes",
                "Memory in use",
                None,
                gauge.metric_type(),
            )?)?;
        }
        if let Some(files) = open_files() {
            let gauge = ConstGauge::new(files);
            gauge.encode(encoder.encode_descriptor(
                "process_open_files",
                "Open files and sockets",
                None,
                gauge.metric_type(),
            )?)?;
        }
        if let Some(seconds) = processor_seconds() {
            let counter = ConstCounter::new(seconds);
            counter.encode(encoder.encode_descriptor(
                "process_cpu_seconds",
                "Processor time used",
                None,
                counter.metric_type(),
            )?)?;
        }
        Ok(())
    }
}

fn resident_bytes() -> Option<i64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: i64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kibibytes.saturating_mul(1024))
}

fn open_files() -> Option<i64> {
    i64::try_from(std::fs::read_dir("/proc/self/fd").ok()?.count()).ok()
}

fn processor_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The command name may hold spaces: fields are counted after its closing parenthesis.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}
