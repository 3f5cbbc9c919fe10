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
use super::out::{Out, clean};
use super::table::{Align, Table};
use crate::file::read_message;

/// Kinds whose documents can be explained, as the command line and as the documents write them.
const KINDS: [(&str, &str); 3] = [("channel", "Channel"), ("destination", "Destination"), ("listener", "Listener")];

/// Options of `explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A message file (- for standard input); or channel, destination, listener with a NAME
    #[arg(value_name = "FILE | KIND")]
    what: PathBuf,
    /// The document's name, or namespace/name
    name: Option<String>,
}

/// Explains.
pub(super) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    let Some(name) = &args.name else {
        message(read_message(&args.what)?, &mut context.out)?;
        context.out.flush()?;
        return Ok(Exit::Ok);
    };
    let word = args.what.to_string_lossy().to_lowercase();
    let Some((_, kind)) = KINDS.iter().find(|(short, _)| *short == word) else {
        let known: Vec<&str> = KINDS.iter().map(|(short, _)| *short).collect();
        return Err(Failure::new(
            Exit::Usage,
            format!("cannot explain a {word:?}: say one of {} and a name, or a message file alone", known.join(", ")),
        ));
    };
    let request = ExplainRequest { document: DocumentRef { kind: (*kind).to_owned(), name: Name::read(name) } };
    let explanation = context.reader().await?.explain(request).await?;
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
