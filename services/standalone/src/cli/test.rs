//! `barid test`: the ChannelTests of a directory, through the real compiler and stages; failures field by field.

use std::path::PathBuf;

use barid_config::testing::{self, CaseResult, Folder, SuiteResult};
use barid_model::Name;
use barid_runtime::{Exit, Failure};
use serde_json::json;

use super::context::Context;
use super::documents::compiled;
use super::out::{Out, clean, note};
use super::say::{count, short};

/// Options of `test`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The directory of the documents
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// Only the tests of this channel
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
    /// Also write the results as JUnit XML to this file
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Also list what passed
    #[arg(long, short)]
    verbose: bool,
}

/// Runs the tests; [`Exit::TestsFailed`] where one failed, [`Exit::Configuration`] where a document has an error.
pub(super) fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let compiled = compiled(&args.directory)?;
    for problem in compiled.problems.iter().filter(|problem| problem.is_error()) {
        note(&clean(&problem.to_string()));
    }
    let only = args.channel.as_deref().map(Name::read);
    let suites = testing::run(&compiled.snapshot, &Folder::new(&args.directory), only.as_ref());
    if let (Some(channel), true) = (&only, suites.is_empty()) {
        return Err(Failure::new(
            Exit::NotFound,
            format!("there is no good ChannelTest for channel {}", channel.short()),
        ));
    }
    if let Some(path) = &args.junit {
        std::fs::write(path, testing::junit(&suites))
            .map_err(|error| Failure::new(Exit::Failure, format!("cannot write {}: {error}", path.display())))?;
    }
    let out = &mut context.out;
    if out.json() {
        out.value(
            &json!({ "passed": suites.iter().all(SuiteResult::passed) && compiled.is_good(), "suites": suites }),
        )?;
    } else {
        print(&suites, args.verbose, out)?;
    }
    out.flush()?;
    if !compiled.is_good() {
        let text = format!("the documents have {}; their tests ran on what is good", count(&compiled.problems));
        return Err(Failure::new(Exit::Configuration, text));
    }
    Ok(if suites.iter().all(SuiteResult::passed) { Exit::Ok } else { Exit::TestsFailed })
}

fn print(suites: &[SuiteResult], verbose: bool, out: &mut Out) -> Result<(), Failure> {
    let (mut passed, mut failed) = (0_usize, 0_usize);
    for suite in suites {
        for case in &suite.cases {
            if case.failures.is_empty() {
                passed += 1;
            } else {
                failed += 1;
            }
            if verbose || !case.failures.is_empty() {
                print_case(suite, case, out)?;
            }
        }
    }
    out.line(format!("{passed} passed, {failed} failed"))
}

fn print_case(suite: &SuiteResult, case: &CaseResult, out: &mut Out) -> Result<(), Failure> {
    let word = if case.failures.is_empty() { "ok  " } else { "FAIL" };
    out.line(format!(
        "{word} {}: {}  ({})",
        clean(&short(&suite.test.to_string())),
        clean(&case.name),
        clean(&suite.file)
    ))?;
    for failure in &case.failures {
        out.line(format!("       {}", clean(&failure.what)))?;
        out.line(format!("         expected {}", clean(&failure.expected)))?;
        out.line(format!("         was      {}", clean(&failure.was)))?;
    }
    Ok(())
}
