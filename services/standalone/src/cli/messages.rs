//! `barid messages`: accepted messages by any of what they can be found by, refused ones, and those that wait for a person.

use std::time::Duration;

use barid_model::{Finding, Name};
use barid_runtime::control::Commands;
use barid_runtime::control::protocol::{
    MessageQuery, MessageRow, PAGE_ROWS_MAX, ParkedQuery, ParkedRow, RefusedQuery, RefusedRow,
};
use barid_runtime::{Exit, Failure, time};

use super::context::Context;
use super::out::{Out, note};
use super::select::{MessageFilter, facility};
use super::status::{bytes, short};
use super::table::{Align, Table};

/// Most rows of one command: what a file can be opened with; larger questions are the ledger's own.
const ROWS_MAX: u32 = 100_000;
/// How often `--follow` asks for news.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);

/// Options of `messages`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    filter: MessageFilter,
    /// Most rows
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=i64::from(ROWS_MAX)))]
    limit: u32,
    /// Those that were refused, with the reason
    #[arg(long, conflicts_with = "parked")]
    refused: bool,
    /// Deliveries that wait for a person, or behind one that does
    #[arg(long)]
    parked: bool,
    /// Of the waiting ones, those that wait for this reason
    #[arg(long, requires = "parked", value_parser = ["held", "stalled", "follows", "quarantined"])]
    why: Option<String>,
    /// Go on with new messages as they come
    #[arg(long, short, conflicts_with_all = ["refused", "parked", "until"])]
    follow: bool,
}

/// Prints what matches, newest first (waiting ones oldest first).
pub(super) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    let commands = context.reader().await?;
    if args.refused {
        return refused(&args, &*commands, context).await;
    }
    if args.parked {
        return parked(args, &*commands, context).await;
    }
    let mut query = args.filter.query(context)?;
    let mut left = args.limit;
    let mut newest = None;
    while left > 0 {
        query.limit = Some(left.min(PAGE_ROWS_MAX));
        let page = commands.messages(query.clone()).await?;
        newest = newest.or_else(|| page.rows.first().map(|row| (row.received, row.uid)));
        left = left.saturating_sub(u32::try_from(page.rows.len()).unwrap_or(u32::MAX));
        rows(&page.rows, &mut context.out)?;
        query.cursor = page.next;
        if query.cursor.is_none() || page.rows.is_empty() {
            break;
        }
    }
    more(query.cursor.is_some(), &context.out);
    context.out.flush()?;
    if args.follow {
        query.cursor = None;
        follow(query, newest.map(|(at, _)| at), &*commands, context).await?;
    }
    Ok(Exit::Ok)
}

/// Asks again and again for what came since. Messages of one microsecond are told apart by their uid.
async fn follow(
    mut query: MessageQuery,
    newest: Option<barid_model::Timestamp>,
    commands: &dyn Commands,
    context: &mut Context,
) -> Result<(), Failure> {
    let mut since = newest.unwrap_or_else(|| context.now());
    let mut seen: Vec<barid_model::MessageUid> = Vec::new();
    loop {
        tokio::time::sleep(FOLLOW_EVERY).await;
        query.since = Some(since);
        query.limit = Some(PAGE_ROWS_MAX);
        let page = commands.messages(query.clone()).await?;
        let mut fresh: Vec<MessageRow> =
            page.rows.into_iter().filter(|row| row.received > since || !seen.contains(&row.uid)).collect();
        fresh.reverse();
        if let Some(last) = fresh.last() {
            if last.received > since {
                since = last.received;
                seen.clear();
            }
            seen.extend(fresh.iter().filter(|row| row.received == since).map(|row| row.uid));
            rows(&fresh, &mut context.out)?;
            context.out.flush()?;
        }
    }
}

fn rows(rows: &[MessageRow], out: &mut Out) -> Result<(), Failure> {
    use Align::{Left, Right};
    if out.json() {
        return out.rows(rows);
    }
    if rows.is_empty() {
        return Ok(());
    }
    let columns = [
        ("RECEIVED", Left),
        ("UID", Left),
        ("FACILITY", Left),
        ("CHANNEL", Left),
        ("TYPE", Left),
        ("CONTROL ID", Left),
        ("SIZE", Right),
        ("STATE", Left),
        ("CAUSE", Left),
        ("DELIVERIES", Align::Free),
    ];
    let mut table = Table::new(&columns);
    for row in rows {
        let deliveries: Vec<String> = row.deliveries.iter().map(|d| format!("{}:{}", d.route, d.state)).collect();
        table.row([
            time::local(row.received),
            row.uid.to_string(),
            short(&row.facility),
            row.channel.as_ref().map_or_else(|| "-".into(), Name::short),
            row.message_type.clone(),
            row.control_id.clone(),
            bytes(row.bytes),
            row.state.clone(),
            if row.cause == "received" { String::new() } else { row.cause.clone() },
            deliveries.join(" "),
        ]);
    }
    table.print(out, "")
}

