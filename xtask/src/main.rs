//! The tasks of people and CI: `cargo xtask help` lists them.

mod ci;
mod fuzz;
mod layers;
mod run;
mod tidy;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask TASK
  ci        everything CI checks, in its order; ends with the summary of the tests
  layers    who may import whom, against xtask/layers.txt
  tidy      file headers, sizes, names
  fuzz [S]  builds every fuzz target and runs each for S seconds (default 60; 0: only builds)
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next().unwrap_or_default();
    let result = match task.as_str() {
        "ci" => ci::run_ci(),
        "layers" => layers::run(),
        "tidy" => tidy::run(),
        "fuzz" => fuzz::fuzz(arguments.next().as_deref()),
        _ => {
            run::say(HELP);
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            run::say(&format!("xtask {task}: {error:#}\n"));
            ExitCode::FAILURE
        }
    }
}
