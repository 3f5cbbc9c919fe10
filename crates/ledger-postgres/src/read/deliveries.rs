//! Deliveries as views: of messages and by identity.

use std::collections::HashMap;

use barid_ledger::store::{self, NameId, Span, Step, findings};
use barid_ledger::view::{OutPlace, Place};
use barid_ledger::{DeliveryView, State};
use barid_model::{DeliveryId, MessageUid, Timestamp};
use tokio_postgres::Row;

use super::{Reader, candidates};
use crate::fault::Fault;
use crate::row::{self, Columns as _, DELIVERY, narrow, unsigned};
use crate::session::Session;

/// Where a record waits in PARK.
type Parked = (MessageUid, NameId, i64);

/// What [`views`] expects: the columns of table `d`, and whether it was run again.
pub(crate) fn select() -> String {
    format!(
        "SELECT {}, EXISTS (SELECT 1 FROM delivery n WHERE n.uid = d.uid AND n.route = d.route
         AND n.part = d.part AND n.run = d.run + 1) FROM delivery d",
        row::list(&DELIVERY, "d.")
    )
}

/// Deliveries of rows, with when their messages were received and what PARK says of those that wait there.
pub(crate) fn views(reader: &Reader<'_>, rows: &[Row]) -> Result<Vec<DeliveryView>, Fault> {
    let mut uids = rows.iter().map(|row| row.at::<&[u8]>(0)).collect::<Result<Vec<_>, _>>()?;
    uids.dedup();
    if uids.is_empty() {
        return Ok(Vec::new());
    }
    let mut received: HashMap<MessageUid, Timestamp> = HashMap::new();
    let found = reader
        .session
        .query("SELECT uid, received FROM message WHERE uid = ANY($1) AND received IS NOT NULL", &[&uids])?;
    for row in found {
        received.insert(row.uid(0)?, Timestamp::from_micros(row.at(1)?));
    }
    let steps = parked(reader, rows)?;
    rows.iter().map(|row| view(row, reader, &received, &steps)).collect()
}

/// What PARK said of the deliveries that wait there.
fn parked(reader: &Reader<'_>, rows: &[Row]) -> Result<HashMap<Parked, Step>, Fault> {
    let mut waiting: Vec<&[u8]> = Vec::new();
    for row in rows {
        let open = State::from_code(row.at(4)?).is_some_and(State::is_open);
        if open && row.at::<Option<i64>>(10)?.is_some() {
            waiting.push(row.at(0)?);
        }
    }
    let mut steps = HashMap::new();
    if waiting.is_empty() {
        return Ok(steps);
    }
    let sql = "SELECT uid, subject, position, detail FROM step WHERE uid = ANY($1) AND kind = 2";
    for row in reader.session.query(sql, &[&waiting])? {
        if let Ok(step) = serde_json::from_str(row.at(3)?) {
            steps.insert((row.uid(0)?, row.at(1)?, row.at(2)?), step);
        }
    }
    Ok(steps)
}

fn view(
    row: &Row,
    reader: &Reader<'_>,
    received: &HashMap<MessageUid, Timestamp>,
    steps: &HashMap<Parked, Step>,
) -> Result<DeliveryView, Fault> {
    let (key, d) = (row::key(row)?, row::delivery(row)?);
    let route = reader.text(key.route)?;
    let (waiting, ending) = (d.waiting, d.ending.as_ref());
    let place = ending.map(|ending| ending.place);
    let subject = place.and_then(|place| place.subject).map(|id| reader.text(id)).transpose()?;
    let ended_at = ending.map(|ending| ending.at);
    let latency = ended_at.zip(received.get(&key.uid)).map(|(end, start)| end.since(*start));
    let mut view = DeliveryView {
        id: DeliveryId::of(key.uid, &route, key.part, key.run),
        uid: key.uid,
        route,
        part: key.part,
        run: key.run,
        rerun_as: row.at::<bool>(DELIVERY.len())?.then_some(key.run + 1),
        destination: reader.name(d.destination)?,
        chained: d.chained,
        state: d.state(),
        outcome: ending.map(|ending| ending.outcome),
        ended_at,
        latency_micros: latency.and_then(|latency| u64::try_from(latency.as_micros()).ok()),
        attempts: d.attempts,
        possible_duplicate: d.possible_duplicate,
        answer: ending.and_then(|ending| ending.answer).map(|id| reader.text(id)).transpose()?,
        findings: findings(d.routed_findings.as_deref()),
        actor: ending.and_then(|ending| ending.actor.clone()),
        reason: ending.and_then(|ending| ending.reason.clone()),
        parked: waiting.and_then(|waiting| waiting.why).map(|(why, _)| why.word().to_owned()),
        parked_at: waiting.and_then(|waiting| waiting.why).map(|(_, at)| at),
        lanes: Vec::new(),
        park: waiting.map(|waiting| unsigned(waiting.place.position)),
        out: d.out.map(|(partition, position)| OutPlace { partition: narrow(partition), position: unsigned(position) }),
        outcome_place: subject.zip(place).map(|(subject, place)| Place { subject, position: unsigned(place.position) }),
    };
    add(&mut view, findings(ending.and_then(|ending| ending.findings.as_deref())));
    let at = waiting.and_then(|waiting| Some((key.uid, waiting.place.subject?, waiting.place.position)));
    if let Some(step) = at.and_then(|at| steps.get(&at)).filter(|_| view.state.is_open()) {
        view.lanes = step.lanes.clone().unwrap_or_default();
        view.answer = view.answer.or_else(|| step.answer.clone());
        add(&mut view, step.findings.clone());
    }
    Ok(view)
}

fn add(view: &mut DeliveryView, more: Vec<barid_model::Finding>) {
    let new: Vec<_> = more.into_iter().filter(|finding| !view.findings.contains(finding)).collect();
    view.findings.extend(new);
}

/// The deliveries of messages, by uid, route, part and run.
pub(crate) fn of(reader: &Reader<'_>, uids: &[MessageUid]) -> Result<Vec<DeliveryView>, Fault> {
    let bytes: Vec<&[u8]> = uids.iter().map(|uid| uid.as_bytes().as_slice()).collect();
    let rows = reader.session.query(&format!("{} WHERE d.uid = ANY($1) ORDER BY d.uid", select()), &[&bytes])?;
    let mut views = views(reader, &rows)?;
    // By the names of routes: their numbers depend on which was read first.
    views.sort_by(|a, b| (a.uid, &a.route, a.part, a.run).cmp(&(b.uid, &b.route, b.part, b.run)));
    Ok(views)
}

/// The delivery with this identity.
pub(crate) fn by_id(session: &Session, id: DeliveryId) -> Result<Option<DeliveryView>, Fault> {
    let reader = Reader::new(session)?;
    let everything = Span::between(None, None);
    // Two of them have the same hash about never; eight are plenty.
    let uids = candidates(session, store::keys::delivery(id), &everything, true, 8)?;
    Ok(of(&reader, &uids)?.into_iter().find(|delivery| delivery.id == id))
}
