//! What a person has done at a destination, and why its owner may refuse it: the same words whether who asks and the owner
//! share a process or a network lies between them.
//!
//! Left to others: which deliveries are meant (the history), and doing it (the owner, in delivery).

use barid_model::{DeliveryId, Lane, Name, Partition, Payload, Revision};
use serde::{Deserialize, Serialize};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Act {
    /// Held lanes go on: this one, or all.
    Release(#[serde(with = "lane")] Option<Lane>),
    /// The lanes of the delivery parked here go on.
    ReleaseDelivery(u64),
    /// What is parked here is sent again as its next run.
    Rerun(u64),
    /// What is parked here, because nothing could be made for it, is sent as its next run with what is made now.
    Remade {
        /// Its position.
        position: u64,
        /// What is sent.
        #[serde(with = "payload")]
        payload: Payload,
        /// The revision it was made under.
        revision: Revision,
    },
    /// What is parked here is given up.
    Discard(u64),
    /// What is parked here, at the head of a held lane, is set aside; its lane goes on.
    SetAside(u64),
    /// What waits here in OUT to be sent is given up, or set aside; its lanes go on. What is on its way right now, when
    /// this try has failed.
    EndWaiting {
        /// Which.
        delivery: DeliveryId,
        /// Where it stands in OUT.
        #[serde(with = "place")]
        out: (Partition, u64),
        /// Set aside, so that it can be run again.
        keep: bool,
    },
}

impl Act {
    /// Whether it may have to wait for the end of a try that is on its way.
    #[must_use]
    pub const fn may_wait(&self) -> bool {
        matches!(self, Self::EndWaiting { .. } | Self::Discard(_) | Self::SetAside(_))
    }
}

/// An act, and where: as it goes to an owner in another process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ordered {
    /// At which destination.
    pub destination: Name,
    /// What.
    pub act: Act,
}

/// What an owner in another process says when it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Acted {
    /// How many it did.
    pub done: u64,
}

/// Why an act was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing stands at this position.
    #[error("it does not wait there any more: look again")]
    Gone,
    /// It is being sent right now, and somebody else has decided on it meanwhile.
    #[error("it is being sent right now, and somebody else has decided what becomes of it: look again")]
    Sending,
    /// It was being sent, and was answered; or somebody has just decided on it.
    #[error("it has been answered or decided on meanwhile: look again")]
    Ended,
    /// More was decided on behind what is read than can be remembered.
    #[error("too much that waits behind this destination's window has been decided on: let it read on first")]
    TooMany,
    /// Only what is quarantined can be run again; what is held is released.
    #[error("it is not quarantined: release its lane instead")]
    NotQuarantined,
    /// Its mapping failed, so there is nothing to send again.
    #[error("nothing was made of it: its mapping failed")]
    NothingMade,
    /// The owner stopped before it was decided, or before that was durable: it may have been done.
    #[error("the destination is stopping or starting: look whether it was done, else try again")]
    Stopped,
}

/// A lane as text, as the tool shows it.
mod lane {
    use barid_model::Lane;
    use serde::{Deserialize as _, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde gives it so")]
    pub(super) fn serialize<S: Serializer>(lane: &Option<Lane>, serializer: S) -> Result<S::Ok, S::Error> {
        match lane {
            Some(lane) => serializer.collect_str(lane),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Lane>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        let lane = Lane::read(&text);
        lane.map(Some).ok_or_else(|| serde::de::Error::custom("a lane is 16 hexadecimal digits"))
    }
}

/// Bytes as base64.
mod payload {
    use barid_model::Payload;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(payload: &Payload, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(payload.bytes()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Payload, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text).map_err(|_| serde::de::Error::custom("a payload is base64"))?;
        Ok(Payload::new(bytes.into()))
    }
}

/// A place in OUT as partition and position.
mod place {
    use barid_model::Partition;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(place: &(Partition, u64), serializer: S) -> Result<S::Ok, S::Error> {
        (place.0.0, place.1).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(Partition, u64), D::Error> {
        let (partition, position) = <(u16, u64)>::deserialize(deserializer)?;
        Ok((Partition(partition), position))
    }
}

#[cfg(test)]
mod tests;
