//! The pages that people read first are true as far as a program can tell: what they link to and every path they name is
//! there, and the map of the code has a line for every crate and service.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::run::{output, root, say};

/// Where the map of the code is.
const MAP: &str = "ARCHITECTURE.md";
/// Folders whose files a page may name by their path.
const FOLDERS: [&str; 9] =
    ["crates/", "services/", "integration-tests/", "xtask/", "docs/", "examples/", "scripts/", "proto/", ".ci/"];

/// Looks at every page that git knows.
pub(crate) fn run() -> Result<()> {
    let files = String::from_utf8(output("git", &["ls-files", "*.md"])?)?;
    let mut faults = Vec::new();
    for file in files.lines() {
        let text = std::fs::read_to_string(root().join(file)).unwrap_or_default();
        let gone = links(&text).filter(|link| !there(file, link)).chain(paths(&text).filter(|path| !there("", path)));
        faults.extend(gone.map(|name| format!("{file}: {name} is not there")));
    }
    let map = std::fs::read_to_string(root().join(MAP)).context(MAP)?;
    let members = String::from_utf8(output("git", &["ls-files", "crates/*/Cargo.toml", "services/*/Cargo.toml"])?)?;
    let members = members.lines().filter_map(|file| file.strip_suffix("/Cargo.toml"));
    // A workspace of its own inside a crate (fuzz targets) is no part of the map.
    let unnamed = members.filter(|member| member.matches('/').count() == 1 && !map.contains(&format!("`{member}`")));
    faults.extend(unnamed.map(|member| format!("{MAP}: no line about `{member}`")));
    if faults.is_empty() {
        say(&format!("pages: {} in order\n", files.lines().count()));
        return Ok(());
    }
    bail!("{} faults:\n  {}", faults.len(), faults.join("\n  "))
}

/// Whether a path is there, seen from a page.
fn there(page: &str, path: &str) -> bool {
    root().join(page).parent().filter(|_| !page.is_empty()).unwrap_or(&root()).join(Path::new(path)).exists()
}

/// What a page links to inside the repository, without the place on the page.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let targets = targets.filter_map(|target| target.split('#').next());
    targets.filter(|target| !target.is_empty() && !target.contains("://") && !target.contains(' '))
}

/// Paths of the repository that a page names as code; patterns and placeholders are none.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split('`').skip(1).step_by(2);
    words.filter(|word| {
        FOLDERS.iter().any(|folder| word.starts_with(folder)) && !word.contains(['*', '<', ' ', '{', '…'])
    })
}
