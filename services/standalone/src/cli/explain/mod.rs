//! `barid explain`: a message as a tree with the standard's names, or what is in effect for a declared document and from where.

mod names;
mod tree;

use std::path::PathBuf;

use barid_hl7::{Limits, Message};
use barid_model::Name;
use barid_runtime::control::protocol::{DocumentRef, ExplainRequest, Explanation};
use barid_runtime::{Exit, Failure};
use bytes::Bytes;

use super::context::Context;
use super::documents::From;
use super::out::{Out, clean};
use super::table::{Align, Table};
use crate::file::read_message;
use crate::view;

/// Options of `explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A message file (- for standard input); or `channel` and a NAME
    #[arg(value_name = "FILE | channel")]
    what: PathBuf,
    /// The channel's name, or namespace/name
    name: Option<String>,
    #[command(flatten)]
    from: From,
}

/// Explains.
pub(super) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    let Some(name) = &args.name else {
        message(read_message(&args.what)?, &mut context.out)?;
        context.out.flush()?;
        return Ok(Exit::Ok);
    };
    if !args.what.as_os_str().eq_ignore_ascii_case("channel") {
        let text = format!(
            "cannot explain {:?}: say channel and its name, or a message file alone",
            args.what.display().to_string()
        );
        return Err(Failure::new(Exit::Usage, text));
    }
    let document = DocumentRef { kind: "Channel".to_owned(), name: Name::read(name) };
    let explanation = if args.from.is_given() {
        let documents = args.from.read(context).await?;
        view::explanation(&documents.snapshot, &document).ok_or_else(|| {
            Failure::new(Exit::NotFound, format!("there is no good channel {}", document.name.short()))
        })?
    } else {
        context.reader().await?.explain(ExplainRequest { document }).await?
    };
    print(&explanation, &mut context.out)?;
    context.out.flush()?;
    Ok(Exit::Ok)
}

/// What is in effect, as a table of settings.
pub(super) fn print(explanation: &Explanation, out: &mut Out) -> Result<(), Failure> {
    if out.json() {
        return out.value(explanation);
    }
    let document = &explanation.document;
    out.line(format!("{} {}, revision {}", document.kind, document.name.short(), clean(&explanation.revision)))?;
    let mut table = Table::new(&[("SETTING", Align::Left), ("VALUE", Align::Left), ("FROM", Align::Free)]);
    for setting in &explanation.settings {
        table.row([setting.path.clone(), setting.value.clone(), setting.from.clone()]);
    }
    table.print(out, "")
}

/// A message as a tree, with what parsing found.
pub(super) fn message(bytes: Bytes, out: &mut Out) -> Result<(), Failure> {
    let parsed = Message::parse(bytes, &Limits::default()).map_err(|error| {
        Failure::new(Exit::Failure, format!("this is no message that can be read: {}", error.finding()))
    })?;
    if out.json() {
        return out.value(&tree::json(&parsed.message, &parsed.findings));
    }
    tree::print(&parsed.message, &parsed.findings, out)
}
