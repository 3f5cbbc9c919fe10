//! `barid pause` and `barid resume`: a channel or destination, beyond restarts.

use barid_model::Name;
use barid_runtime::control::protocol::{PauseMode, PauseRequest, PauseTarget, ResumeRequest};
use barid_runtime::{Exit, Failure};

use super::act;
use super::context::{ByArgs, Context};

/// Options of `pause`.
#[derive(Debug, clap::Args)]
pub(super) struct Pause {
    #[command(flatten)]
    target: Target,
    /// A channel refuses new messages (207, 503) instead of accepting and holding them
    #[arg(long)]
    closed: bool,
    #[command(flatten)]
    by: ByArgs,
}

/// Options of `resume`.
#[derive(Debug, clap::Args)]
pub(super) struct Resume {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    by: ByArgs,
}

/// What to pause or resume.
#[derive(Debug, clap::Args)]
struct Target {
    /// What it is
    #[arg(value_enum)]
    kind: Kind,
    /// Its name, or namespace/name
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// A channel
    Channel,
    /// A destination
    Destination,
}

impl Target {
    fn target(&self) -> PauseTarget {
        let name = Name::read(&self.name);
        match self.kind {
            Kind::Channel => PauseTarget::Channel(name),
            Kind::Destination => PauseTarget::Destination(name),
        }
    }
}

/// Pauses.
pub(super) async fn pause(args: Pause, context: &mut Context) -> Result<Exit, Failure> {
    if args.closed && args.target.kind == Kind::Destination {
        return Err(Failure::new(
            Exit::Usage,
            "--closed is for channels: a destination always holds what is routed to it",
        ));
    }
    let mode = if args.closed { PauseMode::Closed } else { PauseMode::Paused };
    let request = PauseRequest { target: args.target.target(), mode, by: args.by.by()? };
    let done = context.engine().await?.pause(request).await?;
    act::report(&done, if args.closed { "closed" } else { "paused" }, false, context)
}

/// Resumes.
pub(super) async fn resume(args: Resume, context: &mut Context) -> Result<Exit, Failure> {
    let request = ResumeRequest { target: args.target.target(), by: args.by.by()? };
    let done = context.engine().await?.resume(request).await?;
    act::report(&done, "resumed", false, context)
}
