//! Who a message is from: recognition, and what a listener does with strangers.

use std::sync::Arc;

use barid_hl7::{Header, Path, error_code};
use barid_model::{FacilityRef, Finding};

use crate::identity::{Proof, Sender};
use crate::listener::OnStranger;
use crate::parse::Case;
use crate::recognise::Recognised;

/// Longest name of an undeclared sender, in bytes; MSH-4.1 is 20 characters in the standard.
const STRANGER_BYTES_MAX: usize = 64;
/// The name of a sender that says nothing of itself.
const NAMELESS: &str = "unnamed";
/// Who a message is from, settled.
pub(crate) struct From {
    pub(crate) reference: FacilityRef,
    /// Its place in the table; none for a stranger.
    pub(crate) facility: Option<usize>,
    pub(crate) speaks_for: Option<usize>,
}

impl Case<'_> {
    /// Settles who a message is from; else who it might be, and why it is refused.
    pub(crate) fn sender(&self, header: &Header) -> Result<From, (Option<Arc<str>>, Finding)> {
        if let Some(known) = self.known {
            let place = |name: &str| self.table.facility(name).filter(|_| known.from.verified);
            let speaks_for = known.from.speaks_for.as_deref().and_then(place);
            return Ok(From { reference: known.from.clone(), facility: place(&known.from.name), speaks_for });
        }
        let rules = &self.listener.rules;
        let sender = Sender { application: parts(header, 3), facility: parts(header, 4) };
        let text = |place: usize| self.table.facilities.get(place).map(|entry| Arc::clone(&entry.text));
        let finding = |rule, text: &str| Finding::error(error_code::UNKNOWN_KEY, Path::msh(4).to_string(), rule, text);
        match self.table.recognise(&self.input.peer, &rules.name, rules.identify, &sender) {
            Recognised::Known { facility, speaks_for } => {
                let name = text(facility).unwrap_or_else(|| NAMELESS.into());
                let reference = FacilityRef { name, speaks_for: speaks_for.and_then(text), verified: true };
                Ok(From { reference, facility: Some(facility), speaks_for })
            }
            Recognised::Stranger if rules.unknown_facility == OnStranger::Accept && self.proves(rules.identify) => {
                let name = stranger(&sender).into();
                let reference = FacilityRef { name, speaks_for: None, verified: false };
                Ok(From { reference, facility: None, speaks_for: None })
            }
            Recognised::Stranger => {
                Err((None, finding("facility.unknown", "the sender is no declared facility: no identity holds for it")))
            }
            Recognised::TooWeak(proof) => {
                let text = format!(
                    "the sender is recognised by {} only; this listener asks for {}",
                    proof.word(),
                    rules.identify.word()
                );
                Err((None, finding("facility.proof", &text)))
            }
            Recognised::Impostor { owner } => {
                let text_of = "the sender's certificate or token does not speak for this sending facility";
                Err((text(owner), finding("facility.impostor", text_of)))
            }
        }
    }

    /// Whether an undeclared sender at least shows as much as the listener asks for.
    fn proves(&self, asked: Proof) -> bool {
        match asked {
            Proof::Declared => true,
            Proof::Address => false,
            Proof::Token => !self.input.peer.tokens.is_empty() || self.input.peer.certificate.is_some(),
            Proof::Certificate => self.input.peer.certificate.is_some(),
        }
    }
}

fn parts(header: &Header, field: u16) -> (&[u8], &[u8]) {
    let value = header.field(field);
    let whole = value.map_or(&[][..], |value| value.raw());
    let first = value.and_then(|value| value.component(1)).map_or(&[][..], |value| value.raw());
    (whole, first)
}

/// The name of an undeclared sender: MSH-4.1, else MSH-3.1. It cannot be taken for a document's, which has a slash.
fn stranger(sender: &Sender<'_>) -> String {
    let said = [sender.facility.1, sender.application.1].into_iter().find(|text| !text.is_empty());
    let Some(said) = said else { return NAMELESS.to_owned() };
    let text = String::from_utf8_lossy(said);
    let mut name = String::new();
    for c in text.chars().map(|c| if c == '/' || c.is_control() { '_' } else { c }) {
        if name.len() + c.len_utf8() > STRANGER_BYTES_MAX {
            break;
        }
        name.push(c);
    }
    name
}
