//! `barid receive`: a system that takes messages, to try a channel against and to see what arrives; it misbehaves where asked to.
//!
//! A line a message says what arrived and when, not what is in it; `--show` does. Lines that come faster than they can be printed are left out and counted,
//! so that the receiver never waits for its terminal.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use barid_hl7::Header;
use barid_runtime::{Exit, Failure, Shutdown};
use barid_testkit::receiver::{Faults, Options, Protocol, Received, Receiver, Rule};
use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc;

use super::context::Context;
use super::out::{Out, clean, note};
use super::run::duration;
use crate::tls::{self, TlsFiles};

/// Lines that may wait to be printed: a burst of some seconds.
const LINES_MAX: usize = 65_536;
/// How long senders may take to leave at the end.
const LINGER: Duration = Duration::from_secs(1);

/// Options of `receive`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Receive MLLP on this port or address
    #[arg(long, value_name = "PORT", value_parser = address)]
    mllp: Option<SocketAddr>,
    /// Receive HTTP on this port or address
    #[arg(long, value_name = "PORT", value_parser = address, required_unless_present = "mllp")]
    http: Option<SocketAddr>,
    /// MLLP release 2: a commit block before each answer
    #[arg(long, requires = "mllp")]
    release2: bool,
    /// Misbehave: ACT or ACT@WHICH, more with commas; the first that matches a message counts. Acts: delay=500ms, close,
    /// twice, wrong-id, garbage, half, silent, reject=AE/207, commit, status=503/5. Which: every=10, first=3,
    /// id=CONTROL-ID, prefix=TEXT
    #[arg(long = "fault", value_name = "FAULT", value_delimiter = ',')]
    faults: Vec<String>,
    /// Read slowly: pause so long after each read
    #[arg(long, value_name = "TIME", value_parser = duration)]
    read_pause: Option<Duration>,
    /// Read at most so many bytes at once where it pauses
    #[arg(long, value_name = "BYTES", default_value_t = 0, requires = "read_pause")]
    read_bytes: usize,
    /// Our certificate chain, PEM; TLS is spoken with it
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Its key, PEM
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Authorities of client certificates, PEM: clients must have one
    #[arg(long, value_name = "FILE", requires = "cert")]
    client_ca: Option<PathBuf>,
    /// Print the messages themselves
    #[arg(long)]
    show: bool,
    /// Print no line a message
    #[arg(long, short, conflicts_with = "show")]
    quiet: bool,
    /// End after so many messages
    #[arg(long, short = 'n', value_name = "N")]
    count: Option<u64>,
}

/// Receives until told to stop.
pub(super) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    let faults = faults(&args)?;
    let files = TlsFiles { ca: args.client_ca.clone(), certificate: args.cert.clone(), key: args.key.clone() };
    let tls = tls::server(&files).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let (lines, mut arrived) = mpsc::channel(LINES_MAX);
    let left_out = Arc::new(AtomicU64::new(0));
    let mllp = if args.release2 { Protocol::MllpTwo } else { Protocol::Mllp };
    let mut receivers = Vec::new();
    for (address, protocol) in [(args.mllp, mllp), (args.http, Protocol::Http)] {
        let Some(address) = address else { continue };
        let (lines, left_out) = (lines.clone(), Arc::clone(&left_out));
        let on_message = move |received: &Received| {
            if lines.try_send(received.clone()).is_err() {
                left_out.fetch_add(1, Ordering::Relaxed);
            }
        };
        let options = Options {
            address,
            protocol,
            tls: tls.clone(),
            keep: 0,
            keep_payloads: true,
            on_message: Some(Arc::new(on_message)),
            faults: faults.clone(),
            ..Options::default()
        };
        let receiver = Receiver::start(options)
            .await
            .map_err(|error| Failure::new(Exit::Failure, format!("cannot listen on {address}: {error}")))?;
        note(&format!("receiving {} on {}", word(protocol, tls.is_some()), receiver.address()));
        receivers.push(receiver);
    }
    drop(lines);
    let stop = Shutdown::new(Duration::ZERO);
    let mut stopped = stop.drain();
    tokio::spawn(stop.on_signals());
    let mut count = 0;
    while args.count.is_none_or(|most| count < most) {
        let received = tokio::select! {
            received = arrived.recv() => received,
            _ = stopped.started() => None,
        };
        let Some(received) = received else { break };
        count += 1;
        if !args.quiet {
            print(&received, args.show, &mut context.out)?;
        }
        if arrived.is_empty() {
            context.out.flush()?;
        }
    }
    linger(&receivers).await;
    let total: u64 = receivers.iter().map(Receiver::count).sum();
    note(&format!("received {total} messages{}", left_out_text(left_out.load(Ordering::Relaxed))));
    context.out.flush()?;
    Ok(Exit::Ok)
}

