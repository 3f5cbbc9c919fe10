//! A file's name out of whatever an expression gave: always inside the folder, never hidden, never too long.
//!
//! What cannot be a name but has one meaning is rewritten. `..` has two: it may be data that was never meant as a path, or a
//! way out of the folder; rewriting it would hide both, so it is refused.

use std::path::PathBuf;

use super::{FOLDERS_MAX, NAME_MAX};

/// The relative path of a file; else why the text names none, without the text.
pub(super) fn relative(text: &str) -> Result<PathBuf, &'static str> {
    if text.split(['/', '\\']).any(|part| part == "..") {
        return Err("the name expression gave a name with `..`, which leads out of the folder");
    }
    let mut parts: Vec<String> = text.split('/').filter(|part| !part.is_empty() && *part != ".").map(clean).collect();
    if parts.is_empty() {
        return Err("the name expression gave an empty text");
    }
    // What is too deep becomes one long name, cut below.
    let rest = parts.split_off(parts.len().min(FOLDERS_MAX));
    if !rest.is_empty() {
        parts.push(clean(&rest.join("_")));
    }
    Ok(parts.iter().collect())
}

/// One name: no control characters, no separators of other systems, no leading dot, at most [`NAME_MAX`] bytes.
fn clean(part: &str) -> String {
    let strange = |c: char| c.is_control() || matches!(c, '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    let mut name: String = part.chars().map(|c| if strange(c) { '_' } else { c }).collect();
    if name.starts_with('.') {
        name.replace_range(..1, "_");
    }
    if name.len() > NAME_MAX {
        // The end of a name tells what the file is, the beginning is what people sort by.
        let extension = name.rsplit_once('.').map(|(_, end)| format!(".{end}")).filter(|end| end.len() <= 16);
        let extension = extension.unwrap_or_default();
        while name.len() > NAME_MAX - extension.len() {
            name.pop();
        }
        name.push_str(&extension);
    }
    name
}

/// The name a message gets where its own is taken by another.
pub(super) fn beside(path: &std::path::Path, id: &str) -> PathBuf {
    let mark: String = id.chars().take(8).collect();
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name = match path.extension() {
        Some(extension) => format!("{stem}-{mark}.{}", extension.to_string_lossy()),
        None => format!("{stem}-{mark}"),
    };
    path.with_file_name(name)
}
