//! Running other programs, and saying what is run.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or_else(|| here.clone(), PathBuf::from)
}

/// Where cargo builds to.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |given| root().join(given))
}

/// Writes to standard output.
pub(crate) fn say(text: &str) {
    // Nobody is left to be told where standard output is closed.
    drop(std::io::stdout().write_all(text.as_bytes()));
}

/// Runs a command in the root of the repository and fails where it does.
pub(crate) fn run(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    say(&format!("\n==> {program} {}\n", arguments.join(" ")));
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root()).envs(environment.iter().copied());
    let begun = std::time::Instant::now();
    let status = command.status().with_context(|| format!("cannot start {program}"))?;
    say(&format!("    {} s\n", begun.elapsed().as_secs()));
    if !status.success() {
        bail!("{program} {} failed ({status})", arguments.join(" "));
    }
    Ok(())
}

/// Runs a command and gives what it printed.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Result<Vec<u8>> {
    let mut command = Command::new(program);
    let output =
        command.args(arguments).current_dir(root()).output().with_context(|| format!("cannot start {program}"))?;
    if !output.status.success() {
        bail!("{program} {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}
