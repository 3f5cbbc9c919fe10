//! The page: each kind with its fields, each type below the kind that uses it first, then what expressions know.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use barid_config::document::{API_VERSION, KINDS, RESERVED_KINDS};
use barid_expr::{FUNCTIONS, VARIABLES};

use super::fields::{Field, Kind};

const HEAD: &str = "<!-- Made from the document types: BARID_UPDATE=1 cargo test -p barid-config --test reference -->
# Reference of documents

A folder of documents is what Barid runs: `*.yaml`, `*.yml` and `*.json` in all folders below it, several documents in a
file apart by `---`. Names that begin with a dot are left out, and `secrets/`, where secrets lie as
`secrets/<namespace>/<secret>/<key>`.

Each document has `kind`, `metadata` and `spec`, and may have `apiVersion: API`. Fields that are not listed here
are errors, and so are fields without a value. Fields in **bold** are needed.

What values look like:

* **text**: what some reader of YAML takes for a number, a date, true or false stands in quotes: `\"01\"`, `\"2.5\"`, `\"NO\"`, `\"Y\"`, `\"1:30\"`.
* **time**: a whole number and one unit of `ms`, `s`, `m`, `h`, `d` (24 h), `y` (365 d): `30s`, `24h`.
* **size**: a whole number and one unit of `B`, `Ki`, `Mi`, `Gi`: `16Mi`.
* **hours**: a part of each day: `\"07:00-19:00\"`; it may go over midnight.
* **number**, **true/false**: as they are, without quotes.
* **expression**: text in CEL; see [Expressions](#expressions).
* **path**: a place in a message: `PID-3[2].4.1`, `OBX[*]-5`, `MSH-9.2`, `PV1`. All counts from 1; `[*]` is each.
* **reference**: `{name: NAME}`, or `{name: NAME, namespace: NAMESPACE}` where that document allows it (`allowedFrom`).

A setting that stands nowhere has its built-in default; Exchange `defaults` go before that, then Listener and Facility,
then the Channel, then its route. `barid explain channel NAME` shows what is in effect and from where.
";

pub(crate) fn page(types: &BTreeMap<String, Kind>) -> String {
    let mut page = HEAD.replace("API", API_VERSION);
    let mut done = BTreeSet::from(["Reference".to_owned()]);
    section(&mut page, types, &mut done, "Metadata", "## metadata\n");
    for kind in KINDS {
        section(&mut page, types, &mut done, kind, &format!("## {kind}\n"));
    }
    _ = writeln!(page, "\nReserved, not built yet: {}.", RESERVED_KINDS.join(", "));
    expressions(&mut page);
    page
}

/// A type and, after it, all that it uses and that was not described before.
fn section(page: &mut String, types: &BTreeMap<String, Kind>, done: &mut BTreeSet<String>, name: &str, title: &str) {
    let Some(kind) = types.get(name) else { panic!("no type {name}") };
    if !done.insert(name.to_owned()) {
        return;
    }
    _ = write!(page, "\n{title}\n{}\n\n", kind.text);
    page.push_str("| field | value | |\n| --- | --- | --- |\n");
    for field in &kind.fields {
        row(page, types, field);
    }
    for inner in kind.fields.iter().filter_map(|field| types.get_key_value(bare(&field.kind))) {
        if !inner.1.is_enum {
            section(page, types, done, inner.0, &format!("### {}\n", inner.0));
        }
    }
}

fn row(page: &mut String, types: &BTreeMap<String, Kind>, field: &Field) {
    let name = if field.required { format!("**`{}`**", field.name) } else { format!("`{}`", field.name) };
    let mut text = field.text.replace('|', "\\|");
    let value = match types.get(bare(&field.kind)) {
        Some(words) if words.is_enum => {
            let told: Vec<String> = words
                .fields
                .iter()
                .map(|word| format!("`{}`: {}", word.name, lower(&word.text).replace('|', "\\|")))
                .collect();
            text = format!("{text}<br>{}", told.join("<br>"));
            "one word".to_owned()
        }
        _ => value(types, &field.kind, &field.text),
    };
    _ = writeln!(page, "| {name} | {value} | {text} |");
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    let keep = text.chars().nth(1).is_some_and(char::is_uppercase);
    match chars.next() {
        Some(first) if !keep => first.to_lowercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}

/// The type inside lists and boxes.
fn bare(kind: &str) -> &str {
    let mut kind = kind;
    while let Some(inner) = ["Vec<", "Box<", "Option<"].iter().find_map(|outer| kind.strip_prefix(outer)) {
        kind = inner.strip_suffix('>').unwrap_or(inner);
    }
    kind
}

fn value(types: &BTreeMap<String, Kind>, kind: &str, text: &str) -> String {
    if let Some(inner) = kind.strip_prefix("Vec<").and_then(|inner| inner.strip_suffix('>')) {
        return format!("list of {}", value(types, inner, text));
    }
    let words = text.to_lowercase();
    match kind {
        "String"
            if words.starts_with("expression")
                || words.starts_with("the expression")
                || words.contains("(an expression") =>
        {
            "expression"
        }
        "String" => "text",
        "bool" => "true/false",
        "u8" | "u16" | "u32" | "u64" | "i32" => "number",
        "Period" => "time",
        "Size" => "size",
        "Hours" => "hours",
        "Reference" => "reference",
        "BTreeMap<String, String>" => "names and texts",
        "BTreeMap<String, serde_json::Value>" => "anything",
        other if types.contains_key(other) => return format!("[{other}](#{})", other.to_lowercase()),
        other => panic!("no words for {other}"),
    }
    .to_owned()
}

fn expressions(page: &mut String) {
    page.push_str("\n## Expressions\n\nThe language is [CEL](https://cel.dev). Names, types and paths are checked when documents are compiled.\n");
    page.push_str("`msg['PV1-2']` is the text of the first place a path names, empty where there is none; `msg.all('OBX[*]-5')` a list of all,\n`msg.count('OBX')` how many, `msg.has('PID-19')` whether it is valued, `msg.isNull('PID-19')` whether it is `\"\"`.\n`const.NAME` is a constant of the Exchange, `facility.labels['NAME']` a label of the sender.\n\n| name | where | |\n| --- | --- | --- |\n");
    for variable in VARIABLES {
        let places: BTreeSet<&str> = variable.places.iter().map(|place| place.words()).collect();
        let places: Vec<&str> = places.into_iter().collect();
        _ = writeln!(page, "| `{}` | {} | {} |", variable.name, places.join(", "), variable.text.replace('|', "\\|"));
    }
    page.push_str("\nMacros: `has`, `all`, `exists`, `exists_one`, `map`, `filter`.\n\n| function | example | |\n| --- | --- | --- |\n");
    for function in FUNCTIONS {
        _ = writeln!(
            page,
            "| `{}` | `{}` | {} |",
            function.name,
            function.example.replace('|', "\\|"),
            function.text.replace('|', "\\|")
        );
    }
}
