//! Every promised behaviour of HL7 v2 has a test that carries its id, and docs/conformance.md says which.
//!
//! The list (`xtask/conformance.txt`) is kept by hand, the tests are found by their names: a behaviour whose last test
//! goes away, or a test whose id nobody promised, fails; so does a test that README.md names and that is not there.
//! Whether a test asserts what the line says is for its reader.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};

use crate::run::{output, root, say};

const LIST: &str = "xtask/conformance.txt";
const PAGE: &str = "docs/conformance.md";
/// The page whose table of promises names tests.
const PROMISES: &str = "README.md";
const HEAD: &str = "\
# Behaviours of HL7 v2 and their tests

Made by `cargo xtask conformance --write` from `xtask/conformance.txt` and the names of the tests; CI fails where it is
not up to date. `cargo test --workspace m03_` runs the tests of one behaviour.
";

/// A function's name and the file it is in.
type Test = (String, String);
/// Tests by behaviour.
type Tests = BTreeMap<String, Vec<Test>>;

/// Checks the list against the tests and the page against both; `--write` makes the page anew.
pub(crate) fn run(mode: Option<&str>) -> Result<()> {
    let list = std::fs::read_to_string(root().join(LIST)).context(LIST)?;
    let (marked, others) = find()?;
    let tests = by_id(&marked);
    let known: Vec<&str> = list.lines().filter_map(entry).map(|(id, _)| id).collect();
    let mut faults: Vec<String> = Vec::new();
    faults.extend(known.iter().filter(|id| !tests.contains_key(**id)).map(|id| format!("{id}: no test carries it")));
    for (id, found) in tests.iter().filter(|(id, _)| !known.contains(&id.as_str())) {
        faults.extend(found.iter().map(|(name, file)| format!("{id}: not in {LIST}, but {name} in {file}")));
    }
    let promises = std::fs::read_to_string(root().join(PROMISES)).context(PROMISES)?;
    let named = promises.split('`').skip(1).step_by(2).filter(|word| is_test_name(word));
    // The cases of a contract suite are functions that a macro makes tests of.
    let gone = named.filter(|word| marked.iter().chain(&others).all(|(name, _)| name != word));
    faults.extend(gone.map(|word| format!("{PROMISES} names {word}, and there is no such test")));
    if !faults.is_empty() {
        bail!("{} faults:\n  {}", faults.len(), faults.join("\n  "));
    }
    let page = page(&list, &tests);
    let path = root().join(PAGE);
    if mode == Some("--write") {
        std::fs::write(&path, page).context(PAGE)?;
    } else if std::fs::read_to_string(&path).unwrap_or_default() != page {
        bail!("{PAGE} is not up to date: cargo xtask conformance --write");
    }
    say(&format!("conformance: {} behaviours, each with a test\n", known.len()));
    Ok(())
}

/// A line of the list: id and words.
fn entry(line: &str) -> Option<(&str, &str)> {
    line.split_once(' ').filter(|(id, _)| is_id(id))
}

fn is_id(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() == 3
        && bytes.next().is_some_and(|area| b"mpecado".contains(&area))
        && bytes.all(|digit| digit.is_ascii_digit())
}

/// A sentence as test names are.
fn is_test_name(word: &str) -> bool {
    word.matches('_').count() > 2 && word.bytes().all(|b| b == b'_' || b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// All functions of the repository: those marked as tests, and the others.
fn find() -> Result<(Vec<Test>, Vec<Test>)> {
    let files = String::from_utf8(output("git", &["ls-files", "*.rs"])?)?;
    let (mut tests, mut others) = (Vec::new(), Vec::new());
    for file in files.lines() {
        // A file that was deleted and not committed yet has no tests.
        let text = std::fs::read_to_string(root().join(file)).unwrap_or_default();
        let mut marked = false;
        for line in text.lines().map(str::trim_start) {
            if line.starts_with("#[") {
                marked |= line.contains("test]") || line.contains("test(");
            } else if let Some(name) = function(line) {
                let found = if marked { &mut tests } else { &mut others };
                found.push((name.to_owned(), file.to_owned()));
                marked = false;
            }
        }
    }
    Ok((tests, others))
}

fn by_id(all: &[Test]) -> Tests {
    let mut tests = Tests::new();
    for (name, file) in all {
        for id in name.split('_').take_while(|part| is_id(part)) {
            tests.entry(id.to_owned()).or_default().push((name.clone(), file.clone()));
        }
    }
    tests
}

/// The name of the function that a line begins.
fn function(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub ").unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line);
    line.strip_prefix("fn ")?.split('(').next()
}

fn page(list: &str, tests: &Tests) -> String {
    let mut lines = vec![HEAD.to_owned()];
    for line in list.lines() {
        if let Some(area) = line.strip_prefix("## ") {
            lines.push(format!("\n## {area}\n\n| id | behaviour | tests |\n| --- | --- | --- |\n"));
        } else if let Some((id, words)) = entry(line) {
            let found = tests.get(id).map(Vec::as_slice).unwrap_or_default();
            lines.push(format!("| {id} | {words} | {} |\n", found.iter().map(link).collect::<Vec<_>>().join("<br>")));
        }
    }
    lines.concat()
}

/// A test by its name without the ids, leading to its file.
fn link((name, file): &Test) -> String {
    let words: Vec<&str> = name.split('_').skip_while(|part| is_id(part)).collect();
    format!("[{}](../{file})", words.join(" "))
}
