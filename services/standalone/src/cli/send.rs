//! `barid send`: messages from files to a listener, as a sender would; with a rate and connections, a load test.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use barid_model::Timestamp;
use barid_runtime::{Exit, Failure};

use super::context::Context;
use super::out::{self, Out, clean};
use super::run::duration;
use super::say::{bytes, counted};
use crate::send::{self, Options, Progress, Report, Target, TlsFiles};

/// Largest file of a bearer token, in bytes: more fits no header.
const TOKEN_BYTES_MAX: u64 = 16 << 10;

/// Options of `send`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to: HOST:PORT, mllp://, mllps://, http:// or https://
    target: String,
    /// Files of messages, or directories of them; - for standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Connections at once
    #[arg(long, short, value_name = "N", default_value_t = 1)]
    connections: usize,
    /// Messages without an answer on one connection, at most
    #[arg(long, short, value_name = "N", default_value_t = 1)]
    pipeline: usize,
    /// Messages a second over all connections [default: as fast as answers come]
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// Messages in all; files go round [default: each once]
    #[arg(long, short = 'n', value_name = "N")]
    count: Option<u64>,
    /// Stop after this long; files go round
    #[arg(long, value_name = "TIME", value_parser = duration)]
    duration: Option<Duration>,
    /// How long an answer may take
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s")]
    timeout: Duration,
    /// Send control ids (MSH-10) as they are even where files go round: all but the first are resends
    #[arg(long, conflicts_with = "unique")]
    keep_ids: bool,
    /// Give every message a control id of its own [default: where files go round]
    #[arg(long)]
    unique: bool,
    /// Certificates of authorities to trust, PEM [default: the system's]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Our certificate chain, PEM
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Its key, PEM
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The name in the server's certificate [default: the host]
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    /// A file that holds the bearer token for HTTP
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Print the answers (up to 1,000)
    #[arg(long)]
    show: bool,
    /// No progress bar
    #[arg(long, short)]
    quiet: bool,
}

/// Sends; [`Exit::Failure`] where not every message was accepted, [`Exit::Unreachable`] where none could be sent.
pub(super) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    let quiet = args.quiet || context.out.json() || !std::io::stderr().is_terminal();
    let (show, files, prefix) = (args.show, args.files.clone(), prefix(context.now()));
    let messages = tokio::task::spawn_blocking(move || send::load(&files, &prefix))
        .await
        .map_err(|error| Failure::new(Exit::Failure, error.to_string()))?
        .map_err(|error| Failure::new(Exit::Failure, error.to_string()))?;
    let options = options(args, messages.len() as u64)?;
    let total = options.count.or(options.duration.is_none().then_some(messages.len() as u64));
    let progress = Arc::new(Progress::default());
    let bar = (!quiet).then(|| tokio::spawn(watch(Arc::clone(&progress), total)));
    let report = send::run(options, messages, progress).await;
    if let Some(bar) = bar {
        bar.abort();
        out::progress("");
    }
    let report = report.map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    if show {
        for answer in &report.kept {
            context.out.payload(answer)?;
        }
    }
    if context.out.json() {
        context.out.value(&report.json())?;
    } else {
        print(&report, &mut context.out)?;
    }
    context.out.flush()?;
    Ok(match (report.is_well(), report.sent) {
        (true, _) => Exit::Ok,
        (false, 0) => Exit::Unreachable,
        (false, _) => Exit::Failure,
    })
}

/// The bearer token in a file.
fn token(path: &Path) -> Result<String, Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::new(Exit::Failure, format!("cannot read {}: {error}", path.display()));
    match barid_files::read_text(path, TOKEN_BYTES_MAX) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => Err(failed(&"it is too large for a token")),
        Err(error) => Err(failed(&error)),
    }
}

fn options(args: Args, messages: u64) -> Result<Options, Failure> {
    let target = Target::read(&args.target).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let token = args.token_file.as_deref().map(token).transpose()?;
    let goes_round = args.duration.is_some() || args.count.is_some_and(|count| count > messages);
    Ok(Options {
        target,
        connections: args.connections,
        pipeline: args.pipeline,
        rate: args.rate,
        count: args.count,
        duration: args.duration,
        timeout: args.timeout,
        unique: args.unique || (goes_round && !args.keep_ids),
        tls: TlsFiles { ca: args.ca, certificate: args.cert, key: args.key },
        server_name: args.server_name,
        token,
        keep_answers: args.show,
    })
}

/// What begins the control ids of this run: 8 characters of the time, so that runs do not resend each other's messages. MSH-10 takes 20.
fn prefix(now: Timestamp) -> String {
    let mut left = now.millis().unsigned_abs();
    let mut digits: Vec<char> = Vec::new();
    while left > 0 {
        digits.push(char::from_digit(u32::try_from(left % 36).unwrap_or(0), 36).unwrap_or('0').to_ascii_uppercase());
        left /= 36;
    }
    digits.iter().rev().chain(['-'].iter()).collect()
}

/// How often the bar is drawn.
const BAR_EVERY: Duration = Duration::from_millis(200);
/// Width of the bar.
const BAR_CELLS: usize = 30;

async fn watch(progress: Arc<Progress>, total: Option<u64>) {
    let start = std::time::Instant::now();
    loop {
        tokio::time::sleep(BAR_EVERY).await;
        let (answered, failed) = progress.seen();
        let rate = answered as f64 / start.elapsed().as_secs_f64();
        let bar = match total {
            Some(total) if total > 0 => {
                let full = usize::try_from(answered.min(total) * BAR_CELLS as u64 / total).unwrap_or(0);
                format!("[{}{}] {answered}/{total}", "#".repeat(full), ".".repeat(BAR_CELLS - full))
            }
            _ => answered.to_string(),
        };
        let failed = if failed > 0 { format!(", {failed} failed or refused") } else { String::new() };
        out::progress(&format!("{bar}  {rate:.0}/s{failed}"));
    }
}

fn print(report: &Report, out: &mut Out) -> Result<(), Failure> {
    let seconds = report.elapsed.as_secs_f64();
    out.line(format!(
        "{} ({}) over {} in {:.2} s: {:.0}/s",
        counted(report.sent, "message", "messages"),
        bytes(report.bytes),
        counted(report.connections, "connection", "connections"),
        seconds,
        report.per_second()
    ))?;
    let codes: Vec<String> = report.answers.iter().map(|(code, count)| format!("{} {count}", clean(code))).collect();
    out.line(format!("answers: {}", if codes.is_empty() { "none".to_owned() } else { codes.join(", ") }))?;
    for (what, count) in [
        ("sent, without an answer", report.unanswered),
        ("answers to another message, or to none", report.mismatched),
        ("never sent", report.unsent),
    ] {
        if count > 0 {
            out.line(format!("{what}: {count}"))?;
        }
    }
    if report.latency.count() > 0 {
        let quantiles: Vec<String> = send::QUANTILES
            .iter()
            .map(|(name, share)| format!("{name} {}", millis(report.latency.at(*share))))
            .collect();
        out.line(format!(
            "latency: mean {}, {}, max {}",
            millis(report.latency.mean()),
            quantiles.join(", "),
            millis(report.latency.max())
        ))?;
    }
    for (text, count) in &report.troubles {
        out.line(format!("trouble: {} ({count}x)", clean(text)))?;
    }
    Ok(())
}

fn millis(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1_000.0)
}
