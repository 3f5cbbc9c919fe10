//! Tidiness that a program can judge: every file says what it is for, no file or binary grows past its limit, nothing
//! is called by a name that means nothing.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::run::{output, root, say};

/// Lines of an ordinary file: above the first it is named, above the second it fails.
const LINES: (usize, usize) = (400, 600);
/// Lines of a file of tests.
const TEST_LINES: usize = 800;
const MAIN_LINES: usize = 40;
const LIB_LINES: usize = 200;
const BAD_NAMES: [&str; 4] = ["utils", "common", "helpers", "types"];

/// Looks at every Rust file that git knows.
pub(crate) fn run() -> Result<()> {
    let files = output("git", &["ls-files", "*.rs"])?;
    let files = String::from_utf8(files)?;
    let mut faults = Vec::new();
    let mut long = Vec::new();
    for file in files.lines() {
        let path = root().join(file);
        if let Ok(text) = std::fs::read_to_string(&path) {
            look(file, &text, &mut faults, &mut long);
        }
    }
    for file in &long {
        say(&format!("tidy: long: {file}\n"));
    }
    if faults.is_empty() {
        say(&format!("tidy: {} files in order\n", files.lines().count()));
        return Ok(());
    }
    bail!("{} faults:\n  {}", faults.len(), faults.join("\n  "))
}

fn look(file: &str, text: &str, faults: &mut Vec<String>, long: &mut Vec<String>) {
    let path = PathBuf::from(file);
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let tests = is_test(&path);
    if !tests && !text.starts_with("//!") {
        faults.push(format!("{file}: does not open with //! (what it does, why so, what it leaves to others)"));
    }
    let lines = text.lines().count();
    let code =
        text.find("\n#[cfg(test)]\nmod tests {").map_or(lines, |at| text.get(..at).map_or(0, |s| s.lines().count()));
    let limit = match name {
        _ if tests => TEST_LINES,
        "main.rs" => MAIN_LINES,
        "lib.rs" => LIB_LINES,
        _ => LINES.1,
    };
    if code > limit {
        faults.push(format!("{file}: {code} lines, the limit is {limit}: split it by idea"));
    } else if !tests && code > LINES.0 {
        long.push(format!("{file}: {code} lines"));
    }
    if BAD_NAMES.iter().any(|bad| name == format!("{bad}.rs") || path.components().any(|part| part.as_os_str() == *bad))
    {
        faults.push(format!("{file}: a name that says nothing"));
    }
}

fn is_test(path: &Path) -> bool {
    let part = |name: &str| path.components().any(|part| part.as_os_str() == name);
    let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    part("tests")
        || part("benches")
        || part("engines-bench")
        || part("fuzz")
        || part("fuzz_targets")
        || file == "tests.rs"
        || file == "testing.rs"
}
