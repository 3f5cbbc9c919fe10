//! Deliveries for tests of what only looks at lanes.

use barid_model::record::{Intake, OutRecord, ParkRecord, Parked, Source};
use barid_model::{DeliveryId, Lane, Lanes, MessageType, MessageUid, Name, Partition, Payload, Revision, Timestamp};

/// A delivery of one facility with these lanes.
pub(crate) fn lanes(lanes: &[u64]) -> OutRecord {
    delivery(Lanes::of(lanes.iter().map(|lane| Lane::from_raw(*lane)).collect()))
}

/// A delivery that everything of its facility waits for.
pub(crate) fn barrier() -> OutRecord {
    delivery(Lanes::Barrier)
}

/// A delivery that asks for no order.
pub(crate) fn orderless() -> OutRecord {
    delivery(Lanes::None)
}

/// A delivery as it stands in PARK.
pub(crate) fn parked(why: Parked, out: u64, delivery: OutRecord) -> ParkRecord {
    ParkRecord {
        why,
        at: Timestamp::default(),
        out: (Partition(0), out),
        attempts: 1,
        possible_duplicate: false,
        findings: Vec::new(),
        answer: None,
        delivery,
    }
}

fn delivery(lanes: Lanes) -> OutRecord {
    let uid = MessageUid::from_bytes([7; 16]);
    OutRecord {
        id: DeliveryId::of(uid, "route", 0, 0),
        uid,
        source: Source { partition: Partition(0), intake: Intake::Received, position: 1, output: 0, other: 0 },
        channel: Name::local("channel"),
        revision: Revision::default(),
        route: "route".into(),
        part: 0,
        run: 0,
        destination: Name::local("destination"),
        facility: "default/facility".into(),
        lanes,
        received: Timestamp::default(),
        message_type: MessageType::default(),
        set_aside: None,
        waits: None,
        traceparent: None,
        payload: Payload::default(),
    }
}
