//! `barid rerun`, `discard`, `release` and `reload`: what a person decides about what waits for one.

use barid_model::{Lane, Name};
use barid_runtime::control::protocol::{
    DiscardRequest, Done, HeldHead, LaneText, ReleaseRequest, ReloadRequest, RerunRequest, state,
};
use barid_runtime::{Exit, Failure};

use super::context::{ByArgs, Context};
use super::known::Named;
use super::out::clean;
use super::say::counted;
use super::select::WaitingFilter;

/// Most deliveries of one command where nothing says otherwise: a slip of the hand should not move a country's backlog.
const LIMIT: u64 = 1_000;

/// Which deliveries, how many at most, and who says so.
#[derive(Debug, clap::Args)]
struct Which {
    #[command(flatten)]
    filter: WaitingFilter,
    /// Most deliveries; where more match, nothing is done
    #[arg(long, value_name = "N", default_value_t = LIMIT)]
    limit: u64,
    /// Say what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    by: ByArgs,
}

/// Options of `rerun`.
#[derive(Debug, clap::Args)]
pub(super) struct Rerun {
    #[command(flatten)]
    which: Which,
}

/// Options of `discard`.
#[derive(Debug, clap::Args)]
pub(super) struct Discard {
    #[command(flatten)]
    which: Which,
    /// What still waits to be sent, not what waits for a person: the backlog of a destination that is gone
    #[arg(long, conflicts_with_all = ["uid", "deliveries"])]
    in_flight: bool,
    /// Set it aside instead of giving it up, so that it can be run again: what is held, parked or on its way
    #[arg(long)]
    set_aside: bool,
}

/// Options of `release`.
#[derive(Debug, clap::Args)]
pub(super) struct Release {
    /// The destination
    destination: String,
    /// Only this lane, as `messages --parked` names it; all held ones otherwise
    #[arg(long)]
    lane: Option<String>,
    /// What becomes of the delivery the lane was held for
    #[arg(long, value_enum, default_value = "retry")]
    head: Head,
    #[command(flatten)]
    by: ByArgs,
}

/// What becomes of the delivery a lane was held for.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Head {
    /// It is sent again, then the rest
    Retry,
    /// It is set aside, the rest goes on
    Quarantine,
    /// It is given up, the rest goes on
    Discard,
}

/// Options of `reload`.
#[derive(Debug, clap::Args)]
pub(super) struct Reload {
    /// Why; recorded with the command
    #[arg(long, short = 'r', value_name = "TEXT", default_value = "reload by command")]
    reason: String,
    /// Who; recorded with the command [default: $BARID_ACTOR, else the user]
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
}

/// Runs quarantined deliveries again.
pub(super) async fn rerun(args: Rerun, context: &mut Context) -> Result<Exit, Failure> {
    let select = args.which.filter.selection(context, Some("quarantined"))?;
    let named = Named::from(&select);
    let request =
        RerunRequest { by: args.which.by.by()?, select, limit: args.which.limit, dry_run: args.which.dry_run };
    let engine = context.engine().await?;
    let done = engine.rerun(request).await?;
    if done.matched == 0 {
        named.exists(&*engine).await?;
    }
    report(&done, "run again", args.which.dry_run, context)
}

/// Gives deliveries up.
pub(super) async fn discard(args: Discard, context: &mut Context) -> Result<Exit, Failure> {
    let select = args.which.filter.selection(context, args.in_flight.then_some(state::IN_FLIGHT))?;
    let named = Named::from(&select);
    let (limit, dry_run) = (args.which.limit, args.which.dry_run);
    let request = DiscardRequest { by: args.which.by.by()?, select, limit, dry_run, keep: args.set_aside };
    let engine = context.engine().await?;
    let done = engine.discard(request).await?;
    if done.matched == 0 {
        named.exists(&*engine).await?;
    }
    let exit = report(&done, if args.set_aside { "set aside" } else { "discarded" }, dry_run, context)?;
    if done.matched == 0 && !args.in_flight && !context.out.json() {
        let what = if args.set_aside { "is held" } else { "waits for a person" };
        context.out.line(format!("nothing {what} there; --in-flight means what still waits to be sent"))?;
        context.out.flush()?;
    }
    Ok(exit)
}

/// Lets held lanes go on.
pub(super) async fn release(args: Release, context: &mut Context) -> Result<Exit, Failure> {
    let lane = match &args.lane {
        None => None,
        Some(text) => Some(LaneText(Lane::read(text).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                format!("{text:?} is no lane: 16 hexadecimal digits, as `barid messages --parked` shows"),
            )
        })?)),
    };
    let head = match args.head {
        Head::Retry => HeldHead::Retry,
        Head::Quarantine => HeldHead::Quarantine,
        Head::Discard => HeldHead::Discard,
    };
    let request = ReleaseRequest { by: args.by.by()?, destination: Name::read(&args.destination), lane, head };
    let done = context.engine().await?.release(request).await?;
    report(&done, "released", false, context)
}

/// Has the documents read again.
pub(super) async fn reload(args: Reload, context: &mut Context) -> Result<Exit, Failure> {
    let by = ByArgs::of(args.reason, args.actor).by()?;
    let reloaded = context.engine().await?.reload(ReloadRequest { by }).await?;
    let out = &mut context.out;
    if out.json() {
        out.value(&reloaded)?;
    } else {
        out.line(format!(
            "snapshot {} runs, {} changed",
            reloaded.snapshot,
            counted(reloaded.changed.len(), "document", "documents")
        ))?;
        for document in &reloaded.changed {
            out.line(format!("  {}", clean(document)))?;
        }
        for problem in &reloaded.problems {
            out.line(format!("  {}", super::say::problem(problem)))?;
        }
    }
    out.flush()?;
    let wrong = reloaded.problems.iter().any(|problem| problem.severity == "error");
    Ok(if wrong { Exit::Configuration } else { Exit::Ok })
}

/// Says how many were done, and which were not; [`Exit::Failure`] where some were not.
pub(super) fn report(done: &Done, verb: &str, dry_run: bool, context: &mut Context) -> Result<Exit, Failure> {
    let out = &mut context.out;
    if out.json() {
        out.value(done)?;
    } else if dry_run {
        out.line(format!("{} would be {verb}", done.matched))?;
    } else {
        out.line(format!("{} of {} {verb}", done.done, done.matched))?;
        for child in &done.children {
            let made = child.uid.map(|uid| format!(" as {uid}")).unwrap_or_default();
            out.line(format!("  message {}{made}", child.from))?;
        }
        for missed in &done.missed {
            out.line(format!("  not {}: {}", clean(&missed.id), clean(&missed.why)))?;
        }
    }
    out.flush()?;
    Ok(if done.missed.is_empty() { Exit::Ok } else { Exit::Failure })
}
