//! Every package that Barid is built from is under a licence of `xtask/licences.txt`, as its own manifest says.
//!
//! Read from `cargo metadata`, so that it needs no network and no further tool. Packages that only other platforms use,
//! and those of the fuzz targets and of the comparison of log engines, are not part of what is given away and not looked at. Advisories are a
//! matter of today and not of the repository: see CONTRIBUTING.md.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};

use crate::run::{output, root, say};

const LIST: &str = "xtask/licences.txt";
/// Where Barid runs.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// Looks at the licence of every package.
pub(crate) fn run() -> Result<()> {
    let list = std::fs::read_to_string(root().join(LIST)).context(LIST)?;
    let allowed: BTreeSet<&str> =
        list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let metadata = output("cargo", &["metadata", "--format-version", "1", "--locked", "--filter-platform", PLATFORM])?;
    let metadata: serde_json::Value = serde_json::from_slice(&metadata)?;
    let packages = metadata.get("packages").and_then(|v| v.as_array()).context("cargo metadata: no packages")?;
    let wrong: Vec<String> = packages.iter().filter_map(|package| fault(package, &allowed)).collect();
    if wrong.is_empty() {
        say(&format!("licences: {} packages in order\n", packages.len()));
        return Ok(());
    }
    bail!("{} packages are under no licence of {LIST}:\n  {}", wrong.len(), wrong.join("\n  "))
}

fn fault(package: &serde_json::Value, allowed: &BTreeSet<&str>) -> Option<String> {
    let text = |key: &str| package.get(key).and_then(|v| v.as_str()).unwrap_or_default();
    let licence = text("license");
    (!holds(licence, allowed)).then(|| format!("{} {}: {licence:?}", text("name"), text("version")))
}

/// Whether an SPDX expression leaves a choice that is allowed. The old `A/B` means `A OR B`; what cannot be read is none.
fn holds(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words: Vec<&str> = spaced.split_whitespace().rev().collect();
    any(&mut words, allowed).is_some_and(|holds| holds && words.is_empty())
}

fn any(words: &mut Vec<&str>, allowed: &BTreeSet<&str>) -> Option<bool> {
    let mut holds = all(words, allowed)?;
    while words.pop_if(|word| *word == "OR").is_some() {
        holds |= all(words, allowed)?;
    }
    Some(holds)
}

fn all(words: &mut Vec<&str>, allowed: &BTreeSet<&str>) -> Option<bool> {
    let mut holds = one(words, allowed)?;
    while words.pop_if(|word| *word == "AND").is_some() {
        holds &= one(words, allowed)?;
    }
    Some(holds)
}

fn one(words: &mut Vec<&str>, allowed: &BTreeSet<&str>) -> Option<bool> {
    let name = words.pop()?;
    if name == "(" {
        let holds = any(words, allowed)?;
        return words.pop_if(|word| *word == ")").map(|_| holds);
    }
    match words.pop_if(|word| *word == "WITH") {
        Some(_) => Some(allowed.contains(format!("{name} WITH {}", words.pop()?).as_str())),
        None => Some(allowed.contains(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_holds_where_a_choice_is_allowed_and_all_of_it_is_read() {
        let allowed = BTreeSet::from(["MIT", "Apache-2.0", "BSD-3-Clause"]);
        for good in ["MIT", "GPL-3.0 OR MIT", "MIT/GPL-2.0", "(GPL-2.0 OR MIT) AND BSD-3-Clause", "MIT AND Apache-2.0"]
        {
            assert!(holds(good, &allowed), "{good}");
        }
        let bad = [
            "",
            "AGPL-3.0",
            "MIT AND SSPL-1.0",
            "(MIT OR GPL-2.0) AND GPL-3.0",
            "Apache-2.0 WITH X",
            "MIT OR",
            "(MIT",
            "MIT MIT",
        ];
        for bad in bad {
            assert!(!holds(bad, &allowed), "{bad}");
        }
    }
}
