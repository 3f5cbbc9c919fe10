//! The stage itself: the order in which a message is judged.
//!
//! Who sent it comes before what it is for, and both before whether it is good: a message of a stranger is refused
//! without telling which channels there are. What cannot be parsed is still ascribed to its facility as far as its
//! header goes, so that people find it.

use std::sync::Arc;

use barid_expr::{FacilityFacts, MessageFacts};
use barid_hl7::{Header, Message, ParseError, Path, ack, error_code};
use barid_model::stage::{Stage, StageError};
use barid_model::{
    Cause, Digest, Envelope, FacilityRef, Finding, Format, LaneHasher, LaneKind, Lanes, MessageType, MessageUid, Name,
    Payload, Revision, Severity, Timestamp, Waits,
};
use bytes::Bytes;

use crate::channel::{AckAfter, ChannelRules, ChannelState, CheckRules, OnInvalid, OrderRule};
use crate::choose::Choice;
use crate::conform::conform;
use crate::finding::from_hl7;
use crate::peer::Peer;
use crate::sender::From;
use crate::table::{ListenerEntry, ParseTable};
use crate::verdict::{Accepted, Refusal, Rejected, Unanswered, Verdict};
use crate::{keys, patient};

/// MSH-9.1 of queries: their sender waits for the answer, whatever `ack.after` says.
const QUERIES: [&str; 7] = ["QBP", "QRY", "QSB", "QVR", "SPQ", "VQQ", "VXQ"];

/// What is parsed.
#[derive(Debug, Clone)]
pub struct ParseInput {
    /// The identity it will have if it is accepted.
    pub uid: MessageUid,
    /// The bytes as received.
    pub raw: Payload,
    /// When the last of them was read.
    pub received: Timestamp,
    /// Where they came in.
    pub listener: Name,
    /// Who sent them.
    pub peer: Arc<Peer>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// The rules that are in effect.
    pub table: Arc<ParseTable>,
}

/// The parse stage.
#[derive(Debug, Clone)]
pub struct Parse {
    hasher: LaneHasher,
}

impl Parse {
    /// With the key that was made with the log.
    #[must_use]
    pub const fn new(hasher: LaneHasher) -> Self {
        Self { hasher }
    }
}

/// What is known of a message that a person sends again: who sent it, and which channel took it.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Who sent it.
    pub from: &'a FacilityRef,
    /// The channel; none to choose one as for any message.
    pub channel: Option<&'a Name>,
}

impl Parse {
    /// Judges a message that is sent again or was edited: its sender is not recognised anew, since its connection is gone,
    /// and it stays with its channel.
    ///
    /// # Errors
    /// [`StageError::Unavailable`] where its listener is not declared any more.
    pub fn again(&self, input: &ParseInput, known: Known<'_>) -> Result<Verdict, StageError> {
        self.judge(input, Some(known))
    }

    fn judge(&self, input: &ParseInput, known: Option<Known<'_>>) -> Result<Verdict, StageError> {
        let Some(listener) = input.table.listener(&input.listener) else {
            return Err(StageError::Unavailable(format!(
                "listener {} is not in this snapshot",
                input.listener.short()
            )));
        };
        let case = Case { input, table: &input.table, listener, hasher: &self.hasher, known };
        Ok(match Message::parse(input.raw.bytes(), &listener.rules.limits) {
            Ok(parsed) => case.message(parsed.message, parsed.findings),
            Err(error) => case.unreadable(&error),
        })
    }
}

impl Stage for Parse {
    type Input = ParseInput;
    type Output = Verdict;

    fn apply(&self, input: &ParseInput) -> Result<Verdict, StageError> {
        self.judge(input, None)
    }
}

/// One message being judged.
pub(crate) struct Case<'a> {
    pub(crate) input: &'a ParseInput,
    pub(crate) table: &'a ParseTable,
    pub(crate) listener: &'a ListenerEntry,
    hasher: &'a LaneHasher,
    pub(crate) known: Option<Known<'a>>,
}

/// Why a message is refused, and what was known of it by then.
struct Refused<'a> {
    refusal: Refusal,
    findings: Vec<Finding>,
    facility: Option<Arc<str>>,
    channel: Option<&'a ChannelRules>,
}

/// A message that is taken: by whom, from whom, and what goes on record.
struct Taken<'a> {
    from: FacilityRef,
    channel: Option<&'a ChannelRules>,
    findings: Vec<Finding>,
    lanes: Lanes,
}

impl<'a> Case<'a> {
    fn message(&self, mut message: Message, findings: Vec<barid_hl7::Finding>) -> Verdict {
        let (message_type, contradiction) = self.message_type(message.header());
        let is_response = ack::is_acknowledgement(&message);
        if is_receipt(message.header())
            && ack::reply(ack::Mode::Standard, message.header(), true, ack::Disposition::Accepted).is_none()
        {
            return Verdict::NoReply(Box::new(Unanswered { message_type }));
        }
        match self.take(&mut message, findings, contradiction) {
            Ok(taken) => {
                let ack = self.ack(taken.channel);
                let envelope = self.envelope(&message, message_type, taken);
                Verdict::Accept(Box::new(Accepted { envelope, header: message.header().clone(), ack, is_response }))
            }
            Err(refused) => self.reject(refused, message.header().clone(), message_type, is_response),
        }
    }

