//! The bytes of a message, where a person asks for just those: as received, as made for a route, as answered.
//!
//! The ledger knows the places, the log has the bytes. What is past its retention is shown by nothing, even while it
//! still lies in the log.

use barid_ledger::view::Place;
use barid_ledger::{DeliveryView, MessageView};
use barid_model::record::{Answer, InRecord, OutRecord, OutcomeRecord, ParkEvent, ParkRecord, Record as _};
use barid_model::{MessageUid, Outcome, Partition, Payload};
use barid_pipeline::subject;
use barid_runtime::control::protocol::{PayloadKind, PayloadRequest};
use barid_runtime::control::{CommandError, CommandResult};
use bytes::Bytes;

use super::history::{Found, History};

/// The bytes that are asked for.
pub async fn payload(history: &History, request: PayloadRequest) -> CommandResult<Bytes> {
    let message = readable(history, request.uid).await?;
    match request.which {
        PayloadKind::Raw => Ok(received(history, &message).await?.raw.bytes()),
        PayloadKind::Transformed { route, part, run } => {
            transformed(history, delivery(&message, &route, part, run)?).await
        }
        PayloadKind::Answer { route, part, run } => answer(history, delivery(&message, &route, part, run)?).await,
    }
}

/// A message whose bytes may be shown.
async fn readable(history: &History, uid: MessageUid) -> CommandResult<MessageView> {
    let message = history.message(uid).await?;
    if message.payload_expired {
        return Err(CommandError::not_found(format!(
            "the bytes of message {uid} are past their retention: nothing shows them any more"
        )));
    }
    Ok(message)
}

/// The IN record of a message.
pub async fn received(history: &History, message: &MessageView) -> CommandResult<InRecord> {
    let accepted = message.accepted.as_ref().ok_or_else(|| super::history::unknown(message.uid))?;
    if message.payload_expired {
        return Err(CommandError::not_found("its bytes are past their retention"));
    }
    let record = InRecord::decode(history.record(&accepted.place).await?).map_err(CommandError::failed)?;
    if record.envelope.uid != message.uid || record.raw.digest() != record.envelope.digest {
        return Err(CommandError::failed(format!(
            "{}@{} is not what was received as message {}: the record's digest differs",
            accepted.place.subject, accepted.place.position, message.uid
        )));
    }
    Ok(record)
}

fn delivery<'m>(message: &'m MessageView, route: &str, part: u32, run: Option<u32>) -> CommandResult<&'m DeliveryView> {
    let of_part = message.deliveries.iter().filter(|delivery| delivery.route == route && delivery.part == part);
    let found = of_part.filter(|delivery| run.is_none_or(|run| delivery.run == run)).max_by_key(|found| found.run);
    found.ok_or_else(|| {
        let known: Vec<&str> = message.deliveries.iter().map(|delivery| delivery.route.as_str()).collect();
        let known = if known.is_empty() { "it has no deliveries".to_owned() } else { known.join(", ") };
        CommandError::not_found(format!("message {} has no such delivery by route {route}: {known}", message.uid))
    })
}

async fn transformed(history: &History, delivery: &DeliveryView) -> CommandResult<Bytes> {
    if let Some(chained) = delivery.chained {
        let message = readable(history, chained).await?;
        return Ok(received(history, &message).await?.raw.bytes());
    }
    let record = match parked(history, delivery).await? {
        Some(record) => record.delivery,
        None => out(history, delivery).await?,
    };
    if record.set_aside.is_some() {
        return Err(CommandError::not_found("nothing was made for this route: its mapping failed"));
    }
    Ok(record.payload.bytes())
}

/// What PARK holds of a delivery that waits there.
pub async fn parked(history: &History, delivery: &DeliveryView) -> CommandResult<Option<ParkRecord>> {
    let (Some(destination), Some(position)) = (&delivery.destination, delivery.park) else { return Ok(None) };
    let subject = subject::park(destination).map_err(CommandError::failed)?;
    match history.read(&Place { subject: subject.to_string(), position }).await? {
        Found::Record(bytes) => match ParkEvent::decode(bytes).map_err(CommandError::failed)? {
            ParkEvent::Parked(record) if record.delivery.id == delivery.id => Ok(Some(*record)),
            _ => Ok(None),
        },
        Found::Trimmed => Ok(None),
        Found::Damaged(at) => Err(CommandError::failed(format!("its bytes are damaged at {at}"))),
    }
}

async fn out(history: &History, delivery: &DeliveryView) -> CommandResult<OutRecord> {
    let (Some(destination), Some(place)) = (&delivery.destination, delivery.out) else {
        let why = if delivery.outcome == Some(Outcome::Filtered) {
            "nothing was made for this route: it did not want the message"
        } else {
            "what was made for this route is not known yet, or was never made"
        };
        return Err(CommandError::not_found(why));
    };
    let subject = subject::out(destination, Partition(place.partition)).map_err(CommandError::failed)?;
    let bytes = history.record(&Place { subject: subject.to_string(), position: place.position }).await?;
    let record = OutRecord::decode(bytes).map_err(CommandError::failed)?;
    // A re-run sends the bytes of the run before.
    let same = record.uid == delivery.uid && *record.route == *delivery.route && record.part == delivery.part;
    if same { Ok(record) } else { Err(CommandError::failed("another delivery stands at its place in the log")) }
}

async fn answer(history: &History, delivery: &DeliveryView) -> CommandResult<Bytes> {
    let told = match &delivery.outcome_place {
        Some(place) => match history.read(place).await? {
            Found::Record(bytes) => OutcomeRecord::decode(bytes).map_err(CommandError::failed)?.answer,
            Found::Trimmed | Found::Damaged(_) => None,
        },
        None => None,
    };
    let answer = match told {
        Some(answer) => Some(answer),
        None => parked(history, delivery).await?.and_then(|record| record.answer),
    };
    match answer.map(|Answer { bytes, .. }: Answer| Payload::bytes(&bytes)) {
        Some(bytes) if !bytes.is_empty() => Ok(bytes),
        _ => Err(CommandError::not_found("the destination has not answered, or not in bytes")),
    }
}
