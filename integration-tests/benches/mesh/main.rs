//! The mesh end to end, beside the least that three servers could do: `cargo bench -p barid-integration-tests`.
//!
//! Three NATS servers that sync before they acknowledge, one of each service, client and receiver, all on this machine. By turns, in one run: what the same servers
//! take as single messages of 2 kB on 64 subjects; how much the mesh accepts from 64 connections; how much arrives at a receiver with a bounded backlog; how long it
//! takes at half of that rate. Nothing is asserted but order and acknowledgements; the table shows each figure with its aim.
//!
//! `BARID_BIN` names a barid, with the programs of the services beside it. `-- --rounds N` (3), `--seconds N` of each measurement (5), `--replicas N` of each service (1),
//! `--partitions N` of the log (16), `--connections N` with a facility each (64),
//! `--channels N` and `--destinations N` declared besides (0), of which each takes its share of what is sent.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark that cannot run has nothing to say"
)]

mod bare;
#[path = "../../../services/standalone/benches/exchange/client.rs"]
mod client;
mod documents;
#[path = "../../../services/standalone/benches/exchange/figures.rs"]
#[allow(dead_code, reason = "what the engine's benchmark needs besides")]
mod figures;
#[path = "../../../services/standalone/benches/exchange/frame.rs"]
#[allow(dead_code, reason = "the answers of a bare echo")]
mod frame;
#[path = "../../../services/standalone/benches/exchange/receiver.rs"]
mod receiver;
mod rounds;

use std::process::ExitCode;

type Failed = Box<dyn std::error::Error>;

/// What is measured.
struct Options {
    rounds: u64,
    seconds: u64,
    replicas: usize,
    partitions: u32,
    connections: usize,
    channels: usize,
    destinations: usize,
}

impl Options {
    fn read(arguments: &[String]) -> Result<Self, Failed> {
        let mut options =
            Self { rounds: 3, seconds: 5, replicas: 1, partitions: 16, connections: 64, channels: 0, destinations: 0 };
        let mut arguments = arguments.iter().filter(|argument| *argument != "--bench");
        while let Some(name) = arguments.next() {
            let value: u64 = arguments.next().ok_or_else(|| format!("{name} needs a number"))?.parse()?;
            let count = usize::try_from(value)?;
            match name.as_str() {
                "--rounds" => options.rounds = value,
                "--seconds" => options.seconds = value,
                "--replicas" => options.replicas = count,
                "--partitions" => options.partitions = u32::try_from(value)?,
                "--connections" => options.connections = count,
                "--channels" => options.channels = count,
                "--destinations" => options.destinations = count,
                _ => {
                    let known =
                        "--rounds, --seconds, --replicas, --partitions, --connections, --channels, --destinations";
                    return Err(format!("{name}: not one of {known}").into());
                }
            }
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.as_slice() {
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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, rounds::run(options))
}
