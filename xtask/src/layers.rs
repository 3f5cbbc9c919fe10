//! Who may import whom: the manifests against a table, so that a new edge is a visible change of that table.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};

use crate::run::{output, root, say};

const TABLE: &str = "xtask/layers.txt";

/// Compares every normal dependency of the workspace with the table.
pub(crate) fn run() -> Result<()> {
    let table = std::fs::read_to_string(root().join(TABLE)).context(TABLE)?;
    let rules = Rules::read(&table)?;
    let metadata = output("cargo", &["metadata", "--format-version", "1", "--no-deps"])?;
    let metadata: serde_json::Value = serde_json::from_slice(&metadata)?;
    let mut wrong = Vec::new();
    for package in metadata.get("packages").and_then(|v| v.as_array()).into_iter().flatten() {
        rules.check(package, &mut wrong);
    }
    if wrong.is_empty() {
        say("layers: every edge is in the table\n");
        return Ok(());
    }
    bail!("{} edges are not in {TABLE}:\n  {}", wrong.len(), wrong.join("\n  "))
}

struct Rules {
    /// By crate: the crates of ours it may use.
    ours: BTreeMap<String, BTreeSet<String>>,
    /// By outside crate: who alone may use it.
    only: BTreeMap<String, BTreeSet<String>>,
}

impl Rules {
    fn read(table: &str) -> Result<Self> {
        let (mut ours, mut only) = (BTreeMap::new(), BTreeMap::new());
        for line in table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (left, right) = line.split_once(':').with_context(|| format!("{TABLE}: no colon in {line:?}"))?;
            let names = right.split_whitespace().map(str::to_owned).collect();
            match left.trim().strip_prefix("only ") {
                Some(outside) => only.insert(outside.to_owned(), names),
                None => ours.insert(left.trim().to_owned(), names),
            };
        }
        Ok(Self { ours, only })
    }

    fn check(&self, package: &serde_json::Value, wrong: &mut Vec<String>) {
        let text = |value: &serde_json::Value, key: &str| value.get(key).and_then(|v| v.as_str()).map(str::to_owned);
        let Some(name) = text(package, "name") else { return };
        let short = name.strip_prefix("barid-").unwrap_or(&name);
        let Some(allowed) = self.ours.get(short) else {
            wrong.push(format!("{short}: not in the table"));
            return;
        };
        for dependency in package.get("dependencies").and_then(|v| v.as_array()).into_iter().flatten() {
            // Tests may use what they need.
            if dependency.get("kind").and_then(|v| v.as_str()) == Some("dev") {
                continue;
            }
            let Some(used) = text(dependency, "name") else { continue };
            let forbidden = match used.strip_prefix("barid-") {
                Some(ours) => !allowed.contains(ours),
                None => self.only.get(&used).is_some_and(|only| !only.contains(short)),
            };
            if forbidden {
                wrong.push(format!("{short} -> {used}"));
            }
        }
    }
}
