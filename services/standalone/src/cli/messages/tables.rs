//! The tables of `barid messages`; `--json` prints the same rows, one object a line.

use barid_model::Name;
use barid_runtime::control::protocol::{MessageRow, ParkedRow, RefusedRow};
use barid_runtime::{Failure, time};

use crate::cli::out::Out;
use crate::cli::say::{bytes, findings, short};
use crate::cli::table::{Align, Table};

/// Accepted messages.
pub(super) fn rows(rows: &[MessageRow], out: &mut Out) -> Result<(), Failure> {
    use Align::{Left, Right};
    if out.json() {
        return out.rows(rows);
    }
    if rows.is_empty() {
        return Ok(());
    }
    let columns = [
        ("RECEIVED", Left),
        ("UID", Left),
        ("FACILITY", Left),
        ("CHANNEL", Left),
        ("TYPE", Left),
        ("CONTROL ID", Left),
        ("SIZE", Right),
        ("STATE", Left),
        ("CAUSE", Left),
        ("DELIVERIES", Align::Free),
    ];
    let mut table = Table::new(&columns);
    for row in rows {
        let deliveries: Vec<String> = row.deliveries.iter().map(|d| format!("{}:{}", d.route, d.state)).collect();
        table.row([
            time::local(row.received),
            row.uid.to_string(),
            short(&row.facility),
            row.channel.as_ref().map_or_else(|| "-".into(), Name::short),
            row.message_type.clone(),
            row.control_id.clone(),
            bytes(row.bytes),
            row.state.clone(),
            if row.cause == "received" { String::new() } else { row.cause.clone() },
            deliveries.join(" "),
        ]);
    }
    table.print(out, "")
}

/// Refused messages.
pub(super) fn refused_rows(rows: &[RefusedRow], out: &mut Out) -> Result<(), Failure> {
    use Align::Left;
    if out.json() {
        return out.rows(rows);
    }
    let columns = [
        ("REFUSED", Left),
        ("LISTENER", Left),
        ("FROM", Left),
        ("FACILITY", Left),
        ("TYPE", Left),
        ("CONTROL ID", Left),
        ("CODE", Left),
        ("WHY", Align::Free),
    ];
    let mut table = Table::new(&columns);
    for row in rows {
        table.row([
            time::local(row.at),
            row.listener.short(),
            row.origin.clone(),
            row.facility.as_deref().map(short).unwrap_or_default(),
            row.message_type.clone(),
            row.control_id.clone(),
            row.code.clone(),
            findings(&row.findings),
        ]);
    }
    if table.is_empty() { Ok(()) } else { table.print(out, "") }
}

/// Deliveries that wait.
pub(super) fn parked_rows(rows: &[ParkedRow], out: &mut Out) -> Result<(), Failure> {
    use Align::{Left, Right};
    if out.json() {
        return out.rows(rows);
    }
    let columns = [
        ("PARKED", Left),
        ("DELIVERY", Left),
        ("UID", Left),
        ("WAITS", Left),
        ("DESTINATION", Left),
        ("ROUTE", Left),
        ("FACILITY", Left),
        ("TYPE", Left),
        ("TRIES", Right),
        ("ANSWER", Left),
        ("LANES", Left),
        ("WHY", Align::Free),
    ];
    let mut table = Table::new(&columns);
    for row in rows {
        table.row([
            time::local(row.at),
            row.id.map_or_else(|| "-".to_owned(), |id| id.to_string()),
            row.uid.to_string(),
            row.why.clone(),
            row.destination.as_ref().map(Name::short).unwrap_or_default(),
            row.route.clone(),
            short(&row.facility),
            row.message_type.clone(),
            row.attempts.to_string(),
            row.answer.clone().unwrap_or_default(),
            row.lanes.join(" "),
            findings(&row.findings),
        ]);
    }
    if table.is_empty() { Ok(()) } else { table.print(out, "") }
}
