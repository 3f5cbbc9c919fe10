//! `barid try --routed`: what the routers that run would write of a message, and where.

use barid_model::{Name, Timestamp};
use barid_runtime::control::protocol::{DryPieceView, DryRunRequest, DryRunView};
use barid_runtime::{Exit, Failure};
use bytes::Bytes;

use super::Args;
use crate::cli::context::Context;
use crate::cli::out::{Out, clean};
use crate::cli::say::finding;

/// Asks; [`Exit::Failure`] where the message would be refused or set aside.
pub(super) async fn run(args: Args, raw: Bytes, received: Timestamp, context: &mut Context) -> Result<Exit, Failure> {
    let request = DryRunRequest {
        channel: Name::read(&args.channel),
        listener: args.listener.as_deref().map(Name::read),
        facility: args.facility.as_deref().map(Name::read),
        raw,
        received,
        revision: args.revision,
    };
    let view = context.engine().await?.dry_run(request).await?;
    if context.out.json() {
        context.out.value(&view)?;
    } else {
        print(&view, args.show, &mut context.out)?;
    }
    context.out.flush()?;
    let well = view.accepted && view.set_aside.is_none() && view.pieces.iter().all(|piece| piece.end != "setAside");
    Ok(if well { Exit::Ok } else { Exit::Failure })
}

fn print(view: &DryRunView, show: bool, out: &mut Out) -> Result<(), Failure> {
    for note in &view.notes {
        out.line(clean(&format!("note: {note}")))?;
    }
    let place = view.listener.as_ref().map(|name| format!(" at listener {}", name.short())).unwrap_or_default();
    let from = if view.facility.is_empty() { "an unknown sender" } else { &view.facility };
    let answer = view.ack.as_ref().map_or_else(|| "no answer".to_owned(), |code| format!("answer {code}"));
    let verdict = if view.accepted { "accepted" } else { "refused" };
    out.line(clean(&format!("{verdict}{place} from {from}: {answer}, under revision {}", view.revision)))?;
    for found in &view.findings {
        out.line(clean(&format!("  finding: {}", finding(found))))?;
    }
    let Some(partition) = view.partition else { return Ok(()) };
    let lanes = match (view.barrier, view.lanes.as_slice()) {
        (true, _) => "all lanes of its facility".to_owned(),
        (false, []) => "no lane".to_owned(),
        (false, [one]) => format!("lane {one}"),
        (false, many) => format!("lanes {}", many.join(", ")),
    };
    out.line(format!("partition {partition:02}, {lanes}"))?;
    if view.filtered {
        out.line("filtered: the channel's filter leaves it out")?;
    }
    if let Some(findings) = &view.set_aside {
        out.line("SET ASIDE before any route is asked")?;
        for found in findings {
            out.line(clean(&format!("  {}", finding(found))))?;
        }
    }
    view.pieces.iter().try_for_each(|piece| print_piece(piece, show, out))
}

fn print_piece(piece: &DryPieceView, show: bool, out: &mut Out) -> Result<(), Failure> {
    let to = piece.destination.as_ref().map(|name| format!(" to destination {}", name.short())).unwrap_or_default();
    let part = if piece.part == 0 { String::new() } else { format!(" part {}", piece.part) };
    let place = piece.subject.as_deref().unwrap_or_default();
    let end = match &*piece.end {
        "written" => format!("{} B would be written to {place}", piece.payload.len()),
        "filtered" => "filtered: its condition is false".to_owned(),
        _ => "SET ASIDE for a person".to_owned(),
    };
    out.line("")?;
    out.line(clean(&format!("route {}{part}{to}: {end}", piece.route)))?;
    if let Some(note) = &piece.note {
        out.line(clean(&format!("  note: {note}")))?;
    }
    for found in &piece.findings {
        out.line(clean(&format!("  {}", finding(found))))?;
    }
    if show && piece.end == "written" { out.payload_lines(&piece.payload) } else { Ok(()) }
}
