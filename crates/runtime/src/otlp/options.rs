//! What is asked for on the command line or in the environment: the same for every process. The variables are those of the OpenTelemetry specification where
//! it has one.

use std::time::Duration;

use crate::time;

/// Which part of all traces is kept where nothing says otherwise: enough to see how messages go, little enough to be cheap.
const RATIO: f64 = 0.1;
/// How often metrics are sent where nothing says otherwise, as the specification has it.
const INTERVAL: &str = "60s";

/// What can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Signal {
    /// Spans of messages.
    Traces,
    /// What `/metrics` shows.
    Metrics,
    /// What is logged.
    Logs,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    /// The word in paths and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }
}

/// Where telemetry goes; nowhere without an endpoint.
#[derive(Debug, Clone, clap::Args)]
// Those who flatten these have options of that name themselves.
#[group(id = "otlp")]
pub struct Options {
    /// Where traces, metrics and logs are sent: OTLP over HTTP, such as http://127.0.0.1:4318 [default: nowhere]
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    /// Headers of what is sent, NAME=VALUE, such as a token
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_HEADERS",
        hide_env_values = true,
        value_name = "NAME=VALUE",
        value_delimiter = ','
    )]
    pub otlp_headers: Vec<String>,
    /// What is sent
    #[arg(long, env = "BARID_OTLP_SIGNALS", value_name = "SIGNAL", value_delimiter = ',', value_enum, default_values_t = Signal::ALL)]
    pub otlp_signals: Vec<Signal>,
    /// How often metrics are sent
    #[arg(long, env = "BARID_OTLP_INTERVAL", value_name = "TIME", value_parser = interval, default_value = INTERVAL)]
    pub otlp_interval: Duration,
    /// Which part of all traces is kept, from 0 to 1; what fails is kept always
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", value_name = "RATIO", value_parser = ratio, default_value_t = RATIO)]
    pub trace_ratio: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            otlp_headers: Vec::new(),
            otlp_signals: Signal::ALL.to_vec(),
            otlp_interval: Duration::from_secs(60),
            trace_ratio: RATIO,
        }
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let read = time::read_duration(text).filter(|interval| !interval.is_zero());
    read.ok_or_else(|| "not a duration such as 10s or 1m".to_owned())
}

fn ratio(text: &str) -> Result<f64, String> {
    let read = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    read.ok_or_else(|| "not a number from 0 to 1".to_owned())
}
