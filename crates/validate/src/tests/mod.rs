//! The parse stage from outside: a message and a table in, a verdict out.

mod conform;
mod judge;
mod order;
mod recognise;

use std::sync::Arc;

use barid_expr::{Place, Program, Scope, Type};
use barid_hl7::{Limits, ack};
use barid_model::stage::Stage;
use barid_model::{LaneHasher, MessageUid, Name, Payload, Revision, Timestamp};
use bytes::Bytes;

use crate::{
    Accepted, AckRules, ChannelRules, ChannelState, FacilityRules, Identity, ListenerRules, MshMatch, OnInvalid,
    OnStranger, OrderRule, Parse, ParseInput, ParseTable, Peer, Proof, Rejected, Verdict,
};

const RECEIVED: Timestamp = Timestamp::from_millis(1_795_341_600_000);

/// What a test declares.
#[derive(Clone)]
struct Plan {
    listener: ListenerRules,
    facilities: Vec<FacilityRules>,
    channels: Vec<ChannelRules>,
    peer: Peer,
}

impl Default for Plan {
    fn default() -> Self {
        let listener = ListenerRules {
            name: Name::local("mllp"),
            identify: Proof::Declared,
            unknown_facility: OnStranger::Reject,
            on_unmatched: OnStranger::Reject,
            ack: ack::Mode::Standard,
            limits: Limits::default(),
        };
        let facilities = vec![facility("chn", vec![msh("CHN")]), facility("clinic", vec![msh("CLINIC")])];
        Self { listener, facilities, channels: vec![channel("all")], peer: Peer::default() }
    }
}

impl Plan {
    fn parse(&self, raw: impl Into<Vec<u8>>) -> Verdict {
        let table = ParseTable::new(vec![self.listener.clone()], self.facilities.clone(), self.channels.clone());
        let input = ParseInput {
            uid: MessageUid::from_bytes([1; 16]),
            raw: Payload::new(Bytes::from(raw.into())),
            received: RECEIVED,
            listener: Name::local("mllp"),
            peer: Arc::new(self.peer.clone()),
            traceparent: None,
            table: Arc::new(table),
        };
        Parse::new(LaneHasher::new([7; 16])).apply(&input).unwrap()
    }

    #[track_caller]
    fn accepted(&self, raw: impl Into<Vec<u8>>) -> Accepted {
        match self.parse(raw) {
            Verdict::Accept(accepted) => *accepted,
            other => panic!("not accepted: {other:?}"),
        }
    }

    #[track_caller]
    fn rejected(&self, raw: impl Into<Vec<u8>>) -> Rejected {
        match self.parse(raw) {
            Verdict::Reject(rejected) => *rejected,
            other => panic!("not rejected: {other:?}"),
        }
    }
}

fn facility(name: &str, identities: Vec<Identity>) -> FacilityRules {
    FacilityRules {
        name: Name::local(name),
        display_name: name.into(),
        labels: Default::default(),
        identities,
        speaks_for: vec![],
        fallback_charset: None,
    }
}

fn msh(sending_facility: &str) -> Identity {
    let msh = MshMatch { sending_application: None, sending_facility: Some(sending_facility.to_owned()) };
    Identity { msh: Some(msh), ..Identity::default() }
}

fn channel(name: &str) -> ChannelRules {
    ChannelRules {
        name: Name::local(name),
        revision: Revision::of(name.as_bytes()),
        priority: 0,
        listeners: vec![Name::local("mllp")],
        facilities: None,
        when: None,
        state: ChannelState::Open,
        checks: Default::default(),
        on_invalid: OnInvalid::Reject,
        processing_id: None,
        order: OrderRule::Facility,
        index: vec![],
        ack: AckRules::default(),
        accept_without_control_id: false,
    }
}

fn program(source: &str, want: Type) -> Arc<Program> {
    Arc::new(Program::compile(source, &Scope::new(Place::Message), want).unwrap())
}

fn when(source: &str) -> Option<Arc<Program>> {
    Some(program(source, Type::Bool))
}

/// A message of CHN with these segments after its header.
fn message(kind: &str, segments: &[&str]) -> String {
    let header = format!("MSH|^~\\&|HIS|CHN|BARID|MSP|20261122100000||{kind}|42|P|2.5\r");
    segments.iter().fold(header, |text, segment| text + segment + "\r")
}

fn adt() -> String {
    message("ADT^A01^ADT_A01", &["EVN||20261122", "PID|1||A7^^^CHN~9^^^NAT||Ould^Mohamed", "PV1|1|I"])
}
