//! What of the rows that were found is an answer, and in which order: the same for every database.

use std::collections::HashMap;

use barid_model::{Disposition, Name, Timestamp};

use crate::view::{Quarantined, ReplayItem};
use crate::{DeliveryFilter, MessageFilter, MessageView, State};

/// By position within each subject; among subjects by time, where a time never runs back within a subject.
pub fn in_order(mut items: Vec<ReplayItem>) -> Vec<ReplayItem> {
    items.sort_by(|a, b| (&a.place.subject, a.place.position).cmp(&(&b.place.subject, b.place.position)));
    let mut latest: HashMap<String, Timestamp> = HashMap::new();
    let mut timed: Vec<(Timestamp, ReplayItem)> = Vec::with_capacity(items.len());
    for item in items {
        let time = latest.entry(item.place.subject.clone()).or_insert(item.received);
        *time = (*time).max(item.received);
        timed.push((*time, item));
    }
    // The sort is stable: equal times keep the order of subject and position.
    timed.sort_by_key(|(time, _)| *time);
    timed.into_iter().map(|(_, item)| item).collect()
}

/// The messages among which those are that wait for a person.
pub fn set_aside(filter: &DeliveryFilter) -> MessageFilter {
    MessageFilter {
        from: filter.from,
        to: filter.to,
        channel: filter.channel.clone(),
        facility: filter.facility.clone(),
        destination: filter.destination.clone(),
        state: Some(State::Quarantined),
        ..MessageFilter::default()
    }
}

/// The state and destination of the deliveries that a question is about, where it asks for nothing that only the message
/// itself tells: then deliveries whose message is not known (any more) are an answer too.
pub fn of_deliveries(filter: &MessageFilter) -> Option<(State, Option<Name>)> {
    let state = filter.state?;
    let (from, to, destination) = (filter.from, filter.to, filter.destination.clone());
    let no_more = MessageFilter { from, to, state: Some(state), destination, ..MessageFilter::default() };
    (*filter == no_more).then_some((state, no_more.destination))
}

/// Whether a message of which only deliveries are known is an answer to such a question.
pub fn has_delivery(message: &MessageView, (state, destination): &(State, Option<Name>)) -> bool {
    let stands = message.deliveries.iter().any(|delivery| match state {
        State::Quarantined => delivery.state == *state && delivery.rerun_as.is_none(),
        State::InFlight => matches!(delivery.state, State::InFlight | State::Parked),
        state => delivery.state == *state,
    });
    stands && (destination.is_none() || message.deliveries.iter().any(|delivery| delivery.destination == *destination))
}

/// What of a message waits: itself or some of its deliveries.
pub fn waiting(message: MessageView, filter: &DeliveryFilter) -> Vec<Quarantined> {
    if message.disposition == Some(Disposition::Quarantined) {
        let whole = filter.destination.is_none() && filter.route.is_none() && !message.settled;
        return if whole { vec![Quarantined { message, delivery: None }] } else { Vec::new() };
    }
    let wanted = message.deliveries.iter().filter(|delivery| {
        delivery.state == State::Quarantined
            && delivery.rerun_as.is_none()
            && (filter.destination.is_none() || filter.destination == delivery.destination)
            && filter.route.as_ref().is_none_or(|route| *route == delivery.route)
    });
    wanted.map(|delivery| Quarantined { message: message.clone(), delivery: Some(delivery.clone()) }).collect()
}
