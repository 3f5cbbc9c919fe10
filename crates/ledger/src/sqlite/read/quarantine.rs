//! What waits for a person.

use rusqlite::Connection;

use super::search::search;
use super::waiting::{DECISION, LAST_RUN};
use super::{message, unsigned};
use crate::sqlite::fault::Fault;
use crate::view::{Place, Quarantined};
use crate::{DeliveryFilter, Page, Paging, choose};

/// Messages set aside before routing, and quarantined deliveries that were not run again.
pub(in crate::sqlite) fn quarantine(
    conn: &Connection,
    filter: &DeliveryFilter,
    paging: &Paging,
) -> Result<Page<Quarantined>, Fault> {
    let page = match filter.uid {
        Some(uid) => Page { items: message::whole(conn, uid)?.into_iter().collect(), next: None },
        None => search(conn, &choose::set_aside(filter), paging)?,
    };
    let items = page.items.into_iter().flat_map(|message| choose::waiting(message, filter)).collect();
    Ok(Page { items, next: page.next })
}

/// The first message of each IN subject whose bytes stand nowhere else and wait for a person: it was set aside before routing, or
/// for a route to another channel nothing was made of it.
pub(in crate::sqlite) fn set_aside(conn: &Connection) -> Result<Vec<Place>, Fault> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT n.text, min(a.position) FROM (
            SELECT m.subject, m.position FROM message m WHERE m.disposition = 3 AND {DECISION} IS NULL
            UNION ALL
            SELECT m.subject, m.position FROM delivery d JOIN message m ON m.uid = d.uid
            WHERE d.state = 3 AND d.state > 0 AND d.state < 4 AND d.destination IS NULL AND {LAST_RUN}
         ) a JOIN name n ON n.id = a.subject GROUP BY n.text ORDER BY n.text"
    ))?;
    let places = statement.query_map([], |row| Ok(Place { subject: row.get(0)?, position: unsigned(row.get(1)?) }))?;
    Ok(places.collect::<Result<_, _>>()?)
}
