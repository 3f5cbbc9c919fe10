//! A message as a tree: each valued field, repetition, component and subcomponent by its path and the standard's name.

use barid_hl7::{Finding, Level, Message, Segment, SegmentId, Value};
use barid_runtime::Failure;
use serde_json::{Value as Json, json};

use super::names;
use crate::cli::out::{Out, clean};
use crate::cli::table::width;

/// Longest value shown, in characters: a document in base64 is cut, with its size.
const VALUE_MAX: usize = 200;
/// Column at which values start, so that a tree can be read down.
const VALUE_COLUMN: usize = 52;

/// One line of the tree.
struct Node {
    depth: usize,
    path: String,
    name: &'static str,
    value: Option<String>,
}

/// Prints the tree.
pub(super) fn print(message: &Message, findings: &[Finding], out: &mut Out) -> Result<(), Failure> {
    for (segment, label) in labelled(message) {
        out.line(format!("{label}  {}", names::segment(segment.id().as_str()).unwrap_or("")).trim_end())?;
        for node in nodes(&segment, &label) {
            out.line(line(&node))?;
        }
    }
    if !findings.is_empty() {
        out.line("")?;
    }
    for finding in findings {
        out.line(format!("finding: {}", clean(&finding.to_string())))?;
    }
    Ok(())
}

/// The tree as JSON: segments, each with its valued parts by path.
pub(super) fn json(message: &Message, findings: &[Finding]) -> Json {
    let segments: Vec<Json> = labelled(message)
        .map(|(segment, label)| {
            let parts: Vec<Json> = nodes(&segment, &label)
                .into_iter()
                .filter(|node| node.value.is_some())
                .map(|node| json!({ "path": node.path, "name": node.name, "value": node.value }))
                .collect();
            json!({ "segment": label, "name": names::segment(segment.id().as_str()), "values": parts })
        })
        .collect();
    json!({ "segments": segments, "findings": findings.iter().map(ToString::to_string).collect::<Vec<_>>() })
}

/// Each segment with its label: `OBX[2]` where there are several.
fn labelled(message: &Message) -> impl Iterator<Item = (Segment<'_>, String)> {
    let several = |id: SegmentId| message.segments_of(id).take(2).count() > 1;
    let mut seen: Vec<(SegmentId, usize)> = Vec::new();
    message.segments().map(move |segment| {
        let id = segment.id();
        let nth = match seen.iter_mut().find(|(known, _)| *known == id) {
            Some((_, count)) => {
                *count += 1;
                *count
            }
            None => {
                seen.push((id, 1));
                1
            }
        };
        let label = if several(id) { format!("{id}[{nth}]") } else { id.to_string() };
        (segment, label)
    })
}

fn nodes(segment: &Segment<'_>, label: &str) -> Vec<Node> {
    let mut nodes = Vec::new();
    let id = segment.id().to_string();
    for (number, field) in segment.fields().filter(|(_, field)| !field.is_empty()) {
        let (name, mut data_type) = names::field(&id, number).unwrap_or(("", ""));
        // What OBX-5 holds is said by OBX-2.
        let declared = if data_type == "varies" && id == "OBX" {
            segment.field(2).map(|value| value.text().into_owned())
        } else {
            None
        };
        if let Some(declared) = &declared {
            data_type = declared;
        }
        let path = format!("{label}-{number}");
        let repetitions: Vec<Value<'_>> =
            if field.level() == Level::Literal { vec![field] } else { field.parts().collect() };
        if let [one] = repetitions.as_slice() {
            push(&mut nodes, 1, path, name, *one, data_type);
            continue;
        }
        nodes.push(Node { depth: 1, path: path.clone(), name, value: None });
        for (place, repetition) in repetitions.iter().enumerate().filter(|(_, value)| !value.is_empty()) {
            push(&mut nodes, 2, format!("{path}[{}]", place + 1), "", *repetition, data_type);
        }
    }
    nodes
}

/// A value, and below it its parts where it has any.
fn push(nodes: &mut Vec<Node>, depth: usize, path: String, name: &'static str, value: Value<'_>, data_type: &str) {
    if value.is_primitive() || value.level() == Level::Literal {
        nodes.push(Node { depth, path, name, value: Some(shown(&value)) });
        return;
    }
    let deeper = value.level();
    nodes.push(Node { depth, path: path.clone(), name, value: None });
    for (number, part) in (1_u16..).zip(value.parts()).filter(|(_, part)| !part.is_empty()) {
        let name = if deeper == Level::Repetition { names::component(data_type, number).unwrap_or("") } else { "" };
        push(nodes, depth + 1, format!("{path}.{number}"), name, part, "");
    }
}

fn shown(value: &Value<'_>) -> String {
    if value.is_null() {
        return "\"\" (delete)".to_owned();
    }
    let text = value.text();
    if text.chars().nth(VALUE_MAX).is_none() {
        return text.into_owned();
    }
    let start: String = text.chars().take(VALUE_MAX).collect();
    format!("{start}… ({} bytes)", value.raw().len())
}

fn line(node: &Node) -> String {
    let left = format!("{}{}  {}", "  ".repeat(node.depth), node.path, node.name);
    let Some(value) = &node.value else { return left.trim_end().to_owned() };
    let space = " ".repeat(VALUE_COLUMN.saturating_sub(width(&left)).max(2));
    format!("{left}{space}{}", clean(value))
}
