//! One message by hand, for `barid try`: what the parse stage says of it at a listener, or where a channel is asked alone.

use std::sync::Arc;

use barid_hl7::ack;
use barid_model::stage::{Stage as _, StageError};
use barid_model::{LaneHasher, MessageUid, Name, Payload, Timestamp};
use barid_validate::{Parse, ParseInput, ParseTable, Refusal, Verdict};

use super::message;
use crate::compile::table_for_test;
use crate::snapshot::{Channel, Snapshot};

/// A message, and who sends it when.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Its bytes.
    pub raw: Payload,
    /// The facility whose first identity is proven; none: a sender that only declares MSH-3 and MSH-4.
    pub facility: Option<Name>,
    /// When its last byte is read.
    pub received: Timestamp,
    /// What makes its lanes; of no log, where nobody looks at them.
    pub hasher: LaneHasher,
}

/// What the parse stage says of a message that is meant for a channel.
#[derive(Debug)]
pub struct Judged {
    /// The listener it was judged at; none: the channel was asked alone.
    pub listener: Option<Name>,
    /// Why the channel was asked alone, where a listener would not give it this message.
    pub aside: Option<String>,
    /// What is said of it.
    pub verdict: Verdict,
}

impl Judged {
    /// The code that its sender would get; none where no answer is due.
    #[must_use]
    pub fn ack(&self) -> Option<&'static str> {
        let code = match &self.verdict {
            Verdict::NoReply(_) => None,
            Verdict::Reject(rejected) => {
                let disposition = match rejected.refusal {
                    Refusal::Reject => ack::Disposition::Rejected,
                    Refusal::Error | Refusal::Retry => ack::Disposition::Error,
                };
                ack::reply(rejected.ack, &rejected.header, rejected.is_response, disposition)
            }
            Verdict::Accept(accepted) => {
                ack::reply(accepted.ack, &accepted.header, accepted.is_response, ack::Disposition::Accepted)
            }
        };
        code.map(ack::AckCode::as_str)
    }
}

impl Sample {
    /// What the parse stage says of it at a listener.
    ///
    /// # Errors
    /// As the stage.
    pub fn at(&self, snapshot: &Snapshot, listener: &Name) -> Result<Verdict, StageError> {
        self.parse(snapshot, Arc::clone(&snapshot.parse), listener)
    }

    /// What the parse stage says of it where this channel alone is asked and takes messages from anybody.
    ///
    /// # Errors
    /// As the stage.
    pub fn for_channel(&self, snapshot: &Snapshot, channel: &Channel) -> Result<Verdict, StageError> {
        let listener = Name::new(channel.name.namespace(), "try");
        self.parse(snapshot, table_for_test(snapshot, channel, &listener), &listener)
    }

    /// What is said of it on its way to a channel: at this listener, else at the first one that the channel reads; of the
    /// channel alone where no listener would give it this message.
    ///
    /// # Errors
    /// As the stage.
    pub fn judge(&self, snapshot: &Snapshot, channel: &Channel, listener: Option<Name>) -> Result<Judged, StageError> {
        let listener = listener.or_else(|| snapshot.listeners.keys().find(|name| channel.reads(name)).cloned());
        let mut aside = None;
        if let Some(listener) = listener {
            let verdict = self.at(snapshot, &listener)?;
            match elsewhere(&verdict, channel) {
                None => return Ok(Judged { listener: Some(listener), aside: None, verdict }),
                Some(why) => {
                    aside = Some(format!("at listener {} {why}; the channel was asked alone", listener.short()));
                }
            }
        }
        let verdict = self.for_channel(snapshot, channel)?;
        Ok(Judged { listener: None, aside, verdict })
    }

    fn parse(&self, snapshot: &Snapshot, table: Arc<ParseTable>, listener: &Name) -> Result<Verdict, StageError> {
        let facility = self.facility.as_ref().and_then(|name| snapshot.facilities.get(name));
        Parse::new(self.hasher).apply(&ParseInput {
            uid: MessageUid::derived(MessageUid::from_bytes([0; 16]), "try", 0),
            raw: self.raw.clone(),
            received: self.received,
            listener: listener.clone(),
            peer: Arc::new(facility.map(|facility| message::peer(facility)).unwrap_or_default()),
            traceparent: None,
            table,
        })
    }
}

/// Why a message does not come to this channel, where it does not.
fn elsewhere(verdict: &Verdict, channel: &Channel) -> Option<String> {
    match verdict {
        Verdict::Accept(accepted) => match &accepted.envelope.channel {
            Some(name) if *name == channel.name => None,
            Some(name) => Some(format!("channel {} takes this message", name.short())),
            None => Some("no channel takes this message".to_owned()),
        },
        Verdict::Reject(rejected) if rejected.channel.as_ref() == Some(&channel.name) => None,
        Verdict::Reject(rejected) => {
            let why: Vec<String> = rejected.findings.iter().map(|finding| finding.text.clone()).collect();
            Some(format!("this message is refused ({})", why.join("; ")))
        }
        Verdict::NoReply(_) => Some("this message is an acknowledgement".to_owned()),
    }
}
