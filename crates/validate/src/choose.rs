//! Which channel takes a message: the first of the listener's, by priority and then by name, whose conditions hold.

use barid_expr::MessageFacts;
use barid_hl7::{Header, Path, SegmentId, error_code};
use barid_model::{Finding, Name};

use crate::listener::OnStranger;
use crate::table::{ChannelEntry, ListenerEntry, ParseTable};
use crate::verdict::Refusal;

/// What was chosen.
pub(crate) enum Choice<'t> {
    /// A channel.
    Channel(&'t ChannelEntry),
    /// None takes it, and the listener keeps such messages.
    Unmatched,
}

/// Why nothing was chosen.
pub(crate) type Refused = (Refusal, Finding);

impl ParseTable {
    /// Chooses for a message of this facility (and the one it speaks for).
    pub(crate) fn choose(
        &self,
        listener: &ListenerEntry,
        sender: (Option<usize>, Option<usize>),
        header: &Header,
        facts: &MessageFacts<'_>,
    ) -> Result<Choice<'_>, Refused> {
        let mut from_here = false;
        for channel in self.candidates(listener) {
            let (facility, spoken) = sender;
            let takes = channel.takes_from(facility) || (spoken.is_some() && channel.takes_from(spoken));
            if !takes {
                continue;
            }
            from_here = true;
            match channel.rules.when.as_ref().map(|when| when.test(facts)) {
                None | Some(Ok(true)) => return Ok(Choice::Channel(channel)),
                Some(Ok(false)) => {}
                // Never matched elsewhere: who can say that this was not the channel that was meant?
                Some(Err(_)) => return Err(failed(channel)),
            }
        }
        match listener.rules.on_unmatched {
            OnStranger::Accept => Ok(Choice::Unmatched),
            OnStranger::Reject => Err((Refusal::Reject, self.unmatched(header, from_here))),
        }
    }

    /// The channel of this name, whatever it reads from.
    pub(crate) fn named(&self, name: &Name) -> Result<Choice<'_>, Refused> {
        self.channel(name).map(Choice::Channel).ok_or_else(|| {
            let text = format!("channel {} is not running", name.short());
            (Refusal::Retry, Finding::error(error_code::INTERNAL, "", "channel.state", text))
        })
    }

    /// 200 for a type that nobody takes, 201 for an event of a known type.
    fn unmatched(&self, header: &Header, from_here: bool) -> Finding {
        if !from_here {
            let text = "no channel of this listener takes messages from this facility";
            return Finding::error(error_code::MESSAGE_TYPE, place(1), "channel.facility", text);
        }
        let text = "no channel of this listener takes this kind of message";
        let (code, component) = if self.words.knows(&header.message_code()) {
            (error_code::EVENT, 2)
        } else {
            (error_code::MESSAGE_TYPE, 1)
        };
        Finding::error(code, place(component), "channel.unmatched", text)
    }
}

fn place(component: u16) -> String {
    Path::of_segment(SegmentId::MSH).with_field(9).with_component(component).to_string()
}

fn failed(channel: &ChannelEntry) -> Refused {
    let text =
        format!("the condition of channel {} could not be evaluated for this message", channel.rules.name.short());
    (Refusal::Retry, Finding::error(error_code::INTERNAL, "", "channel.when", text))
}
