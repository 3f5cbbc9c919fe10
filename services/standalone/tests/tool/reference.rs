//! `docs/command-line.md` is what the tool says of itself. `BARID_UPDATE=1` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use crate::binary::barid;

const HEAD: &str = "# The command line

One binary: the engine (`barid run`) and the tool that speaks to it. `--json` prints objects instead of tables, lists as one object a line, with field
names that stay, times in RFC 3339, and lengths of time in milliseconds under names that end in `Ms`; errors then are JSON on standard error. Verbs that speak to an engine find it by its data directory (`--data`, `BARID_DATA`, else
`./barid-data`) and go over the socket in it, whose permissions say who may. Verbs that read also work on a data directory whose engine is stopped. Verbs
that change something take who and why, and both are recorded. Contents of messages are printed only where they are asked for.

A list that finds nothing ends with code 0, unless it asks for a channel, destination, listener or search key that no document has: then with code 9, and
the names there are. `status` warns of every certificate that expires within 30 days.

This page is made from the tool's own help.

";

/// The help of a verb, without what all verbs have in common.
fn help(arguments: &[&str]) -> String {
    let help = barid(arguments).well().text().to_owned();
    let common = help.find("\nExit codes:").unwrap_or(help.len());
    let every = |line: &str| {
        ["--json", "--data <DIR>", "-h, --help"].iter().any(|option| line.trim_start().starts_with(option))
    };
    let lines: Vec<&str> =
        help[..common].lines().map(str::trim_end).filter(|line| arguments.len() == 1 || !every(line)).collect();
    lines.join("\n").trim_end().to_owned()
}

fn page() -> String {
    let top = barid(&["--help"]).well().text().to_owned();
    let codes = &top[top.find("Exit codes:").unwrap()..];
    let mut page = HEAD.to_owned();
    writeln!(page, "```text\n{}\n\n{}\n```", help(&["-h"]), codes.trim_end()).unwrap();
    let commands = top.split("Commands:\n").nth(1).unwrap();
    for verb in
        commands.lines().take_while(|line| line.starts_with("  ")).filter_map(|line| line.split_whitespace().next())
    {
        writeln!(page, "\n## barid {verb}\n\n```text\n{}\n```", help(&[verb, "-h"])).unwrap();
    }
    page
}

#[test]
fn the_page_of_the_command_line_is_what_the_tool_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/command-line.md");
    let page = page();
    if std::env::var_os("BARID_UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/command-line.md is not up to date: BARID_UPDATE=1 cargo test -p barid-standalone --test tool"
    );
}
