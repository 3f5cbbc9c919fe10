//! The options that choose messages or deliveries, the same for every verb that takes many.

use barid_model::{DeliveryId, MessageUid, Name};
use barid_runtime::control::protocol::{DeliverySelection, MessageQuery, ParkedQuery, state};
use barid_runtime::{Exit, Failure};

use super::context::Context;

/// Which accepted messages.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct MessageFilter {
    /// Received (refused, parked) at or after: 2h, today, 2026-11-22 10:00
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Received (refused, parked) before: said as for --since
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Taken by this channel
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
    /// From this facility
    #[arg(long, value_name = "NAME")]
    facility: Option<String>,
    /// Through this listener
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// With a delivery to this destination
    #[arg(long, value_name = "NAME")]
    destination: Option<String>,
    /// Of this type: ADT or ADT^A01
    #[arg(long = "type", value_name = "TYPE")]
    message_type: Option<String>,
    /// With this control id (MSH-10)
    #[arg(long, value_name = "ID")]
    control_id: Option<String>,
    /// Of this patient: an identifier of PID-3
    #[arg(long, value_name = "ID")]
    patient: Option<String>,
    /// With this value of one of the channel's own search keys
    #[arg(long = "key", value_name = "NAME=VALUE")]
    keys: Vec<String>,
    /// In this state, or with a delivery that is: of several deliveries each counts
    #[arg(long, value_name = "STATE", value_parser = clap::builder::PossibleValuesParser::new(state::ALL))]
    state: Option<String>,
    /// That exist for this reason
    #[arg(long, value_name = "CAUSE", value_parser = ["received", "chained", "replayed", "edited"])]
    cause: Option<String>,
    /// That a destination may have twice: sent again without knowing whether it had them
    #[arg(long)]
    possible_duplicates: bool,
}

impl MessageFilter {
    /// As the protocol asks it.
    pub(super) fn query(self, context: &Context) -> Result<MessageQuery, Failure> {
        Ok(MessageQuery {
            since: context.time("--since", self.since.as_deref())?,
            until: context.time("--until", self.until.as_deref())?,
            channel: self.channel.as_deref().map(Name::read),
            facility: self.facility,
            listener: self.listener.as_deref().map(Name::read),
            destination: self.destination.as_deref().map(Name::read),
            message_type: self.message_type,
            control_id: self.control_id,
            patient: self.patient,
            keys: self.keys.iter().map(|key| pair(key)).collect::<Result<_, _>>()?,
            state: self.state,
            cause: self.cause,
            possible_duplicate: self.possible_duplicates,
            limit: None,
            cursor: None,
        })
    }
}

/// Which deliveries that wait for a person.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct WaitingFilter {
    /// Those of this message
    #[arg(value_name = "UID", conflicts_with_all = ["deliveries", "destination", "channel", "facility"])]
    uid: Option<String>,
    /// Only this route of the message
    #[arg(long, requires = "uid")]
    route: Option<String>,
    /// This delivery, as `messages --parked` names it; may be given more than once
    #[arg(long = "delivery", value_name = "ID", conflicts_with_all = ["destination", "channel", "facility"])]
    deliveries: Vec<String>,
    /// All at this destination
    #[arg(long, value_name = "NAME")]
    destination: Option<String>,
    /// All of this channel
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
    /// All from this facility
    #[arg(long, value_name = "NAME")]
    facility: Option<String>,
    /// That wait or are set aside since then or later: 2h, today, 2026-11-22 10:00
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// That wait or are set aside since before then: said as for --since
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl WaitingFilter {
    /// As the protocol asks it; `why` is what the verb acts on.
    pub(super) fn selection(self, context: &Context, why: Option<&str>) -> Result<DeliverySelection, Failure> {
        if let Some(text) = &self.uid {
            return Ok(DeliverySelection::Message { uid: uid(text)?, route: self.route });
        }
        if !self.deliveries.is_empty() {
            let read = |text: &String| {
                DeliveryId::read(text).ok_or_else(|| {
                    Failure::new(
                        Exit::Usage,
                        format!("{text:?} is no delivery: 32 hexadecimal digits, as `barid messages --parked` shows"),
                    )
                })
            };
            return Ok(DeliverySelection::Deliveries(self.deliveries.iter().map(read).collect::<Result<_, _>>()?));
        }
        if self.destination.is_none() && self.channel.is_none() && self.facility.is_none() {
            return Err(Failure::new(
                Exit::Usage,
                "say which: a message's UID, --delivery, or --destination, --channel or --facility",
            ));
        }
        Ok(DeliverySelection::Query(Box::new(ParkedQuery {
            destination: self.destination.as_deref().map(Name::read),
            channel: self.channel.as_deref().map(Name::read),
            facility: self.facility,
            why: why.map(str::to_owned),
            since: context.time("--since", self.since.as_deref())?,
            until: context.time("--until", self.until.as_deref())?,
            limit: None,
            cursor: None,
        })))
    }
}

/// Reads a message's identity.
pub(super) fn uid(text: &str) -> Result<MessageUid, Failure> {
    MessageUid::read(text).ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            format!("{text:?} is no message: a UID such as 019ab3c4-…, as `barid messages` shows"),
        )
    })
}

fn pair(text: &str) -> Result<(String, String), Failure> {
    text.split_once('=')
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| Failure::new(Exit::Usage, format!("cannot read --key {text:?}: say NAME=VALUE")))
}
