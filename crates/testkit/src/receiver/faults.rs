//! How a receiver misbehaves: rules that pick messages and say what is done to them. The first that matches counts.
//!
//! In text a rule is `ACT` or `ACT@WHICH`, such as `delay=500ms`, `twice@every=10`, `reject=AE/207@id=42`.

use std::str::FromStr;
use std::time::Duration;

use barid_hl7::ack::AckCode;

/// How a receiver misbehaves.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// The first that matches a message counts.
    pub rules: Vec<Rule>,
    /// Pause after each read.
    pub read_pause: Duration,
    /// Most bytes of each read where it pauses; 0: no bound.
    pub read_bytes: usize,
}

/// What is done to which messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which.
    pub which: Which,
    /// What.
    pub act: Act,
}

/// Which messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// Each n-th of the receiver, by order of arrival: with 3 the third, sixth and so on.
    Every(u64),
    /// Those that arrive before the receiver has so many.
    First(u64),
    /// Those whose MSH-10 is this.
    ControlId(Vec<u8>),
    /// Those whose MSH-10 begins with this.
    Prefix(Vec<u8>),
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Answered after this time; with more than the sender's patience, too late.
    Delay(Duration),
    /// The connection is closed instead of an answer.
    Close,
    /// Answered twice (HTTP: once).
    Twice,
    /// Answered with an MSA-2 that names another message.
    WrongId,
    /// Answered with bytes that are no frame (HTTP: no acknowledgement).
    Garbage,
    /// The first half of an answer, then the connection is closed.
    Half,
    /// Not answered; the connection stays.
    Silent,
    /// Refused with this code and this error of table 0357.
    Reject(AckCode, u16),
    /// CA first, then AA.
    Commit,
    /// HTTP: this status without a body, and seconds for Retry-After where not 0. MLLP release 2: a negative commit.
    Status(u16, u64),
}

/// A rule that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("fault {text:?}: {remedy}")]
pub struct FaultError {
    /// What was given.
    pub text: String,
    /// What would be right.
    pub remedy: &'static str,
}

impl Faults {
    /// One fault for all messages.
    #[must_use]
    pub fn always(act: Act) -> Self {
        Self::on(Which::All, act)
    }

    /// One fault for some messages.
    #[must_use]
    pub fn on(which: Which, act: Act) -> Self {
        Self { rules: vec![Rule { which, act }], ..Self::default() }
    }

    /// What is done to the message that arrived at this place, from 0.
    pub(super) fn act(&self, order: u64, control_id: &[u8]) -> Option<&Act> {
        self.rules.iter().find(|rule| rule.which.picks(order, control_id)).map(|rule| &rule.act)
    }
}

impl Which {
    fn picks(&self, order: u64, control_id: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Every(n) => (order + 1).is_multiple_of((*n).max(1)),
            Self::First(n) => order < *n,
            Self::ControlId(id) => id == control_id,
            Self::Prefix(prefix) => control_id.starts_with(prefix),
        }
    }
}

const ACTS: &str = "acts are delay=TIME, close, twice, wrong-id, garbage, half, silent, reject=CODE[/ERROR], commit, \
                    status=NUMBER[/RETRY-AFTER]";
const WHICH: &str = "after @ stands every=N, first=N, id=CONTROL-ID or prefix=TEXT";

impl FromStr for Rule {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let fail = |remedy| FaultError { text: text.to_owned(), remedy };
        let (act, which) = text.split_once('@').map_or((text, None), |(act, which)| (act, Some(which)));
        let act = read_act(act).ok_or_else(|| fail(ACTS))?;
        let which = which.map_or(Some(Which::All), read_which).ok_or_else(|| fail(WHICH))?;
        Ok(Self { which, act })
    }
}

fn read_act(text: &str) -> Option<Act> {
    let (word, value) = text.split_once('=').map_or((text, None), |(word, value)| (word, Some(value)));
    Some(match (word, value) {
        ("delay", Some(time)) => Act::Delay(read_time(time)?),
        ("close", None) => Act::Close,
        ("twice", None) => Act::Twice,
        ("wrong-id", None) => Act::WrongId,
        ("garbage", None) => Act::Garbage,
        ("half", None) => Act::Half,
        ("silent", None) => Act::Silent,
        ("commit", None) => Act::Commit,
        ("reject", Some(code)) => {
            let (code, error) = code.split_once('/').unwrap_or((code, "207"));
            let code = AckCode::from_bytes(code.as_bytes()).filter(|code| !code.is_positive())?;
            Act::Reject(code, error.parse().ok()?)
        }
        ("status", Some(status)) => {
            let (status, after) = status.split_once('/').unwrap_or((status, "0"));
            let status = status.parse().ok().filter(|status| (100..1000).contains(status))?;
            Act::Status(status, after.parse().ok()?)
        }
        _ => return None,
    })
}

fn read_which(text: &str) -> Option<Which> {
    let (word, value) = text.split_once('=')?;
    Some(match word {
        "every" => Which::Every(value.parse().ok().filter(|n| *n > 0)?),
        "first" => Which::First(value.parse().ok()?),
        "id" => Which::ControlId(value.as_bytes().to_vec()),
        "prefix" => Which::Prefix(value.as_bytes().to_vec()),
        _ => return None,
    })
}

/// `500ms`, `2s`, `1m`.
fn read_time(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        _ => None,
    }
}