async fn refused(args: &Args, commands: &dyn Commands, context: &mut Context) -> Result<Exit, Failure> {
    let mut query = RefusedQuery {
        since: context.time("--since", args.filter.since.as_deref())?,
        until: context.time("--until", args.filter.until.as_deref())?,
        facility: args.filter.facility.clone().map(facility),
        listener: args.filter.listener.as_deref().map(Name::read),
        ..RefusedQuery::default()
    };
    let mut left = args.limit;
    while left > 0 {
        query.limit = Some(left.min(PAGE_ROWS_MAX));
        let page = commands.refused(query.clone()).await?;
        left = left.saturating_sub(u32::try_from(page.rows.len()).unwrap_or(u32::MAX));
        refused_rows(&page.rows, &mut context.out)?;
        query.cursor = page.next;
        if query.cursor.is_none() || page.rows.is_empty() {
            break;
        }
    }
    more(query.cursor.is_some(), &context.out);
    context.out.flush()?;
    Ok(Exit::Ok)
}

fn refused_rows(rows: &[RefusedRow], out: &mut Out) -> Result<(), Failure> {
    use Align::Left;
    if out.json() {
        return out.rows(rows);
    }
    let columns = [
        ("REFUSED", Left),
        ("LISTENER", Left),
        ("FROM", Left),
        ("FACILITY", Left),
        ("TYPE", Left),
        ("CONTROL ID", Left),
        ("CODE", Left),
        ("WHY", Align::Free),
    ];
    let mut table = Table::new(&columns);
    for row in rows {
        table.row([
            time::local(row.at),
            row.listener.short(),
            row.origin.clone(),
            row.facility.as_deref().map(short).unwrap_or_default(),
            row.message_type.clone(),
            row.control_id.clone(),
            row.code.clone(),
            findings(&row.findings),
        ]);
    }
    if table.is_empty() { Ok(()) } else { table.print(out, "") }
}

async fn parked(args: Args, commands: &dyn Commands, context: &mut Context) -> Result<Exit, Failure> {
    let asked = args.filter.query(context)?;
    let mut query = ParkedQuery {
        destination: asked.destination,
        channel: asked.channel,
        facility: asked.facility,
        why: args.why,
        since: asked.since,
        until: asked.until,
        ..ParkedQuery::default()
    };
    let mut left = args.limit;
    while left > 0 {
        query.limit = Some(left.min(PAGE_ROWS_MAX));
        let page = commands.parked(query.clone()).await?;
        left = left.saturating_sub(u32::try_from(page.rows.len()).unwrap_or(u32::MAX));
        parked_rows(&page.rows, &mut context.out)?;
        query.cursor = page.next;
        if query.cursor.is_none() || page.rows.is_empty() {
            break;
        }
    }
    more(query.cursor.is_some(), &context.out);
    context.out.flush()?;
    Ok(Exit::Ok)
}

fn parked_rows(rows: &[ParkedRow], out: &mut Out) -> Result<(), Failure> {
    use Align::{Left, Right};
    if out.json() {
        return out.rows(rows);
    }
    let columns = [
        ("PARKED", Left),
        ("DELIVERY", Left),
        ("UID", Left),
        ("WAITS", Left),
        ("DESTINATION", Left),
        ("ROUTE", Left),
        ("FACILITY", Left),
        ("TYPE", Left),
        ("TRIES", Right),
        ("ANSWER", Left),
        ("LANES", Left),
        ("WHY", Align::Free),
    ];
    let mut table = Table::new(&columns);
    for row in rows {
        table.row([
            time::local(row.at),
            row.id.to_string(),
            row.uid.to_string(),
            row.why.clone(),
            row.destination.as_ref().map(Name::short).unwrap_or_default(),
            row.route.clone(),
            short(&row.facility),
            row.message_type.clone(),
            row.attempts.to_string(),
            row.answer.clone().unwrap_or_default(),
            row.lanes.join(" "),
            findings(&row.findings),
        ]);
    }
    if table.is_empty() { Ok(()) } else { table.print(out, "") }
}

/// Findings in one line.
pub(super) fn findings(findings: &[Finding]) -> String {
    let said: Vec<String> = findings.iter().map(finding).collect();
    said.join("; ")
}

/// A finding in words: its code, place and text.
pub(super) fn finding(finding: &Finding) -> String {
    let place = if finding.path.is_empty() { String::new() } else { format!("{}: ", finding.path) };
    format!("{} {place}{}", finding.code, finding.text)
}

fn more(more: bool, out: &Out) {
    if more && !out.json() {
        note("more match: raise --limit, or narrow the search");
    }
}
