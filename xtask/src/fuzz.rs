//! Every fuzz target builds, and runs for a while. libFuzzer needs a nightly compiler; its driver is not needed: the
//! targets are ordinary binaries built with its flags.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::run::{output, root, run, say};

/// Seconds a target runs where nothing is said.
const SECONDS: &str = "60";
/// Flags for coverage that libFuzzer understands.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Ccodegen-units=1";

/// Targets that run at once. More than a small machine has cores: each has its minute, and CI's time is bounded.
const AT_ONCE: usize = 5;
/// How the targets are optimized: a third of the time to build, for a part of the inputs a second.
const OPTIMIZED: (&str, &str) = ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
/// Bytes of a failed target's words that are shown: the stack and the input.
const WORDS_MAX: usize = 8 * 1024;

/// Builds every target and runs each for so many seconds, some at once; 0: only builds.
pub(crate) fn fuzz(seconds: Option<&str>) -> Result<()> {
    let seconds = seconds.unwrap_or(SECONDS);
    let target = root().join("target/fuzz").display().to_string();
    let mut runs = Vec::new();
    for manifest in manifests()? {
        let folder = manifest.parent().map(PathBuf::from).unwrap_or_default();
        let at = manifest.display().to_string();
        let environment = [("RUSTFLAGS", FLAGS), ("CARGO_TARGET_DIR", target.as_str()), OPTIMIZED];
        let build = ["+nightly", "build", "--release", "--manifest-path", &at, "--target", HOST];
        run("cargo", &build, &environment)?;
        for name in targets(&folder)? {
            let binary = format!("{target}/{HOST}/release/{name}");
            let artifacts = format!("-artifact_prefix={}/", folder.display());
            runs.push((name, binary, artifacts));
        }
    }
    if seconds == "0" {
        return Ok(());
    }
    say(&format!("\n==> {} fuzz targets, {seconds} s each, {AT_ONCE} at once\n", runs.len()));
    for share in runs.chunks(AT_ONCE) {
        std::thread::scope(|scope| {
            let running: Vec<_> = share.iter().map(|target| scope.spawn(|| attack(target, seconds))).collect();
            running.into_iter().try_for_each(|one| one.join().unwrap_or_else(|_| bail!("a thread of fuzzing panicked")))
        })?;
    }
    say("fuzz: nothing found\n");
    Ok(())
}

/// Runs a target; what it says is shown only where it found something.
fn attack((name, binary, artifacts): &(String, String, String), seconds: &str) -> Result<()> {
    let time = format!("-max_total_time={seconds}");
    let mut command = Command::new(binary);
    command.args([&time, "-rss_limit_mb=4096", "-max_len=65536", "-print_final_stats=1", artifacts]);
    let output = command.output().with_context(|| format!("cannot start {binary}"))?;
    let words = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let end: String = words.chars().skip(words.chars().count().saturating_sub(WORDS_MAX)).collect();
        bail!("{name} found something ({}):\n{end}", output.status);
    }
    let tries = words.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    say(&format!("fuzz: {name}: {} inputs\n", tries.unwrap_or_default().trim()));
    Ok(())
}

const HOST: &str = "x86_64-unknown-linux-gnu";

fn manifests() -> Result<Vec<PathBuf>> {
    let files = String::from_utf8(output("git", &["ls-files", "*fuzz/Cargo.toml"])?)?;
    Ok(files.lines().map(|file| root().join(file)).collect())
}

fn targets(folder: &std::path::Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder.join("fuzz_targets")).context("fuzz_targets")? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs")
            && let Some(name) = path.file_stem().and_then(|name| name.to_str())
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}
