//! `barid replay`: messages sent again as new ones, in the order they were received, each marked with who and why.

use barid_runtime::control::protocol::{ReplayRequest, ReplayRevision, Selection};
use barid_runtime::{Exit, Failure};

use super::context::{ByArgs, Context};
use super::known::Named;
use super::out::clean;
use super::say::counted;
use super::select::{MessageFilter, uid};

/// Options of `replay`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The messages; or choose them with the options below
    #[arg(value_name = "UID")]
    uids: Vec<String>,
    #[command(flatten)]
    filter: MessageFilter,
    /// Under the revision they ran under, instead of the channel's newest
    #[arg(long)]
    then: bool,
    /// Most messages; where more match, nothing is replayed
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    limit: u64,
    /// Say what would be replayed
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    by: ByArgs,
}

/// Replays.
pub(super) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    let query = args.filter.query(context)?;
    let named = Named::from(&query);
    let select = match (args.uids.is_empty(), query.is_unbounded()) {
        (false, true) => Selection::Uids(args.uids.iter().map(|text| uid(text)).collect::<Result<_, _>>()?),
        (true, false) => Selection::Query(Box::new(query)),
        (true, true) => {
            return Err(Failure::new(
                Exit::Usage,
                "say which messages: UIDs, or options such as --since and --channel",
            ));
        }
        (false, false) => {
            return Err(Failure::new(Exit::Usage, "say either UIDs or options that choose messages, not both"));
        }
    };
    let revision = if args.then { ReplayRevision::Then } else { ReplayRevision::Now };
    let request = ReplayRequest { by: args.by.by()?, select, revision, limit: args.limit, dry_run: args.dry_run };
    let engine = context.engine().await?;
    let replayed = engine.replay(request).await?;
    if replayed.matched == 0 {
        named.exists(&*engine).await?;
    }
    let out = &mut context.out;
    if out.json() {
        out.value(&replayed)?;
    } else if args.dry_run {
        out.line(format!("{} would be replayed", counted(replayed.matched, "message", "messages")))?;
    } else {
        out.line(format!("{} of {} replayed", replayed.made, counted(replayed.matched, "message", "messages")))?;
        for message in &replayed.messages {
            if let Some(uid) = message.uid {
                out.line(format!("  {} as {uid}", message.from))?;
            }
        }
        for missed in &replayed.missed {
            out.line(format!("  not {}: {}", clean(&missed.id), clean(&missed.why)))?;
        }
    }
    out.flush()?;
    Ok(if replayed.missed.is_empty() { Exit::Ok } else { Exit::Failure })
}
