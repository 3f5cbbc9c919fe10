//! Who sends, and who should and does not: silence counts only in the hours in which a facility is expected.

use std::collections::BTreeMap;
use std::time::Duration;

use barid_config::document::Hours;
use barid_config::settings::ExpectSettings;
use barid_config::{FacilitySpec, Snapshot};
use barid_model::Timestamp;
use barid_runtime::control::CommandResult;
use barid_runtime::control::protocol::{SenderStatus, Silence};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp as Instant, ToSpan as _};

use crate::commands::history::History;

/// Days that a silence is counted over; a longer one is a matter for people either way.
const DAYS_MAX: usize = 62;

/// All facilities that are declared, connected, or have sent; `live` is what those who listen have told since their start.
pub async fn all(
    history: &History,
    snapshot: &Snapshot,
    live: Vec<SenderStatus>,
    started: Timestamp,
    now: Timestamp,
) -> CommandResult<Vec<SenderStatus>> {
    let mut all = known(history).await?;
    for facility in snapshot.facilities.values() {
        let name = facility.name.to_string();
        let status = all.entry(name.clone()).or_insert_with(|| nobody(name));
        status.verified = true;
        status.display_name = Some(facility.display_name.clone());
    }
    for told in live {
        let status = all.entry(told.facility.clone()).or_insert_with(|| nobody(told.facility));
        status.accepted += told.accepted;
        status.refused += told.refused;
        status.last = status.last.max(told.last);
        status.verified |= told.verified;
        status.connections += told.connections;
    }
    for facility in snapshot.facilities.values() {
        if let Some(status) = all.get_mut(&facility.name.to_string()) {
            // One that never sent is looked for since the engine runs.
            let since = status.last.unwrap_or(started);
            status.silent = silence(facility, since, now);
        }
    }
    Ok(all.into_values().collect())
}

/// Facilities that have sent, while no engine runs.
pub async fn stopped(history: &History) -> CommandResult<Vec<SenderStatus>> {
    Ok(known(history).await?.into_values().collect())
}

async fn known(history: &History) -> CommandResult<BTreeMap<String, SenderStatus>> {
    let seen = history.ask(|ledger| ledger.last_seen()).await?;
    let status = |seen: barid_ledger::statistics::FacilitySeen| {
        let verified = seen.facility.contains('/');
        let status = SenderStatus { last: Some(seen.last), verified, ..nobody(seen.facility) };
        (status.facility.clone(), status)
    };
    Ok(seen.into_iter().map(status).collect())
}

const fn nobody(facility: String) -> SenderStatus {
    SenderStatus {
        facility,
        display_name: None,
        verified: false,
        connections: 0,
        accepted: 0,
        refused: 0,
        last: None,
        silent: None,
    }
}

fn silence(facility: &FacilitySpec, since: Timestamp, now: Timestamp) -> Option<Silence> {
    let ExpectSettings { every, hours } = facility.expect.as_ref()?;
    let silent = match hours {
        None => now.since(since),
        Some(hours) => within(*hours, &facility.time_zone, since, now),
    };
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    (silent > *every).then_some(Silence { for_ms: ms(silent), expected_every_ms: ms(*every) })
}

/// How much of a time lies in these hours of the day.
fn within(hours: Hours, zone: &str, since: Timestamp, now: Timestamp) -> Duration {
    let Ok(zone) = TimeZone::get(zone) else { return now.since(since) };
    let date = |at: Timestamp| Instant::from_microsecond(at.micros()).ok().map(|at| at.to_zoned(zone.clone()).date());
    let (Some(first), Some(last)) = (date(since), date(now)) else { return Duration::ZERO };
    let mut total = Duration::ZERO;
    let mut day = last;
    for _ in 0..DAYS_MAX {
        // Hours that go over midnight have a part at each end of the day.
        let parts =
            if hours.from < hours.to { vec![(hours.from, hours.to)] } else { vec![(0, hours.to), (hours.from, 1_440)] };
        for (from, to) in parts {
            if let (Some(from), Some(to)) = (at(day, from, &zone), at(day, to, &zone)) {
                total += to.min(now).since(from.max(since));
            }
        }
        let Ok(before) = day.yesterday() else { break };
        if day <= first {
            break;
        }
        day = before;
    }
    total
}

/// A minute of a day as a time.
fn at(day: Date, minute: u16, zone: &TimeZone) -> Option<Timestamp> {
    let midnight = day.to_datetime(jiff::civil::Time::midnight());
    let civil = midnight.checked_add(i64::from(minute).minutes()).ok()?;
    let zoned = civil.to_zoned(zone.clone()).ok()?;
    Some(Timestamp::from_micros(zoned.timestamp().as_microsecond()))
}

#[cfg(test)]
mod tests;
