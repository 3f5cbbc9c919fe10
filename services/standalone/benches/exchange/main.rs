//! The engine end to end, beside the least that could keep a message: `cargo bench -p barid-standalone`.
//!
//! One run compares, by turns and with one and the same client, `barid run` and a bare MLLP echo that makes each frame durable before it answers: ratios in one
//! run, because machines differ and are shared. Then the way to a receiver: how much arrives with a bounded backlog, how long it takes at a quiet rate, memory,
//! and how soon an engine is ready that has all of it in its log. Nothing is asserted but order and acknowledgements; the table shows each figure with its aim.
//!
//! `-- --rounds N` (5), `--seconds N` of each measurement (3), `--messages N` of the long run at the end (100,000; 1,000,000 takes some minutes).
//! `--connections N` measures nothing but what is accepted with so many, for whoever works on that.
//! `BARID_BIN` names another build of the engine, to compare two.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark that cannot run has nothing to say"
)]

mod client;
mod echo;
mod engine;
mod figures;
mod frame;
mod receiver;
mod rounds;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

type Failed = Box<dyn std::error::Error>;

/// What is measured.
struct Options {
    rounds: u32,
    seconds: u64,
    messages: u64,
    connections: Option<usize>,
}

impl Options {
    fn read(arguments: &[String]) -> Result<Self, Failed> {
        let mut options = Self { rounds: 5, seconds: 3, messages: 100_000, connections: None };
        let mut arguments = arguments.iter().filter(|argument| *argument != "--bench");
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a number"))?.parse()?;
            match name.as_str() {
                "--rounds" => options.rounds = u32::try_from(value)?,
                "--seconds" => options.seconds = value,
                "--messages" => options.messages = value,
                "--connections" => options.connections = Some(usize::try_from(value)?),
                _ => return Err(format!("{name}: not one of --rounds, --seconds, --messages, --connections").into()),
            }
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.as_slice() {
        [echo, file] if echo == "echo" => echo::serve(&PathBuf::from(file)).map_err(Failed::from),
        // What `cargo test` asks of everything: that it can be started.
        [test] if test == "--test" || test == "--list" => Ok(()),
        _ => Options::read(&arguments).and_then(|options| measure(&options)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("the benchmark failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Result<(), Failed> {
    let folder = tempfile::TempDir::new_in(Path::new(env!("CARGO_TARGET_TMPDIR")))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, rounds::run(options, folder.path()))
}
