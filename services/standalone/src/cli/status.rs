//! `barid status`: how an engine is. Whatever needs a person stands first and is said in words.

use std::time::Duration;

use barid_model::Timestamp;
use barid_runtime::control::protocol::{
    ChannelStatus, DestinationState, DestinationStatus, EngineState, ListenerStatus, LiveStatus, PauseStatus,
    ReplicaStatus, SenderStatus, Status,
};
use barid_runtime::{Exit, Failure, time};

use super::context::Context;
use super::out::{Out, clean};
use super::say::{age, bytes, problem, short};
use super::table::{Align, Table};

/// Certificates that expire sooner than this are a matter for today: a national authority needs weeks to issue one.
const CERTIFICATE_WARNING: Duration = Duration::from_secs(30 * 86_400);

/// Options of `status`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Also list senders that were never heard of
    #[arg(long, short)]
    all: bool,
}

/// Prints the status; [`Exit::Unreachable`] where the engine does not run or is not ready.
pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let status = context.reader().await?.status().await?;
    if context.out.json() {
        context.out.value(&status)?;
    } else {
        print(&status, args.all, &mut context.out)?;
    }
    context.out.flush()?;
    let ready = status.state == EngineState::Running && status.not_ready.is_empty();
    Ok(if ready { Exit::Ok } else { Exit::Unreachable })
}

/// The status in tables.
pub(super) fn print(status: &Status, all: bool, out: &mut Out) -> Result<(), Failure> {
    head(status, out)?;
    for warning in warnings(status) {
        out.line(format!("! {}", clean(&warning)))?;
    }
    replicas(&status.replicas, out)?;
    if !status.replicas.is_empty() {
        out.line("messages and deliveries are counted since the start of each process")?;
    } else if let Some(started) = status.started {
        out.line(format!("messages and deliveries are counted since the start at {}", time::local(started)))?;
    }
    listeners(&status.listeners, out)?;
    senders(&status.senders, status.now, all, out)?;
    channels(&status.channels, out)?;
    live(status.live.as_ref(), out)?;
    destinations(&status.destinations, status.now, out)?;
    if status.router.waiting > 0 {
        out.line(format!(
            "\nnot yet routed: {}, the oldest {}",
            status.router.waiting,
            age(status.router.oldest, status.now)
        ))?;
    }
    let storage = &status.storage;
    out.line(format!(
        "\ndisk: {} free of {} ({}), log {}, ledger {} and {} records behind",
        bytes(storage.free_bytes),
        bytes(storage.total_bytes),
        clean(&storage.level),
        bytes(storage.log_bytes),
        bytes(storage.ledger_bytes),
        storage.ledger_behind
    ))
}

fn head(status: &Status, out: &mut Out) -> Result<(), Failure> {
    let state = match status.state {
        EngineState::Starting => "starting",
        EngineState::Running => "running",
        EngineState::Draining => "draining",
        EngineState::Stopped => "not running",
    };
    let since = status
        .started
        .map(|at| format!(" since {} ({})", time::local(at), age(Some(at), status.now)))
        .unwrap_or_default();
    let pid = status.pid.map(|pid| format!(", pid {pid}")).unwrap_or_default();
    let admin = status.admin.as_ref().map(|admin| format!(", admin http://{admin}")).unwrap_or_default();
    out.line(format!(
        "barid {} {state}{since}{pid}, snapshot {}{admin}",
        clean(&status.version),
        status.snapshot.number
    ))?;
    out.line(format!("data {}", clean(&status.storage.directory.display().to_string())))
}

