//! The tasks of people and CI: `cargo xtask help` lists them.

mod ci;
mod conformance;
mod fuzz;
mod layers;
mod licences;
mod pages;
mod run;
mod tidy;

use std::process::ExitCode;

const HELP: &str = include_str!("help.txt");

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next().unwrap_or_default();
    let result = match task.as_str() {
        "ci" => ci::run_ci(),
        "layers" => layers::run(),
        "licences" => licences::run(),
        "pages" => pages::run(),
        "tidy" => tidy::run(),
        "conformance" => conformance::run(arguments.next().as_deref()),
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