    fn take(
        &self,
        message: &mut Message,
        findings: Vec<barid_hl7::Finding>,
        contradiction: Option<barid_hl7::Finding>,
    ) -> Result<Taken<'a>, Refused<'a>> {
        let from = self.sender(message.header()).map_err(|(facility, finding)| Refused {
            refusal: Refusal::Reject,
            findings: vec![finding],
            facility,
            channel: None,
        })?;
        let mut findings = self.read_in_facility_charset(message, findings, &from);
        findings.extend(contradiction.as_ref().map(from_hl7));
        let known = from.facility.and_then(|place| self.table.facilities.get(place));
        let stranger = match known {
            Some(_) => FacilityFacts::default(),
            None => FacilityFacts { name: from.reference.name.to_string(), ..FacilityFacts::default() },
        };
        let facts = MessageFacts {
            fields: &*message,
            facility: known.map_or(&stranger, |entry| &entry.facts),
            listener: &self.input.listener,
            received: self.input.received,
            uid: self.input.uid,
        };
        let facility = || Some(Arc::clone(&from.reference.name));
        let senders = (from.facility, from.speaks_for);
        let chosen = match self.known.and_then(|known| known.channel) {
            Some(name) => self.table.named(name),
            None => self.table.choose(self.listener, senders, message.header(), &facts),
        };
        let channel = match chosen {
            Ok(Choice::Channel(entry)) => Some(&entry.rules),
            Ok(Choice::Unmatched) => None,
            Err((refusal, finding)) => {
                return Err(Refused { refusal, findings: vec![finding], facility: facility(), channel: None });
            }
        };
        let judged = self.judge(message, channel, findings).and_then(|findings| {
            let lanes = self.lanes(message, channel, &from.reference.name, &facts)?;
            Ok((findings, lanes))
        });
        match judged {
            Ok((findings, lanes)) => Ok(Taken { from: from.reference, channel, findings, lanes }),
            Err((refusal, findings)) => Err(Refused { refusal, findings, facility: facility(), channel }),
        }
    }

    /// What cannot be read is ascribed to its sender as far as its header tells.
    fn unreadable(&self, error: &ParseError) -> Verdict {
        let header = (*error.header).clone();
        let facility = if header.is_present() { self.sender(&header).ok() } else { None };
        let refused = Refused {
            refusal: match error.disposition() {
                ack::Disposition::Rejected => Refusal::Reject,
                ack::Disposition::Error | ack::Disposition::Accepted => Refusal::Error,
            },
            findings: vec![from_hl7(&error.finding())],
            facility: facility.map(|from| from.reference.name),
            channel: None,
        };
        let (message_type, is_response) = (self.message_type(&header).0, is_receipt(&header));
        self.reject(refused, header, message_type, is_response)
    }

    fn reject(&self, refused: Refused<'_>, header: Header, message_type: MessageType, is_response: bool) -> Verdict {
        let Refused { refusal, findings, facility, channel } = refused;
        let ack = self.ack(channel);
        let channel = channel.map(|rules| rules.name.clone());
        Verdict::Reject(Box::new(Rejected {
            refusal,
            findings,
            header,
            message_type,
            facility,
            channel,
            ack,
            is_response,
        }))
    }

    /// Which acknowledgements are sent: as the channel says, else as the listener does.
    fn ack(&self, channel: Option<&ChannelRules>) -> ack::Mode {
        channel.map_or(self.listener.rules.ack, |rules| rules.ack.mode)
    }

    fn message_type(&self, header: &Header) -> (MessageType, Option<barid_hl7::Finding>) {
        let words = &self.table.words;
        let (code, event) = (words.get(&header.message_code()), words.get(&header.event()));
        let (structure, contradiction) = barid_hl7::structure::of(header);
        let version = words.get(&header.version_text());
        (MessageType { code, event, structure: words.get(&structure), version }, contradiction)
    }

    fn read_in_facility_charset(
        &self,
        message: &mut Message,
        findings: Vec<barid_hl7::Finding>,
        from: &From,
    ) -> Vec<Finding> {
        let place = from.speaks_for.or(from.facility);
        let own =
            place.and_then(|place| self.table.facilities.get(place)).and_then(|entry| entry.rules.fallback_charset);
        let unsettled = findings.iter().any(|finding| finding.rule.starts_with("charset."));
        let mut kept: Vec<Finding> = Vec::with_capacity(findings.len());
        match own.filter(|_| unsettled) {
            Some(charset) => {
                kept.extend(findings.iter().filter(|finding| !finding.rule.starts_with("charset.")).map(from_hl7));
                kept.extend(message.set_fallback_charset(charset).as_ref().map(from_hl7));
            }
            None => kept.extend(findings.iter().map(from_hl7)),
        }
        kept
    }