/// What needs a person.
fn warnings(status: &Status) -> Vec<String> {
    let mut all: Vec<String> =
        status.not_ready.iter().map(|part| format!("not ready: {}: {}", part.part, part.why)).collect();
    all.extend(status.snapshot.problems.iter().map(problem));
    all.extend(
        status
            .listeners
            .iter()
            .filter_map(|l| l.error.as_ref().map(|error| format!("listener {}: {error}", l.name.short()))),
    );
    all.extend(status.senders.iter().filter_map(|sender| {
        let silent = sender.silent.as_ref()?;
        let (silence, every) = (Duration::from_millis(silent.for_ms), Duration::from_millis(silent.expected_every_ms));
        Some(format!("silent: {} for {}, expected every {}", sender.facility, time::human(silence), time::human(every)))
    }));
    all.extend(
        status
            .destinations
            .iter()
            .filter_map(|d| d.error.as_ref().map(|error| format!("destination {}: {error}", d.name.short()))),
    );
    if let Some(why) = status.live.as_ref().and_then(|live| live.away.as_ref()) {
        all.push(format!("Redis is away, each listener limits rates by itself: {why}"));
    }
    let soon = status.now.plus(CERTIFICATE_WARNING);
    all.extend(status.certificates.iter().filter(|c| c.expires <= soon).map(|c| {
        let when = if c.expires <= status.now {
            "expired".to_owned()
        } else {
            format!("expires in {}", time::human(c.expires.since(status.now)))
        };
        format!("certificate of {} ({}) {when}", c.owner, c.subject)
    }));
    if status.storage.level != "free" && !status.storage.level.is_empty() {
        all.push(format!("disk space: {}: new messages are refused", status.storage.level));
    }
    all.extend(set_aside(status));
    all
}

/// What is set aside, in all: as many as `barid messages --parked --why quarantined` lists.
fn set_aside(status: &Status) -> Option<String> {
    let (messages, routes) = (status.router.quarantined, status.router.not_handed_on);
    let at: u64 = status.destinations.iter().map(|destination| destination.quarantined).sum();
    let all = messages + routes + at;
    (all > 0).then(|| {
        format!(
            "{all} set aside, for a person to decide: {messages} before routing, {} at destinations and routes: barid \
             messages --parked --why quarantined",
            at + routes
        )
    })
}

/// The processes of a mesh.
fn replicas(replicas: &[ReplicaStatus], out: &mut Out) -> Result<(), Failure> {
    use Align::{Left, Right};
    let mut table = Table::new(&[
        ("SERVICE", Left),
        ("REPLICA", Left),
        ("ADDRESS", Left),
        ("STATE", Left),
        ("SNAPSHOT", Right),
        ("", Align::Free),
    ]);
    for r in replicas {
        table.row([
            r.service.clone(),
            r.name.clone(),
            r.address.clone().unwrap_or_else(|| "-".into()),
            r.state.clone(),
            r.snapshot.map_or_else(|| "-".to_owned(), |number| number.to_string()),
            r.why.clone().unwrap_or_default(),
        ]);
    }
    section(&table, out)
}

fn listeners(listeners: &[ListenerStatus], out: &mut Out) -> Result<(), Failure> {
    use Align::{Left, Right};
    let mut table = Table::new(&[
        ("LISTENER", Left),
        ("KIND", Left),
        ("ADDRESS", Left),
        ("CONNECTIONS", Right),
        ("ACCEPTED", Right),
        ("REFUSED", Right),
    ]);
    for l in listeners {
        table.row([
            l.name.short(),
            l.kind.clone(),
            l.address.clone().unwrap_or_else(|| "-".into()),
            format!("{}/{}", l.connections, l.connections_max),
            l.accepted.to_string(),
            l.refused.to_string(),
        ]);
    }
    section(&table, out)
}

fn senders(senders: &[SenderStatus], now: Timestamp, all: bool, out: &mut Out) -> Result<(), Failure> {
    use Align::{Left, Right};
    let columns = [
        ("SENDER", Left),
        ("NAME", Left),
        ("CONNECTIONS", Right),
        ("ACCEPTED", Right),
        ("REFUSED", Right),
        ("LAST", Right),
        ("", Left),
    ];
    let mut table = Table::new(&columns);
    for s in
        senders.iter().filter(|s| all || s.connections > 0 || s.last.is_some() || s.silent.is_some() || s.refused > 0)
    {
        table.row([
            short(&s.facility),
            s.display_name.clone().unwrap_or_default(),
            s.connections.to_string(),
            s.accepted.to_string(),
            s.refused.to_string(),
            age(s.last, now),
            if s.silent.is_some() {
                "silent"
            } else if s.verified {
                ""
            } else {
                "unknown"
            }
            .to_owned(),
        ]);
    }
    section(&table, out)
}