/// What has arrived is answered after its line is printed: senders get a moment to read that and leave.
async fn linger(receivers: &[Receiver]) {
    let deadline = tokio::time::Instant::now() + LINGER;
    while receivers.iter().any(|receiver| receiver.connections() > 0) && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn faults(args: &Args) -> Result<Faults, Failure> {
    let read = |text: &String| text.parse::<Rule>().map_err(|error| Failure::new(Exit::Usage, error.to_string()));
    let rules = args.faults.iter().map(read).collect::<Result<_, _>>()?;
    Ok(Faults { rules, read_pause: args.read_pause.unwrap_or_default(), read_bytes: args.read_bytes })
}

fn print(received: &Received, show: bool, out: &mut Out) -> Result<(), Failure> {
    let text = |bytes: &Bytes| clean(&String::from_utf8_lossy(bytes));
    let payload = received.payload.as_ref().map(|payload| payload.bytes()).unwrap_or_default();
    let header = Header::read(&payload);
    let message_type = match (header.message_code(), header.event()) {
        (code, event) if event.is_empty() => code.into_owned(),
        (code, event) => format!("{code}^{event}"),
    };
    if out.json() {
        let mut line = json!({
            "order": received.order,
            "atMs": received.at.as_secs_f64() * 1_000.0,
            "connection": received.connection,
            "controlId": text(&received.control_id),
            "facility": text(&received.facility),
            "messageType": message_type,
            "bytes": received.size,
            "sha256": received.digest,
            "possibleDuplicate": received.is_possible_duplicate,
            "idempotencyKey": received.idempotency_key,
        });
        if let (true, Some(fields)) = (show, line.as_object_mut()) {
            fields.insert("message".to_owned(), json!(String::from_utf8_lossy(&payload)));
        }
        return out.value(&line);
    }
    let mut line = format!(
        "{:>8} {:>10.3} s  connection {:<4} {:<16} {:<20} {:<20} {:>7} B",
        received.order + 1,
        received.at.as_secs_f64(),
        received.connection,
        clean(&message_type),
        text(&received.facility),
        text(&received.control_id),
        received.size
    );
    if received.is_possible_duplicate {
        line.push_str("  possible duplicate");
    }
    out.line(line)?;
    if show { out.payload_lines(&payload) } else { Ok(()) }
}

fn word(protocol: Protocol, tls: bool) -> &'static str {
    match (protocol, tls) {
        (Protocol::Mllp, false) => "MLLP",
        (Protocol::Mllp, true) => "MLLP over TLS",
        (Protocol::MllpTwo, false) => "MLLP release 2",
        (Protocol::MllpTwo, true) => "MLLP release 2 over TLS",
        (Protocol::Http, false) => "HTTP",
        (Protocol::Http, true) => "HTTPS",
    }
}

fn left_out_text(count: u64) -> String {
    if count == 0 { String::new() } else { format!("; {count} lines were left out, they came too fast to print") }
}

/// A port on this machine, or an address and port.
fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    text.parse().map_err(|_| "not a port or an address such as 127.0.0.1:2575 or 0.0.0.0:2575".to_owned())
}
