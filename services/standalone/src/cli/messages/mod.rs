//! `barid messages`: accepted messages by any of what they can be found by, refused ones, and those that wait for a person.

mod tables;

use std::time::Duration;

use barid_model::{MessageUid, Timestamp};
use barid_runtime::control::protocol::{MessageQuery, MessageRow, PAGE_ROWS_MAX, Page, ParkedQuery, RefusedQuery};
use barid_runtime::control::{CommandResult, Commands};
use barid_runtime::{Exit, Failure};

use self::tables::{parked_rows, refused_rows, rows};
use super::context::Context;
use super::known::Named;
use super::out::{Out, note};
use super::select::MessageFilter;

/// Most rows of one command: what a file can be opened with; larger questions are the ledger's own.
const ROWS_MAX: u32 = 100_000;
/// Most rows of one answer to `--follow`: nobody reads faster.
const FOLLOW_ROWS: u32 = 10_000;
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
    #[arg(long, requires = "parked", value_parser = ["held", "stalled", "paused", "follows", "rerun", "quarantined"])]
    why: Option<String>,
    /// Go on with new messages as they come
    #[arg(long, short, conflicts_with_all = ["refused", "parked", "until"])]
    follow: bool,
}

/// Prints what matches, newest first; of what waits that which is quarantined last.
pub(super) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    let query = args.filter.query(context)?;
    let commands = context.reader().await?;
    let named = Named::from(&query);
    let mut found = false;
    let out = &mut context.out;
    let more = if args.refused {
        let asked = RefusedQuery {
            since: query.since,
            until: query.until,
            facility: query.facility,
            listener: query.listener,
            ..RefusedQuery::default()
        };
        let fetch = async |limit, cursor| commands.refused(RefusedQuery { limit, cursor, ..asked.clone() }).await;
        pages(args.limit, fetch, |page| {
            found |= !page.is_empty();
            refused_rows(page, out)
        })
        .await?
    } else if args.parked {
        let asked = ParkedQuery {
            destination: query.destination,
            channel: query.channel,
            facility: query.facility,
            why: args.why,
            since: query.since,
            until: query.until,
            ..ParkedQuery::default()
        };
        let fetch = async |limit, cursor| commands.parked(ParkedQuery { limit, cursor, ..asked.clone() }).await;
        pages(args.limit, fetch, |page| {
            found |= !page.is_empty();
            parked_rows(page, out)
        })
        .await?
    } else {
        return accepted(query, args.limit, args.follow, &*commands, context).await;
    };
    if !found {
        named.exists(&*commands).await?;
    }
    more_is_there(more, &context.out);
    context.out.flush()?;
    Ok(Exit::Ok)
}

async fn accepted(
    query: MessageQuery,
    limit: u32,
    goes_on: bool,
    commands: &dyn Commands,
    context: &mut Context,
) -> Result<Exit, Failure> {
    let mut newest = None;
    let out = &mut context.out;
    let fetch = async |limit, cursor| commands.messages(MessageQuery { limit, cursor, ..query.clone() }).await;
    let show = |page: &[MessageRow]| {
        newest = newest.or_else(|| page.first().map(|row| (row.received, row.uid)));
        rows(page, out)
    };
    let more = pages(limit, fetch, show).await?;
    if newest.is_none() {
        Named::from(&query).exists(commands).await?;
    }
    more_is_there(more && !goes_on, &context.out);
    context.out.flush()?;
    if goes_on {
        follow(query, newest, commands, context).await?;
    }
    Ok(Exit::Ok)
}

/// Fetches and shows page after page, up to `limit` rows; whether there are more.
async fn pages<R>(
    limit: u32,
    fetch: impl AsyncFn(Option<u32>, Option<String>) -> CommandResult<Page<R>>,
    mut show: impl FnMut(&[R]) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    let mut left = limit;
    let mut cursor = None;
    loop {
        let page = fetch(Some(left.min(PAGE_ROWS_MAX)), cursor).await?;
        left = left.saturating_sub(u32::try_from(page.rows.len()).unwrap_or(u32::MAX));
        show(&page.rows)?;
        if page.next.is_none() || page.rows.is_empty() || left == 0 {
            return Ok(page.next.is_some());
        }
        cursor = page.next;
    }
}

/// Asks again and again for what came since. Messages of one microsecond are told apart by their uid.
async fn follow(
    mut query: MessageQuery,
    newest: Option<(Timestamp, MessageUid)>,
    commands: &dyn Commands,
    context: &mut Context,
) -> Result<(), Failure> {
    let (mut since, mut seen) = match newest {
        Some((at, uid)) => (at, vec![uid]),
        None => (context.now(), Vec::new()),
    };
    loop {
        tokio::time::sleep(FOLLOW_EVERY).await;
        query.since = Some(since);
        let mut fresh = Vec::new();
        let fetch = async |limit, cursor| commands.messages(MessageQuery { limit, cursor, ..query.clone() }).await;
        let keep = |page: &[MessageRow]| {
            fresh.extend(page.iter().filter(|row| !seen.contains(&row.uid)).cloned());
            Ok(())
        };
        if pages(FOLLOW_ROWS, fetch, keep).await? {
            note("messages come faster than they can be listed: some are left out");
        }
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

fn more_is_there(more: bool, out: &Out) {
    if more && !out.json() {
        note("more match: raise --limit, or narrow the search");
    }
}
