//! What an attempt means for the delivery: the destination's own rules first, then the class of the answer.
//!
//! Pure, and the only place where a receiver's answer becomes a decision. A rule whose expression fails on an answer
//! does not match: what a receiver says must not stop its lane for ever because a rule trips over it.

use std::fmt;
use std::sync::Arc;

use barid_expr::{AnswerFacts, ExprError, Place, Program, Scope, Type};
use barid_model::Finding;

use super::{AnswerClass, Answered, Backoff, Outgoing, Sent, Verdict};
use barid_config::document::{AnswerThen, OnReject};

/// HL7 table 0357: the receiver's own trouble, not the message's.
const INTERNAL: &str = "207";
/// The code of findings about an answer without one of its own.
const UNNAMED: u16 = 207;

/// A destination's rules about answers.
#[derive(Clone, Default)]
pub struct Answers {
    rules: Vec<(Arc<Program>, AnswerThen)>,
    on_reject: OnReject,
}

impl Answers {
    /// Rules in order, compiled in the scope of answers, and what becomes of a refused message where none matches.
    #[must_use]
    pub fn new(rules: Vec<(Arc<Program>, AnswerThen)>, on_reject: OnReject) -> Self {
        Self { rules, on_reject }
    }

    /// Compiles rules without constants.
    ///
    /// # Errors
    /// The first thing that is wrong with one of them.
    pub fn compile(rules: &[(&str, AnswerThen)], on_reject: OnReject) -> Result<Self, ExprError> {
        let scope = Scope::new(Place::Answer);
        let program = |source: &str| Program::compile(source, &scope, Type::Bool).map(Arc::new);
        let rules = rules.iter().map(|(when, then)| Ok((program(when)?, *then))).collect::<Result<_, _>>()?;
        Ok(Self { rules, on_reject })
    }

    /// What to do about an attempt, the `attempts`-th. `is_awaited`: a sender still waits for this delivery's answer;
    /// a refusal then goes to it, and custody with it, unless a rule says otherwise.
    #[must_use]
    pub fn judge(&self, out: &Outgoing, sent: &Sent, attempts: u32, is_awaited: bool) -> Verdict {
        let answered = match sent {
            Sent::Answered(answered) => answered,
            Sent::Failed(_) => return Verdict::Retry { scope: Backoff::Destination, after: None },
            Sent::Unsendable(finding) if is_awaited => return Verdict::Rejected(finding.clone()),
            Sent::Unsendable(finding) if self.on_reject == OnReject::Hold => return Verdict::Hold(finding.clone()),
            Sent::Unsendable(finding) => return Verdict::Quarantine(finding.clone()),
        };
        if let Some(then) = self.matching(answered, attempts) {
            return by_rule(then, answered);
        }
        match &answered.class {
            AnswerClass::Accepted => Verdict::Delivered,
            AnswerClass::Unavailable { retry_after } => {
                Verdict::Retry { scope: Backoff::Destination, after: *retry_after }
            }
            AnswerClass::Rejected if answered.error == INTERNAL => Verdict::Retry { scope: Backoff::Lane, after: None },
            AnswerClass::Rejected if is_awaited && out.is_awaited() => Verdict::Rejected(reason(answered)),
            AnswerClass::Rejected => match self.on_reject {
                OnReject::Quarantine => Verdict::Quarantine(reason(answered)),
                OnReject::Hold => Verdict::Hold(reason(answered)),
                OnReject::Retry => Verdict::Retry { scope: Backoff::Lane, after: None },
            },
        }
    }

    fn matching(&self, answered: &Answered, attempts: u32) -> Option<AnswerThen> {
        let facts = AnswerFacts {
            code: &answered.code,
            status: answered.status.unwrap_or(0),
            error: &answered.error,
            text: &answered.text,
            attempts,
        };
        let holds = |when: &Program| when.test(&facts).unwrap_or(false);
        self.rules.iter().find(|(when, _)| holds(when)).map(|(_, then)| *then)
    }
}

fn by_rule(then: AnswerThen, answered: &Answered) -> Verdict {
    let unavailable = match answered.class {
        AnswerClass::Unavailable { retry_after } => Some(retry_after),
        AnswerClass::Accepted | AnswerClass::Rejected => None,
    };
    match (then, unavailable) {
        (AnswerThen::Delivered, _) => Verdict::Delivered,
        (AnswerThen::Quarantine, _) => Verdict::Quarantine(reason(answered)),
        (AnswerThen::Hold, _) => Verdict::Hold(reason(answered)),
        (AnswerThen::Retry, Some(after)) => Verdict::Retry { scope: Backoff::Destination, after },
        (AnswerThen::Retry, None) => Verdict::Retry { scope: Backoff::Lane, after: None },
    }
}

/// Why, without the receiver's words: they may hold patient data, and stand in the recorded answer.
fn reason(answered: &Answered) -> Finding {
    let code = answered.error.parse().unwrap_or(UNNAMED);
    let said = &answered.answer.code;
    let text = match answered.error.as_str() {
        "" => format!("the destination answered {said}"),
        _ => format!("the destination answered {said} with {}", answered.error_in_words()),
    };
    Finding::error(code, "", "destination.answer", text)
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answers({} rules, {:?})", self.rules.len(), self.on_reject)
    }
}
