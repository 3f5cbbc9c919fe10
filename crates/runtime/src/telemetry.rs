//! Logs to standard error, as text for people or JSON for machines.
//!
//! [`install`] alone composes the subscriber; where telemetry is sent ([`otlp`]), it begins that too. A log line carries ids, never contents of a message; nothing here could tell the two apart, so the types of `model` do (G7).

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use crate::{environment, otlp};

/// What is logged where nothing says otherwise: the engine's own news, and only warnings of what it is built with.
const DEFAULT_FILTER: &str = "info,hyper=warn,rustls=warn";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How the process logs.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How lines look; `BARID_LOG_FORMAT` or text where absent.
    pub format: Option<Format>,
    /// A level or directives; `BARID_LOG` or `info` where absent.
    pub filter: Option<String>,
    /// Where traces, metrics and logs are sent as well.
    pub otlp: otlp::Options,
    /// What the process is called there; `barid` where absent.
    pub service: Option<String>,
    /// What this one of several is called there; a random word where absent.
    pub instance: Option<String>,
}

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level or directives cannot be read.
    #[error(
        "cannot read what to log from {text:?}: {source}; give a level (error, warn, info, debug, trace) or directives such as barid_delivery=debug,info"
    )]
    Filter {
        /// As given.
        text: String,
        /// Why.
        source: ParseError,
    },
    /// The format is unknown.
    #[error("cannot log as {0:?}: BARID_LOG_FORMAT is text or json")]
    Format(String),
    /// Where telemetry is to be sent cannot be used.
    #[error(transparent)]
    Endpoint(#[from] otlp::EndpointError),
    /// It was set up before.
    #[error("logging was set up before: {0}")]
    Again(#[from] TryInitError),
}

/// Sets up logging for the whole process, and begins to send telemetry where that is asked for; to be called once, first, within the runtime.
///
/// # Errors
/// [`TelemetryError`] where the options or variables cannot be read.
pub fn install(options: &Options) -> Result<(), TelemetryError> {
    let text = options
        .filter
        .clone()
        .or_else(|| environment::variable(environment::LOG))
        .unwrap_or_else(|| DEFAULT_FILTER.to_owned());
    let filter = EnvFilter::try_new(&text).map_err(|source| TelemetryError::Filter { text, source })?;
    let lines = otlp::begin(&options.otlp, options.service.as_deref().unwrap_or("barid"), options.instance.as_deref())?;
    let registry = tracing_subscriber::registry().with(filter).with(lines);
    match format(options)? {
        Format::Json => registry
            .with(tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stderr))
            .try_init()?,
        Format::Text => {
            let colour = std::io::stderr().is_terminal() && !environment::wants_no_colour();
            registry
                .with(tracing_subscriber::fmt::layer().with_ansi(colour).with_writer(std::io::stderr))
                .try_init()?;
        }
    }
    Ok(())
}

fn format(options: &Options) -> Result<Format, TelemetryError> {
    if let Some(format) = options.format {
        return Ok(format);
    }
    match environment::variable(environment::LOG_FORMAT).as_deref() {
        None | Some("text") => Ok(Format::Text),
        Some("json") => Ok(Format::Json),
        Some(other) => Err(TelemetryError::Format(other.to_owned())),
    }
}
