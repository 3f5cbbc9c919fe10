use std::path::Path;

use clap::CommandFactory as _;

use super::*;

#[test]
fn the_page_of_its_options_is_what_it_says_of_itself() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/services/router.md");
    let help = Line::command().max_term_width(120).render_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    let page = format!("# barid-router\n\n```text\n{}\n```\n", lines.join("\n").trim_end());
    if std::env::var_os("BARID_UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "not up to date: BARID_UPDATE=1 cargo test -p barid-router");
}
