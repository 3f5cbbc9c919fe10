//! One case: its message through both stages.

use std::sync::Arc;
use std::time::Instant;

use barid_hl7::ack;
use barid_model::stage::Stage as _;
use barid_model::{Envelope, Finding, LaneHasher, MessageUid, Name, Payload, Timestamp};
use barid_transform::{Applied, Apply, ApplyInput};
use barid_validate::{Parse, ParseInput, ParseTable, Refusal, Verdict};

use super::compare::{self, Looked};
use super::message;
use super::{CaseResult, Failure, Files};
use crate::compile::table_for_test;
use crate::document::{ChannelTest, TestCase};
use crate::snapshot::{Channel, Snapshot};

/// When messages of a test are received that does not say it: 2026-01-01T00:00:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// The tests of one document.
pub(super) struct Suite<'a> {
    pub snapshot: &'a Snapshot,
    pub files: &'a dyn Files,
    /// The document's own folder.
    pub folder: &'a str,
    pub namespace: &'a str,
    pub channel: &'a Name,
    pub test: &'a ChannelTest,
}

impl Suite<'_> {
    pub(super) fn run(&self) -> Vec<CaseResult> {
        let prepared = self.prepare();
        let run = |case: &TestCase| {
            let began = Instant::now();
            let failures = match &prepared {
                Ok(channel) => self.case(channel, case).unwrap_or_else(|failure| vec![failure]),
                Err(failure) => vec![failure.clone()],
            };
            CaseResult { name: case.name.clone(), failures, took: began.elapsed() }
        };
        self.test.cases.iter().map(run).collect()
    }

    /// The channel, with the constants of the test.
    fn prepare(&self) -> Result<Arc<Channel>, Failure> {
        let channel = self.snapshot.channels.get(self.channel).ok_or_else(|| Failure {
            what: "channel".to_owned(),
            expected: format!("a good version of {}", self.channel.short()),
            was: "none".to_owned(),
        })?;
        let constants = self.test.given.as_ref().map(|given| &given.constants).filter(|given| !given.is_empty());
        let Some(constants) = constants else { return Ok(Arc::clone(channel)) };
        crate::compile::with_constants(channel, constants).map(Arc::new).map_err(|error| Failure {
            what: "given.constants".to_owned(),
            expected: "constants that the channel compiles with".to_owned(),
            was: error.to_string(),
        })
    }

    fn case(&self, channel: &Arc<Channel>, case: &TestCase) -> Result<Vec<Failure>, Failure> {
        let raw = message::bytes(self.files, self.folder, &case.send)?;
        let facility = case.send.facility.as_ref().map(|name| Name::new(self.namespace, name));
        let facility = facility.as_ref().and_then(|name| self.snapshot.facilities.get(name));
        let listener = self.listener(channel, case, facility.map(|facility| &**facility));
        let (table, listener) = self.table(channel, listener);
        let input = ParseInput {
            uid: MessageUid::derived(MessageUid::from_bytes([0; 16]), &case.name, 0),
            raw: raw.clone(),
            received: self.now(),
            listener,
            peer: Arc::new(facility.map(|facility| message::peer(facility)).unwrap_or_default()),
            traceparent: None,
            table,
        };
        let verdict = Parse::new(LaneHasher::new([0; 16])).apply(&input).map_err(|error| Failure {
            what: "parse".to_owned(),
            expected: "a verdict".to_owned(),
            was: error.to_string(),
        })?;
        let looked = self.look(channel, verdict, raw)?;
        Ok(compare::compare(&case.expect, &looked, &|path| message::read(self.files, self.folder, path)))
    }

    fn now(&self) -> Timestamp {
        let written = self.test.given.as_ref().and_then(|given| given.now.as_deref());
        let parsed = written.and_then(|now| now.parse::<jiff::Timestamp>().ok());
        parsed.map_or(NOW, |now| Timestamp::from_micros(now.as_microsecond()))
    }

    /// The listener a message comes in at: the named one, the one its sender's identity asks for, or the channel's first.
    fn listener(
        &self,
        channel: &Channel,
        case: &TestCase,
        facility: Option<&crate::settings::FacilitySpec>,
    ) -> Option<Name> {
        let named = case.send.listener.as_ref().map(|name| Name::new(self.namespace, name));
        let own = || facility?.identities.first()?.listener.clone();
        let written = channel.settings.from.as_ref().and_then(|from| from.listeners.first()).cloned();
        let first = || written.or_else(|| self.snapshot.listeners.keys().find(|name| channel.reads(name)).cloned());
        named.or_else(own).or_else(first)
    }

    /// The snapshot's table; one of its own for a channel that only other channels lead to.
    fn table(&self, channel: &Channel, listener: Option<Name>) -> (Arc<ParseTable>, Name) {
        match listener {
            Some(listener) if channel.settings.from.is_some() => (Arc::clone(&self.snapshot.parse), listener),
            listener => {
                let listener = listener.unwrap_or_else(|| Name::new(self.namespace, "test"));
                (table_for_test(self.snapshot, channel, &listener), listener)
            }
        }
    }

    fn look(&self, channel: &Arc<Channel>, verdict: Verdict, raw: Payload) -> Result<Looked, Failure> {
        match verdict {
            Verdict::NoReply(_) => Ok(Looked::default()),
            Verdict::Reject(rejected) => {
                let disposition = match rejected.refusal {
                    Refusal::Reject => ack::Disposition::Rejected,
                    Refusal::Error | Refusal::Retry => ack::Disposition::Error,
                };
                let code = ack::reply(rejected.ack, &rejected.header, rejected.is_response, disposition);
                Ok(Looked { ack: code.map(ack::AckCode::as_str), findings: rejected.findings, ..Looked::default() })
            }
            Verdict::Accept(accepted) => {
                let code = ack::reply(accepted.ack, &accepted.header, accepted.is_response, ack::Disposition::Accepted);
                let envelope = accepted.envelope;
                if envelope.channel.as_ref() != Some(&channel.name) {
                    let taken = envelope.channel.as_ref().map_or_else(|| "no channel".to_owned(), Name::short);
                    let expected = channel.name.short();
                    return Err(Failure { what: "channel".to_owned(), expected, was: taken });
                }
                let (findings, lanes) = (envelope.findings.clone(), envelope.lanes.as_slice().len());
                let applied = apply(channel, envelope, raw)?;
                Ok(Looked { ack: code.map(ack::AckCode::as_str), findings, lanes, applied: Some(applied) })
            }
        }
    }
}

fn apply(channel: &Channel, envelope: Envelope, raw: Payload) -> Result<Applied, Failure> {
    let quarantined = envelope.findings.iter().any(|finding| finding.severity == barid_model::Severity::Error);
    if quarantined {
        return Ok(Applied::Failed(errors(&envelope.findings)));
    }
    let sender = channel.sender(&envelope.facility);
    let mut input = ApplyInput::new(Arc::new(envelope), raw, Arc::clone(&channel.program), sender.facts);
    input.limits = sender.limits;
    Apply.apply(&input).map_err(|error| Failure {
        what: "apply".to_owned(),
        expected: "an output".to_owned(),
        was: error.to_string(),
    })
}

fn errors(findings: &[Finding]) -> Vec<Finding> {
    findings.iter().filter(|finding| finding.severity == barid_model::Severity::Error).cloned().collect()
}
