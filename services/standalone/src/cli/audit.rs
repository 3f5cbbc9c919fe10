//! `barid audit`: whether everything accepted is accounted for (G4), with the balance it was judged by.

use barid_runtime::control::protocol::{Audit, AuditRequest};
use barid_runtime::{Exit, Failure, time};

use super::context::Context;
use super::out::{Out, clean};

/// Options of `audit`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Read every record of the log again instead of trusting the ledger
    #[arg(long)]
    deep: bool,
}

/// Prints the balance; [`Exit::Unbalanced`] where it does not hold.
pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let audit = context.reader().await?.audit(AuditRequest { deep: args.deep }).await?;
    if context.out.json() {
        context.out.value(&audit)?;
    } else {
        print(&audit, &mut context.out)?;
    }
    context.out.flush()?;
    Ok(if audit.holds { Exit::Ok } else { Exit::Unbalanced })
}

/// The balance as two sums.
pub(super) fn print(audit: &Audit, out: &mut Out) -> Result<(), Failure> {
    let (m, d) = (&audit.messages, &audit.deliveries);
    out.line(format!("balance of {}", time::local(audit.at)))?;
    out.line("")?;
    sum(
        out,
        "messages accepted",
        m.accepted,
        &[
            ("routed", m.routed),
            ("duplicate", m.duplicate),
            ("quarantined", m.quarantined),
            ("not yet routed", m.waiting),
        ],
    )?;
    let outcomes = [
        ("delivered", d.delivered),
        ("filtered", d.filtered),
        ("rejected", d.rejected),
        ("expired", d.expired),
        ("merged", d.merged),
        ("quarantined", d.quarantined),
        ("discarded", d.discarded),
        ("in flight", d.in_flight),
    ];
    sum(out, "deliveries routed", d.routed, &outcomes)?;
    out.line(format!(
        "set aside, for a person to decide: {} before routing, {} at destinations and routes",
        m.set_aside, d.set_aside
    ))?;
    out.line(format!(
        "parked: {}, of these held: {}; possible duplicates at destinations: {}",
        d.parked, d.held, d.possible_duplicates
    ))?;
    out.line(format!("refused, apart: {}", audit.refused))?;
    if audit.behind > 0 {
        out.line(format!("the ledger has {} records still to read: the balance is of what it has", audit.behind))?;
    }
    for difference in &audit.differences {
        out.line(format!("  {}: {}", clean(&difference.id), clean(&difference.what)))?;
    }
    out.line("")?;
    out.line(if audit.holds { "the balance holds" } else { "THE BALANCE DOES NOT HOLD" })
}

fn sum(out: &mut Out, what: &str, total: u64, parts: &[(&str, u64)]) -> Result<(), Failure> {
    let added: u64 = parts.iter().map(|(_, count)| count).sum();
    out.line(format!("{what:<20}{total:>12}"))?;
    for (name, count) in parts {
        out.line(format!("  {name:<18}{count:>12}"))?;
    }
    let verdict = if added == total { "=".to_owned() } else { format!("= {added}, which is not {total}") };
    out.line(format!("  {:<18}{:>12}", "", verdict))?;
    out.line("")
}
