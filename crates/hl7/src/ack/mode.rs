//! Which acknowledgement a sender gets at once, by MSH-15 and MSH-16.
//!
//! `standard` is the chapter: both empty is original mode; a valued MSH-15 asks for accept acknowledgements by its
//! condition. MSH-15 `NE` or empty with MSH-16 valued equals original mode with a condition (2.8.3.2), so that the
//! application acknowledgement is the one reply. An unknown condition counts as empty. The other modes are for senders
//! that wait for a reply whatever they declare.

use super::{AckCode, Disposition};
use crate::{Finding, Header, Message, Path, SegmentId, error_code};

/// A channel's `ack.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// By the chapter; may answer nothing.
    #[default]
    Standard,
    /// One reply to each message, in the codes that MSH-15 asks for.
    Always,
    /// One reply to each message: AA, AE or AR.
    Original,
    /// One reply to each message: CA, CE or CR.
    CommitOnly,
}

/// Table 0155.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Always,
    Never,
    Errors,
    Success,
}

impl Condition {
    fn read(text: &str) -> Option<Self> {
        match text.trim() {
            "AL" => Some(Self::Always),
            "NE" => Some(Self::Never),
            "ER" => Some(Self::Errors),
            "SU" => Some(Self::Success),
            _ => None,
        }
    }

    fn allows(self, disposition: Disposition) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Errors => disposition != Disposition::Accepted,
            Self::Success => disposition == Disposition::Accepted,
        }
    }
}

/// The reply that is due on the connection; none if the sender asked for none.
///
/// An acknowledgement (`is_ack`, see [`is_acknowledgement`]) is answered only if its MSH-15 asks for that.
pub fn reply(mode: Mode, header: &Header, is_ack: bool, disposition: Disposition) -> Option<AckCode> {
    let accept = Condition::read(&header.accept_acknowledgement());
    let application = Condition::read(&header.application_acknowledgement());
    let commit = AckCode::commit(disposition);
    if is_ack {
        return accept.filter(|condition| condition.allows(disposition)).map(|_| commit);
    }
    match mode {
        Mode::Original => Some(AckCode::application(disposition)),
        Mode::CommitOnly => Some(commit),
        Mode::Always => Some(always(accept, disposition)),
        Mode::Standard => standard(accept, application, disposition),
    }
}

fn standard(accept: Option<Condition>, application: Option<Condition>, disposition: Disposition) -> Option<AckCode> {
    match (accept, application) {
        (None, None) => Some(AckCode::application(disposition)),
        (None | Some(Condition::Never), Some(condition)) => {
            condition.allows(disposition).then(|| AckCode::application(disposition))
        }
        (Some(condition), _) => condition.allows(disposition).then(|| AckCode::commit(disposition)),
    }
}

/// Commit codes where the condition holds, application codes where the sender would get nothing.
fn always(accept: Option<Condition>, disposition: Disposition) -> AckCode {
    match accept {
        Some(condition) if condition.allows(disposition) => AckCode::commit(disposition),
        _ => AckCode::application(disposition),
    }
}

/// What is odd about MSH-15 and MSH-16: exactly one of them valued, or no condition of table 0155.
pub fn mode_finding(header: &Header) -> Option<Finding> {
    let (accept, application) = (header.accept_acknowledgement(), header.application_acknowledgement());
    for (field, text) in [(15, &accept), (16, &application)] {
        if !text.is_empty() && Condition::read(text).is_none() {
            let finding = Finding::warning(
                error_code::TABLE_VALUE,
                "ack.condition",
                "this is not AL, NE, ER or SU (table 0155); read as empty",
            );
            return Some(finding.at(Path::msh(field)));
        }
    }
    if accept.is_empty() == application.is_empty() {
        return None;
    }
    let missing = if accept.is_empty() { 15 } else { 16 };
    let finding = Finding::warning(
        error_code::REQUIRED_FIELD_MISSING,
        "ack.half",
        "one of MSH-15 and MSH-16 is empty and the other is not; enhanced mode is assumed for the one",
    );
    Some(finding.at(Path::msh(missing)))
}

/// Whether a message is itself an acknowledgement or a response: MSH-9.1 is ACK, or it has an MSA segment.
pub fn is_acknowledgement(message: &Message) -> bool {
    message.header().message_code() == "ACK"
        || SegmentId::new(*b"MSA").is_some_and(|id| message.segments_of(id).next().is_some())
}
