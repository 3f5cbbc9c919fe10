//! `barid try`: a message through a channel, with the difference each step makes. Nothing is recorded or sent.

mod routed;

use std::path::PathBuf;

use barid_config::testing::Sample;
use barid_model::{LaneHasher, Name, Payload, Revision};
use barid_runtime::{Exit, Failure};
use serde_json::json;

use super::context::Context;
use super::documents::From;
use super::out::{Out, clean};
use super::say::finding;
use crate::file::read_message;
use crate::trial::{self, End, Part, Trial};

/// Options of `try`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The channel
    channel: String,
    /// The message; - for standard input
    #[arg(long, short, value_name = "FILE")]
    message: PathBuf,
    #[command(flatten)]
    from: From,
    /// As if this facility sent it, with its first identity proven [default: what MSH-3 and MSH-4 declare]
    #[arg(long, value_name = "NAME")]
    facility: Option<String>,
    /// As if it came in at this listener [default: the channel's first]
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// As if it was received then [default: now]
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
    /// Also print what each route would send
    #[arg(long)]
    show: bool,
    /// Ask the running engine, or a router of the mesh, what it would write: where to and in which lanes
    #[arg(long, conflicts_with = "dir")]
    routed: bool,
    /// Under this revision of the channel, as `show` gives it [default: the present one]
    #[arg(long, value_name = "HASH", requires = "routed", value_parser = revision)]
    revision: Option<Revision>,
}

fn revision(text: &str) -> Result<Revision, String> {
    Revision::read(text).ok_or_else(|| "not a revision: 32 hexadecimal digits".to_owned())
}

/// Tries; [`Exit::Failure`] where the message would be refused or a part fails.
pub(super) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    let raw = read_message(&args.message)?;
    let received = context.time("--now", args.now.as_deref())?.unwrap_or_else(|| context.now());
    if args.routed {
        return routed::run(args, raw, received, context).await;
    }
    let documents = args.from.read(context).await?;
    let snapshot = &documents.snapshot;
    let name = Name::read(&args.channel);
    let Some(channel) = snapshot.channels.get(&name) else {
        let known: Vec<String> = snapshot.channels.keys().map(Name::short).collect();
        let text = format!("there is no good channel {}; there are: {}", name.short(), known.join(", "));
        return Err(Failure::new(Exit::NotFound, text));
    };
    let facility = args.facility.as_deref().map(Name::read);
    if let Some(facility) = facility.as_ref().filter(|name| !snapshot.facilities.contains_key(name)) {
        return Err(Failure::new(Exit::NotFound, format!("there is no good facility {}", facility.short())));
    }
    let listener = args.listener.as_deref().map(Name::read);
    if let Some(listener) = listener.as_ref().filter(|name| !snapshot.listeners.contains_key(name)) {
        return Err(Failure::new(Exit::NotFound, format!("there is no good listener {}", listener.short())));
    }
    let sample = Sample { raw: Payload::new(raw), facility, received, hasher: LaneHasher::new([0; 16]) };
    let trial = trial::run(snapshot, channel, &sample, listener)
        .map_err(|error| Failure::new(Exit::Failure, error.to_string()))?;
    if context.out.json() {
        context.out.value(&json(&trial))?;
    } else {
        print(&trial, args.show, &mut context.out)?;
    }
    context.out.flush()?;
    let well = !trial.parts.is_empty() && trial.parts.iter().all(|part| part.end != End::Failed);
    Ok(if well { Exit::Ok } else { Exit::Failure })
}

fn print(trial: &Trial, show: bool, out: &mut Out) -> Result<(), Failure> {
    if let Some(aside) = &trial.aside {
        out.line(clean(&format!("note: {aside}")))?;
    }
    let place = trial.listener.as_ref().map(|name| format!(" at listener {}", name.short())).unwrap_or_default();
    let from = if trial.facility.is_empty() { "an unknown sender" } else { &trial.facility };
    let answer = trial.ack.map_or_else(|| "no answer".to_owned(), |code| format!("answer {code}"));
    let verdict = if trial.parts.is_empty() { "refused" } else { "accepted" };
    out.line(clean(&format!("{verdict}{place} from {from}: {answer}")))?;
    for found in &trial.findings {
        out.line(clean(&format!("  finding: {}", finding(found))))?;
    }
    for part in &trial.parts {
        print_part(part, show, out)?;
    }
    Ok(())
}

fn print_part(part: &Part, show: bool, out: &mut Out) -> Result<(), Failure> {
    let end = match (part.end, &part.output) {
        (End::Done, Some(bytes)) => format!("would be sent, {} B", bytes.len()),
        (End::Done, None) => "accepted by its filter".to_owned(),
        (End::Filtered, _) => "filtered: its condition is false".to_owned(),
        (End::Failed, _) => "FAILS: it would be quarantined".to_owned(),
    };
    out.line("")?;
    match &part.to {
        None => out.line(clean(&format!("{}: {end}", part.name)))?,
        Some(to) => out.line(clean(&format!("route {} to {to}: {end}", part.name)))?,
    }
    for step in &part.steps {
        let note = match (step.done, step.changes.is_empty()) {
            ("ran", true) => "  (ran, and changed nothing)",
            ("ran", false) => "",
            ("skipped", _) => "  (skipped: its condition is false)",
            _ => "  FAILED",
        };
        out.line(clean(&format!("  {}{note}", step.at)))?;
        for (path, before, after) in &step.changes {
            out.line(clean(&format!("    {path}: {} -> {}", quoted(before), quoted(after))))?;
        }
    }
    for found in &part.findings {
        out.line(clean(&format!("  {}", finding(found))))?;
    }
    match &part.output {
        Some(bytes) if show => out.payload_lines(bytes),
        _ => Ok(()),
    }
}

fn quoted(text: &str) -> String {
    if text.is_empty() { "(empty)".to_owned() } else { text.to_owned() }
}

fn json(trial: &Trial) -> serde_json::Value {
    let parts: Vec<_> = trial.parts.iter().map(part_json).collect();
    json!({
        "accepted": !trial.parts.is_empty(),
        "ack": trial.ack,
        "facility": trial.facility,
        "listener": trial.listener,
        "aside": trial.aside,
        "findings": trial.findings,
        "parts": parts,
    })
}

fn part_json(part: &Part) -> serde_json::Value {
    let steps: Vec<_> = part
        .steps
        .iter()
        .map(|step| {
            let changes: Vec<_> = step
                .changes
                .iter()
                .map(|(path, before, after)| json!({ "path": path, "before": before, "after": after }))
                .collect();
            json!({ "at": step.at, "done": step.done, "changes": changes })
        })
        .collect();
    json!({
        "name": part.name,
        "to": part.to,
        "end": match part.end {
            End::Done => "done",
            End::Filtered => "filtered",
            End::Failed => "failed",
        },
        "steps": steps,
        "findings": part.findings,
        "output": part.output.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
    })
}
