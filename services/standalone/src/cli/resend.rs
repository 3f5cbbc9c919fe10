//! `barid resend`: an edited message, sent as a child of the one it was made from. The original stays as it was.

use std::path::PathBuf;

use barid_runtime::control::protocol::ResendRequest;
use barid_runtime::{Exit, Failure};

use super::context::{ByArgs, Context};
use super::select::uid;
use crate::file::read_message;

/// Options of `resend`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The message it was made from
    uid: String,
    /// The edited message; - for standard input
    #[arg(long, short, value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    by: ByArgs,
}

/// Sends it.
pub(super) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    let request = ResendRequest { uid: uid(&args.uid)?, raw: read_message(&args.file)?, by: args.by.by()? };
    let resent = context.engine().await?.resend(request).await?;
    if context.out.json() {
        context.out.value(&resent)?;
    } else {
        context.out.line(format!("sent as {}", resent.uid))?;
    }
    Ok(Exit::Ok)
}
