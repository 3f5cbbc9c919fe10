//! `barid show`: one message's way; its bytes only where they are asked for.

use barid_runtime::control::protocol::{DeliveryDetail, MessageDetail, PayloadKind, PayloadRequest};
use barid_runtime::{Exit, Failure, time};

use super::context::Context;
use super::explain;
use super::out::{Out, clean};
use super::say::{bytes, finding};
use super::select::uid;
use super::table::{Align, Table};

/// Options of `show`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The message
    uid: String,
    /// Its bytes as received (patient data)
    #[arg(long, conflicts_with_all = ["transformed", "answer"])]
    raw: bool,
    /// Its bytes as made for this route (patient data)
    #[arg(long, value_name = "ROUTE", conflicts_with = "answer")]
    transformed: Option<String>,
    /// What the destination of this route answered
    #[arg(long, value_name = "ROUTE")]
    answer: Option<String>,
    /// Those bytes as a tree with the standard's names
    #[arg(long)]
    tree: bool,
    /// Which piece of a split
    #[arg(long, value_name = "N", default_value_t = 0)]
    part: u32,
    /// Which re-run; the last otherwise
    #[arg(long, value_name = "N")]
    run: Option<u32>,
}

/// Shows it.
pub(super) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    let uid = uid(&args.uid)?;
    let commands = context.reader().await?;
    if let Some(which) = which(&args) {
        let bytes = commands.payload(PayloadRequest { uid, which }).await?;
        if args.tree || context.out.json() {
            explain::message(bytes, &mut context.out)?;
        } else {
            context.out.payload(&bytes)?;
        }
    } else {
        let detail = commands.show(uid).await?;
        if context.out.json() {
            context.out.value(&detail)?;
        } else {
            print(&detail, &mut context.out)?;
        }
    }
    context.out.flush()?;
    Ok(Exit::Ok)
}

fn which(args: &Args) -> Option<PayloadKind> {
    let (part, run) = (args.part, args.run);
    if let Some(route) = args.transformed.clone() {
        return Some(PayloadKind::Transformed { route, part, run });
    }
    if let Some(route) = args.answer.clone() {
        return Some(PayloadKind::Answer { route, part, run });
    }
    (args.raw || args.tree).then_some(PayloadKind::Raw)
}

/// One message's way, for people.
pub(super) fn print(detail: &MessageDetail, out: &mut Out) -> Result<(), Failure> {
    facts(detail, out)?;
    for found in &detail.findings {
        out.line(format!("  finding: {}", clean(&finding(found))))?;
    }
    if !detail.runs.is_empty() {
        out.line("")?;
        runs(&detail.runs, out)?;
    }
    if !detail.events.is_empty() {
        out.line("")?;
        let mut table =
            Table::new(&[("WHEN", Align::Left), ("WHAT", Align::Left), ("ROUTE", Align::Left), ("", Align::Free)]);
        for event in &detail.events {
            table.row([
                time::local(event.at),
                event.what.clone(),
                event.route.clone().unwrap_or_default(),
                event.text.clone(),
            ]);
        }
        table.print(out, "")?;
    }
    Ok(())
}

fn facts(detail: &MessageDetail, out: &mut Out) -> Result<(), Failure> {
    let row = &detail.row;
    let list = |uids: &[barid_model::MessageUid]| uids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let verified = if row.verified { "" } else { " (unverified)" };
    let speaks = detail.speaks_for.as_ref().map(|name| format!(" for {name}")).unwrap_or_default();
    let kept = if detail.payload_kept { "" } else { ", payload no longer kept" };
    let facts = [
        ("message", row.uid.to_string()),
        ("state", row.state.clone()),
        ("received", time::local(row.received)),
        ("from", format!("{}{verified}{speaks}, {}", row.facility, detail.origin)),
        ("through", row.listener.short()),
        (
            "channel",
            row.channel
                .as_ref()
                .map_or_else(|| "none".to_owned(), |name| format!("{}, revision {}", name.short(), detail.revision)),
        ),
        ("type", format!("{} {} version {}", row.message_type, detail.structure, detail.version)),
        ("control id", row.control_id.clone()),
        ("size", format!("{}{kept}", bytes(row.bytes))),
        ("sha256", detail.sha256.to_string()),
        ("cause", row.cause.clone()),
        ("reason", detail.reason.clone().unwrap_or_default()),
        ("made from", list(&detail.parents)),
        ("made of it", list(&detail.children)),
        ("repeats", detail.duplicate_of.map(|uid| uid.to_string()).unwrap_or_default()),
        ("lanes", detail.lanes.join(" ")),
        ("search keys", detail.keys.join(" ")),
        ("place", detail.place.clone().unwrap_or_default()),
        ("trace", detail.traceparent.clone().unwrap_or_default()),
    ];
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        out.line(format!("{name:<12}{}", clean(value)))?;
    }
    Ok(())
}

fn runs(runs: &[DeliveryDetail], out: &mut Out) -> Result<(), Failure> {
    use Align::{Left, Right};
    let columns = [
        ("ROUTE", Left),
        ("PART", Right),
        ("RUN", Right),
        ("TO", Left),
        ("STATE", Left),
        ("WHEN", Left),
        ("TRIES", Right),
        ("ANSWER", Left),
        ("DELIVERY", Left),
        ("WHY", Align::Free),
    ];
    let mut table = Table::new(&columns);
    for run in runs {
        let to = match (&run.destination, run.chained) {
            (Some(name), _) => name.short(),
            (None, Some(uid)) => format!("message {uid}"),
            (None, None) => String::new(),
        };
        table.row([
            run.route.clone(),
            run.part.to_string(),
            run.run.to_string(),
            to,
            run.state.clone(),
            run.at.map(time::local).unwrap_or_default(),
            run.attempts.to_string(),
            run.answer.clone().unwrap_or_default(),
            run.id.to_string(),
            why(run),
        ]);
    }
    table.print(out, "")
}

/// What a file destination answers for a file that is there.
const WRITTEN: [&str; 2] = ["written", "present"];

fn why(run: &DeliveryDetail) -> String {
    let mut said: Vec<String> = run.findings.iter().map(finding).collect();
    said.dedup();
    if run.answer.as_deref().is_some_and(|answer| WRITTEN.contains(&answer)) {
        // An expression may have put patient data into the name, so it is printed where it is asked for.
        said.push(format!("the file's name: --answer {}", run.route));
    }
    if let Some(failing) = &run.failing {
        let next = failing.next.map(|at| format!(", tried again at {}", time::local(at))).unwrap_or_default();
        said.push(format!("the try of {} failed: {}{next}", time::local(failing.at), failing.text));
    }
    if run.possible_duplicate {
        said.push("the destination may have it twice".to_owned());
    }
    if let Some(actor) = &run.actor {
        said.push(format!("by {actor}: {}", run.reason.clone().unwrap_or_default()));
    }
    said.join("; ")
}
