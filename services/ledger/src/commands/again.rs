//! One message made from another by command: a replay, a message set aside that is run again, an edited one.
//!
//! It is a new IN record with a new identity, its parent's name and the reason of the person who asked; no sender waits
//! for it (one that waited for a parent that was set aside is told how its re-run ended, when it asks again), and the duplicate judge leaves it alone. Under the newest revision it is judged anew, so that lanes, search
//! keys and findings are those of today; under the revision of then it is what it was.

use std::sync::Arc;

use barid_model::record::InRecord;
use barid_model::stage::StageError;
use barid_model::{Cause, Envelope, MessageUid, Payload, Timestamp};
use barid_runtime::control::protocol::{By, ReplayRevision};
use barid_validate::{Known, Parse, ParseInput, Peer, Verdict};

use super::acting::{Acting, Why};
use super::journal::line;

/// How messages are made again.
pub(super) struct Again<'a> {
    pub(super) acting: &'a Acting,
    pub(super) by: &'a By,
    pub(super) cause: Cause,
    /// Whether it is what its parent has become: then who waited for its parent, and asks again, is told how it ends.
    pub(super) answers: bool,
}

impl Again<'_> {
    /// The message that is made from `parent`.
    pub(super) async fn of(&self, parent: &InRecord, revision: ReplayRevision) -> Result<InRecord, Why> {
        let raw = parent.raw.clone();
        let envelope = match revision {
            ReplayRevision::Then => self.as_then(&parent.envelope).await?,
            ReplayRevision::Now => self.judged(&parent.envelope, raw.clone())?,
        };
        Ok(InRecord { envelope: self.child(envelope, &parent.envelope), source: None, raw })
    }

    /// The message that is made from `parent` with other bytes.
    pub(super) fn edited(&self, parent: &Envelope, raw: Payload) -> Result<InRecord, Why> {
        let envelope = self.judged(parent, raw.clone())?;
        Ok(InRecord { envelope: self.child(envelope, parent), source: None, raw })
    }

    /// What makes a child of its parent.
    fn child(&self, envelope: Envelope, parent: &Envelope) -> Envelope {
        let received = self.now();
        let waited = parent.waits.as_ref().filter(|_| self.answers);
        let waits = waited.map(|then| envelope.waits.clone().unwrap_or_else(|| then.clone()).left());
        Envelope {
            uid: MessageUid::new(received),
            received,
            cause: self.cause,
            parents: vec![parent.uid],
            origin: parent.origin.clone(),
            traceparent: None,
            waits,
            reason: Some(line(self.by)),
            hops: parent.hops,
            ..envelope
        }
    }

    async fn as_then(&self, parent: &Envelope) -> Result<Envelope, Why> {
        let Some(channel) = &parent.channel else { return Err("no channel took it then".to_owned()) };
        match self.acting.history.channels.find(channel, parent.revision).await {
            Ok(Some(_)) => Ok(parent.clone()),
            Ok(None) => {
                Err(format!("revision {} of channel {} can no longer be run", parent.revision, channel.short()))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// The envelope under the rules of today.
    fn judged(&self, parent: &Envelope, raw: Payload) -> Result<Envelope, Why> {
        let snapshot = self.acting.history.channels.snapshot();
        if let Some(channel) = parent.channel.as_ref().filter(|name| !snapshot.channels.contains_key(name)) {
            return Err(format!("channel {} does not run", channel.short()));
        }
        let input = ParseInput {
            uid: parent.uid,
            raw: raw.clone(),
            received: self.now(),
            listener: parent.listener.clone(),
            peer: Arc::new(Peer { origin: parent.origin.as_str().into(), ..Peer::default() }),
            traceparent: None,
            table: Arc::clone(&snapshot.parse),
        };
        let known = Known { from: &parent.facility, channel: parent.channel.as_ref() };
        match Parse::new(self.acting.history.hasher).again(&input, known) {
            Ok(Verdict::Accept(accepted)) => Ok(accepted.envelope),
            Ok(Verdict::Reject(rejected)) => Err(rejected.findings.first().map_or_else(
                || "it is not acceptable".to_owned(),
                |finding| format!("it is not acceptable: {} ({})", finding.text, finding.path),
            )),
            Ok(Verdict::NoReply(_)) => Err("it is an acknowledgement, which is not routed".to_owned()),
            // Its listener is gone: what was found then holds, under the channel of today.
            Err(StageError::Unavailable(_)) if raw.digest() == parent.digest => {
                let channel = parent.channel.as_ref().and_then(|name| snapshot.channels.get(name));
                let channel = channel.ok_or_else(|| "no channel took it, and its listener is gone".to_owned())?;
                Ok(Envelope { revision: channel.revision, ..parent.clone() })
            }
            Err(error) => Err(format!("it cannot be judged: {error}")),
        }
    }

    fn now(&self) -> Timestamp {
        self.acting.history.clock.now()
    }
}