    /// Whether it is acceptable to the channel, and what is recorded with it.
    fn judge(
        &self,
        message: &Message,
        channel: Option<&ChannelRules>,
        mut findings: Vec<Finding>,
    ) -> Result<Vec<Finding>, (Refusal, Vec<Finding>)> {
        let header = message.header();
        match channel.map(|rules| rules.state) {
            Some(ChannelState::Invalid) => {
                return Err(retry("the channel's document is invalid and has no good revision yet"));
            }
            Some(ChannelState::Closed) => return Err(retry("the channel is closed")),
            Some(ChannelState::Open) | None => {}
        }
        if let Some(finding) = ack::missing_control_id(header)
            && !channel.is_some_and(|rules| rules.accept_without_control_id)
        {
            return Err((Refusal::Error, vec![from_hl7(&finding)]));
        }
        if let Some(wanted) = channel.and_then(|rules| rules.processing_id.as_ref())
            && header.processing_id() != **wanted
        {
            let text = format!("this exchange takes messages with processing id {wanted}");
            let place = Path::msh(11).with_component(1).to_string();
            return Err((
                Refusal::Reject,
                vec![Finding::error(error_code::PROCESSING_ID, place, "processing-id", text)],
            ));
        }
        findings.extend(ack::mode_finding(header).as_ref().map(from_hl7));
        conform(message, channel.map_or(&CheckRules::default(), |rules| &rules.checks), &mut findings);
        match channel.map_or(OnInvalid::Log, |rules| rules.on_invalid) {
            OnInvalid::Reject if findings.iter().any(is_error) => Err((refusal(&findings), findings)),
            OnInvalid::Log => {
                let errors = findings.iter_mut().filter(|finding| is_error(finding));
                errors.for_each(|finding| finding.severity = Severity::Warning);
                Ok(findings)
            }
            OnInvalid::Reject | OnInvalid::Quarantine => Ok(findings),
        }
    }

    fn lanes(
        &self,
        message: &Message,
        channel: Option<&ChannelRules>,
        facility: &str,
        facts: &MessageFacts<'_>,
    ) -> Result<Lanes, (Refusal, Vec<Finding>)> {
        let lane = |kind, value: &[u8]| Lanes::of(vec![self.hasher.lane(facility, kind, value)]);
        Ok(match channel.map_or(&OrderRule::Facility, |rules| &rules.order) {
            OrderRule::Facility => lane(LaneKind::Facility, b""),
            OrderRule::None => Lanes::None,
            OrderRule::Patient(rule) => patient::lanes(message, rule, facility, self.hasher),
            OrderRule::Expression(program) => match program.eval(facts) {
                Ok(value) => lane(LaneKind::Expression, value.into_text().as_bytes()),
                Err(_) => return Err(retry("the channel's order expression could not be evaluated for this message")),
            },
        })
    }

    fn envelope(&self, message: &Message, message_type: MessageType, taken: Taken<'_>) -> Envelope {
        let Taken { from: facility, channel, findings, lanes } = taken;
        let input = self.input;
        let waits = channel.and_then(|rules| waits(rules, &message_type));
        Envelope {
            uid: input.uid,
            listener: input.listener.clone(),
            facility,
            channel: channel.map(|rules| rules.name.clone()),
            revision: channel.map_or_else(Revision::default, |rules| rules.revision),
            lanes,
            received: input.received,
            digest: Digest::of(&input.raw),
            format: Format::Hl7v2,
            control_id: control_id(message.header(), input.uid),
            message_type,
            cause: Cause::Received,
            parents: Vec::new(),
            origin: input.peer.origin.to_string(),
            traceparent: input.traceparent.clone(),
            findings,
            keys: keys::keys(message, channel.map_or(&[], |rules| &rules.index), self.hasher, &self.table.patient),
            waits,
            reason: None,
            hops: 0,
        }
    }
}

fn is_error(finding: &Finding) -> bool {
    finding.severity == Severity::Error
}

/// As its gravest error asks: a version that is not taken here is rejected, wrong content is an error.
fn refusal(findings: &[Finding]) -> Refusal {
    let mut errors = findings.iter().filter(|finding| is_error(finding));
    match errors.any(|finding| ack::Disposition::of_code(finding.code) == ack::Disposition::Rejected) {
        true => Refusal::Reject,
        false => Refusal::Error,
    }
}

fn retry(text: &str) -> (Refusal, Vec<Finding>) {
    (Refusal::Retry, vec![Finding::error(error_code::INTERNAL, "", "channel.state", text)])
}

/// A message that says no more than that another was received.
fn is_receipt(header: &Header) -> bool {
    matches!(&*header.message_code(), "ACK" | "MCF")
}

fn control_id(header: &Header, uid: MessageUid) -> Bytes {
    let own = header.control_id();
    if own.is_empty() {
        return Bytes::from(uid.to_string());
    }
    header.raw().slice_ref(own)
}

fn waits(rules: &ChannelRules, message_type: &MessageType) -> Option<Waits> {
    let query = QUERIES.contains(&&*message_type.code);
    let wanted = (query || rules.ack.after == AckAfter::Delivered) && rules.ack.answerable;
    wanted.then(|| Waits { route: rules.ack.route.clone(), timeout: rules.ack.timeout, query })
}
