//! Types and their fields from the source of the document types.

use std::collections::BTreeMap;
use std::path::Path;

/// A struct or an enum of words.
#[derive(Debug, Default, Clone)]
pub(crate) struct Kind {
    pub text: String,
    pub is_enum: bool,
    pub fields: Vec<Field>,
}

/// A field, or a word of a closed list.
#[derive(Debug, Default, Clone)]
pub(crate) struct Field {
    pub name: String,
    /// The Rust type; empty for a word.
    pub kind: String,
    pub required: bool,
    pub text: String,
}

/// Reads all document types.
pub(crate) fn read(root: &Path) -> BTreeMap<String, Kind> {
    let mut types = BTreeMap::new();
    for folder in ["crates/config/src/document", "crates/transform/src/document"] {
        let mut files: Vec<_> =
            std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "rs")) {
            let text = std::fs::read_to_string(file).unwrap();
            let is_units = file.ends_with("units.rs");
            if !is_units && !file.ends_with("tests.rs") {
                read_file(&text, &mut types);
            }
        }
    }
    types
}

fn read_file(text: &str, types: &mut BTreeMap<String, Kind>) {
    let mut doc = String::new();
    let mut attributes = String::new();
    let mut open: Option<(String, Kind)> = None;
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some(words) = trimmed.strip_prefix("///") {
            doc.push_str(words.strip_prefix(' ').unwrap_or(words));
            doc.push(' ');
            continue;
        }
        if trimmed.starts_with("#[") {
            attributes.push_str(trimmed);
            continue;
        }
        if let Some((name, kind)) = &mut open {
            if line == "}" {
                types.insert(std::mem::take(name), std::mem::take(kind));
                open = None;
            } else if let Some(field) = field(trimmed, &doc, &attributes, kind.is_enum) {
                kind.fields.push(field);
            }
        } else if let Some((name, is_enum)) = begins(line) {
            open = Some((name, Kind { text: doc.trim().to_owned(), is_enum, fields: Vec::new() }));
        }
        doc.clear();
        attributes.clear();
    }
}

/// `pub struct Name {` or `pub enum Name {`
fn begins(line: &str) -> Option<(String, bool)> {
    let rest = line.strip_suffix(" {")?;
    let (name, is_enum) = match (rest.strip_prefix("pub struct "), rest.strip_prefix("pub enum ")) {
        (Some(name), _) => (name, false),
        (_, Some(name)) => (name, true),
        _ => return None,
    };
    Some((name.to_owned(), is_enum))
}

fn field(line: &str, doc: &str, attributes: &str, is_word: bool) -> Option<Field> {
    let text = doc.trim().to_owned();
    if is_word {
        let name = line.strip_suffix(',')?;
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric());
        // Codes of HL7 tables stand as they are.
        let name = if name.len() == 1 { name.to_owned() } else { camel(name) };
        return plain.then(|| Field { name, text, ..Field::default() });
    }
    let (name, kind) = line.strip_prefix("pub ")?.strip_suffix(',')?.split_once(": ")?;
    let renamed = attributes.split_once("rename = \"").and_then(|(_, rest)| rest.split_once('"')).map(|(name, _)| name);
    let name = renamed.map_or_else(|| camel(name.trim_start_matches("r#")), str::to_owned);
    let required = !kind.starts_with("Option<") && !attributes.contains("default");
    let kind = kind.strip_prefix("Option<").and_then(|kind| kind.strip_suffix('>')).unwrap_or(kind);
    Some(Field { name, kind: kind.to_owned(), required, text })
}

/// `on_invalid` and `OnInvalid` as `onInvalid`.
fn camel(name: &str) -> String {
    let mut out = String::new();
    let mut upper = false;
    for (i, c) in name.chars().enumerate() {
        match c {
            '_' => upper = true,
            c if upper => {
                out.extend(c.to_uppercase());
                upper = false;
            }
            c if i == 0 => out.extend(c.to_lowercase()),
            c => out.push(c),
        }
    }
    out
}
