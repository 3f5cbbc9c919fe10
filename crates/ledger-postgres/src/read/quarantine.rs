//! What waits for a person.

use barid_ledger::view::{Place, Quarantined};
use barid_ledger::{DeliveryFilter, Page, Paging, store};

use super::message;
use super::search::search;
use super::waiting::{DECISION, LAST_RUN};
use crate::fault::Fault;
use crate::row::Columns as _;
use crate::session::Session;

/// Messages set aside before routing, and quarantined deliveries that were not run again.
pub(crate) fn quarantine(
    session: &Session,
    filter: &DeliveryFilter,
    paging: &Paging,
) -> Result<Page<Quarantined>, Fault> {
    let page = match filter.uid {
        Some(uid) => Page { items: message::whole(session, uid)?.into_iter().collect(), next: None },
        None => search(session, &store::set_aside(filter), paging)?,
    };
    let items = page.items.into_iter().flat_map(|message| store::waiting(message, filter)).collect();
    Ok(Page { items, next: page.next })
}

/// The first message of each IN subject whose bytes stand nowhere else and wait for a person: it was set aside before routing, or
/// for a route to another channel nothing was made of it.
pub(crate) fn set_aside(session: &Session) -> Result<Vec<Place>, Fault> {
    let sql = format!(
        "SELECT n.text, min(a.position) FROM (
            SELECT m.subject, m.position FROM message m WHERE m.disposition = 3 AND {DECISION} IS NULL
            UNION ALL
            SELECT m.subject, m.position FROM delivery d JOIN message m ON m.uid = d.uid
            WHERE d.state = 3 AND d.state < 8 AND d.destination IS NULL AND {LAST_RUN}
         ) a JOIN name n ON n.id = a.subject GROUP BY n.text ORDER BY n.text"
    );
    let rows = session.query(&sql, &[])?;
    rows.iter().map(|row| Ok(Place { subject: row.at(0)?, position: row.unsigned(1)? })).collect()
}