fn channels(channels: &[ChannelStatus], out: &mut Out) -> Result<(), Failure> {
    use Align::{Left, Right};
    let mut table = Table::new(&[
        ("CHANNEL", Left),
        ("STATE", Left),
        ("ACCEPTED", Right),
        ("BY ROUTES", Right),
        ("REVISION", Left),
        ("", Align::Free),
    ]);
    for c in channels {
        let revision: String = c.revision.to_string().chars().take(12).collect();
        table.row([
            c.name.short(),
            c.state.clone(),
            c.accepted.to_string(),
            count(c.handed_on),
            revision,
            pause(c.pause.as_ref(), if c.state == "closed" { "closed" } else { "paused" }),
        ]);
    }
    section(&table, out)
}

/// What came in the last minutes.
fn live(live: Option<&LiveStatus>, out: &mut Out) -> Result<(), Failure> {
    use Align::{Left, Right};
    let Some(live) = live.filter(|live| live.accepted + live.refused + live.resent > 0) else { return Ok(()) };
    let by = if live.shared { " by all listeners" } else { "" };
    out.line(format!(
        "\nin the last {} minutes{by}: {} accepted, {} refused, {} sent again",
        live.minutes, live.accepted, live.refused, live.resent
    ))?;
    let mut table =
        Table::new(&[("LATELY FROM", Left), ("ACCEPTED", Right), ("REFUSED", Right), ("SENT AGAIN", Right)]);
    for sender in &live.senders {
        table.row([short(&sender.facility), sender.accepted.to_string(), count(sender.refused), count(sender.resent)]);
    }
    section(&table, out)?;
    let mut table = Table::new(&[("LATELY INTO", Left), ("ACCEPTED", Right)]);
    for channel in &live.channels {
        table.row([channel.name.short(), channel.accepted.to_string()]);
    }
    section(&table, out)
}

fn destinations(destinations: &[DestinationStatus], now: Timestamp, out: &mut Out) -> Result<(), Failure> {
    use Align::{Left, Right};
    let columns = [
        ("DESTINATION", Left),
        ("KIND", Left),
        ("STATE", Left),
        ("CONNECTIONS", Right),
        ("WAITING", Right),
        ("HEAD", Right),
        ("PARKED", Right),
        ("HELD LANES", Right),
        ("QUARANTINED", Right),
        ("DELIVERED", Right),
        ("LAST", Right),
        ("", Align::Free),
    ];
    let mut table = Table::new(&columns);
    for d in destinations {
        let state = match d.state {
            DestinationState::Idle => "idle",
            DestinationState::Sending => "sending",
            DestinationState::BackingOff => "backing off",
            DestinationState::Paused => "paused",
            DestinationState::Draining => "draining",
            DestinationState::Stopped => "-",
        };
        table.row([
            d.name.short(),
            d.kind.clone(),
            state.to_owned(),
            d.connections.to_string(),
            d.waiting.to_string(),
            age(d.oldest, now),
            count(d.parked),
            count(d.held_lanes),
            count(d.quarantined),
            d.delivered.to_string(),
            age(d.last, now),
            pause(d.pause.as_ref(), "paused"),
        ]);
    }
    section(&table, out)
}

fn section(table: &Table, out: &mut Out) -> Result<(), Failure> {
    if table.is_empty() {
        return Ok(());
    }
    out.line("")?;
    table.print(out, "")
}

fn pause(pause: Option<&PauseStatus>, word: &str) -> String {
    pause.map(|p| format!("{word} by {} {}: {}", p.actor, time::local(p.at), p.reason)).unwrap_or_default()
}

/// A count that is worth a look: nothing is shown for none.
fn count(count: u64) -> String {
    if count == 0 { String::new() } else { count.to_string() }
}
