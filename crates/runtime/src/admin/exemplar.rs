//! Histograms whose buckets name a trace as an example: from a figure that looks bad to a message that made it so.

use std::time::SystemTime;

use barid_trace::TraceId;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;

/// Times, with traces as examples.
pub type Timed = HistogramWithExemplars<[(&'static str, String); 1]>;

/// Counts a time; the trace, where it is kept, is its bucket's example from now on.
pub fn observe(timed: &Timed, seconds: f64, trace: Option<TraceId>) {
    let at = trace.map(|_| SystemTime::now());
    timed.observe(seconds, trace.map(|trace| [("trace_id", trace.to_string())]), at);
}
