//! Every fuzz target builds, and runs for a while. libFuzzer needs a nightly compiler; its driver is not needed: the
//! targets are ordinary binaries built with its flags.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::run::{output, root, run, say};

/// Seconds a target runs where nothing is said.
const SECONDS: &str = "60";
/// Flags for coverage that libFuzzer understands.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Ccodegen-units=1";

/// Builds every target and runs each for so many seconds; 0: only builds.
pub(crate) fn fuzz(seconds: Option<&str>) -> Result<()> {
    let seconds = seconds.unwrap_or(SECONDS);
    for manifest in manifests()? {
        let folder = manifest.parent().map(PathBuf::from).unwrap_or_default();
        let at = manifest.display().to_string();
        let target = root().join("target/fuzz").display().to_string();
        let environment = [("RUSTFLAGS", FLAGS), ("CARGO_TARGET_DIR", target.as_str())];
        let build = ["+nightly", "build", "--release", "--manifest-path", &at, "--target", HOST];
        run("cargo", &build, &environment)?;
        if seconds == "0" {
            continue;
        }
        for name in targets(&folder)? {
            let binary = format!("{target}/{HOST}/release/{name}");
            let time = format!("-max_total_time={seconds}");
            let artifacts = format!("-artifact_prefix={}/", folder.display());
            run(&binary, &[&time, "-rss_limit_mb=4096", "-max_len=65536", "-print_final_stats=0", &artifacts], &[])?;
        }
    }
    say("fuzz: nothing found\n");
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
