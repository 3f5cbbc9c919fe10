//! `docs/reference.md` is what the document types say of themselves. `BARID_UPDATE=1` writes it anew.
//!
//! The types' own descriptions are read from their source, so that a field cannot be described in two ways, or not at all.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot read its sources has nothing else to do")]

#[path = "reference/fields.rs"]
mod fields;
#[path = "reference/page.rs"]
mod page;

use std::path::Path;

#[test]
fn the_reference_says_what_the_types_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let types = fields::read(&root);
    let page = page::page(&types);
    let path = root.join("docs/reference.md");
    if std::env::var_os("BARID_UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/reference.md is not up to date: BARID_UPDATE=1 cargo test -p barid-config --test reference"
    );
}

#[test]
fn every_field_and_value_is_described() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (name, kind) in fields::read(&root) {
        for field in kind.fields {
            assert!(field.text.ends_with('.'), "{name}.{} is described by `{}`", field.name, field.text);
        }
    }
}
