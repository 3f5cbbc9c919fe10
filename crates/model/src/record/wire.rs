//! The protobuf form of the records. Field numbers are for ever: a removed one is never used again.

use bytes::Bytes;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Envelope {
    #[prost(bytes = "bytes", tag = "1")]
    pub uid: Bytes,
    #[prost(string, tag = "2")]
    pub listener: String,
    #[prost(string, tag = "3")]
    pub facility: String,
    #[prost(string, optional, tag = "4")]
    pub speaks_for: Option<String>,
    #[prost(bool, tag = "5")]
    pub verified: bool,
    #[prost(string, optional, tag = "6")]
    pub channel: Option<String>,
    #[prost(bytes = "bytes", tag = "7")]
    pub revision: Bytes,
    #[prost(message, optional, tag = "8")]
    pub lanes: Option<Lanes>,
    #[prost(sint64, tag = "9")]
    pub received: i64,
    #[prost(bytes = "bytes", tag = "10")]
    pub digest: Bytes,
    #[prost(uint32, tag = "11")]
    pub format: u32,
    #[prost(bytes = "bytes", tag = "12")]
    pub control_id: Bytes,
    #[prost(message, optional, tag = "13")]
    pub message_type: Option<MessageType>,
    #[prost(uint32, tag = "14")]
    pub cause: u32,
    #[prost(bytes = "bytes", repeated, tag = "15")]
    pub parents: Vec<Bytes>,
    #[prost(string, tag = "16")]
    pub origin: String,
    #[prost(string, optional, tag = "17")]
    pub traceparent: Option<String>,
    #[prost(message, repeated, tag = "18")]
    pub findings: Vec<Finding>,
    #[prost(message, repeated, tag = "19")]
    pub keys: Vec<SearchKey>,
    #[prost(message, optional, tag = "20")]
    pub waits: Option<Waits>,
    #[prost(string, optional, tag = "21")]
    pub reason: Option<String>,
    #[prost(uint32, tag = "22")]
    pub hops: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Lanes {
    #[prost(bool, tag = "1")]
    pub barrier: bool,
    #[prost(fixed64, repeated, tag = "2")]
    pub lanes: Vec<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct MessageType {
    #[prost(string, tag = "1")]
    pub code: String,
    #[prost(string, tag = "2")]
    pub event: String,
    #[prost(string, tag = "3")]
    pub structure: String,
    #[prost(string, tag = "4")]
    pub version: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Finding {
    #[prost(uint32, tag = "1")]
    pub severity: u32,
    #[prost(uint32, tag = "2")]
    pub code: u32,
    #[prost(string, tag = "3")]
    pub path: String,
    #[prost(string, tag = "4")]
    pub rule: String,
    #[prost(string, tag = "5")]
    pub text: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SearchKey {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Waits {
    #[prost(string, optional, tag = "1")]
    pub route: Option<String>,
    #[prost(uint64, tag = "2")]
    pub timeout_millis: u64,
    #[prost(bool, tag = "3")]
    pub query: bool,
    #[prost(bytes = "bytes", tag = "4")]
    pub key: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct In {
    #[prost(uint32, tag = "1")]
    pub version: u32,
    #[prost(message, optional, tag = "2")]
    pub envelope: Option<Envelope>,
    #[prost(message, optional, tag = "3")]
    pub source: Option<Source>,
    /// The key that seals the payload, once payloads are sealed.
    #[prost(string, optional, tag = "14")]
    pub key_id: Option<String>,
    #[prost(bytes = "bytes", tag = "15")]
    pub raw: Bytes,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Source {
    #[prost(uint32, tag = "1")]
    pub partition: u32,
    #[prost(uint32, tag = "2")]
    pub intake: u32,
    #[prost(uint64, tag = "3")]
    pub position: u64,
    #[prost(uint32, tag = "4")]
    pub output: u32,
    #[prost(uint64, tag = "5")]
    pub other: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Out {
    #[prost(uint32, tag = "1")]
    pub version: u32,
    #[prost(bytes = "bytes", tag = "2")]
    pub id: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub uid: Bytes,
    #[prost(message, optional, tag = "4")]
    pub source: Option<Source>,
    #[prost(string, tag = "5")]
    pub channel: String,
    #[prost(bytes = "bytes", tag = "6")]
    pub revision: Bytes,
    #[prost(string, tag = "7")]
    pub route: String,
    #[prost(uint32, tag = "8")]
    pub part: u32,
    #[prost(uint32, tag = "9")]
    pub run: u32,
    #[prost(string, tag = "10")]
    pub destination: String,
    #[prost(string, tag = "11")]
    pub facility: String,
    #[prost(message, optional, tag = "12")]
    pub lanes: Option<Lanes>,
    #[prost(sint64, tag = "13")]
    pub received: i64,
    #[prost(message, optional, tag = "16")]
    pub message_type: Option<MessageType>,
    #[prost(bool, tag = "17")]
    pub is_set_aside: bool,
    #[prost(message, repeated, tag = "18")]
    pub findings: Vec<Finding>,
    #[prost(message, optional, tag = "19")]
    pub waits: Option<Waits>,
    #[prost(string, optional, tag = "20")]
    pub traceparent: Option<String>,
    #[prost(string, optional, tag = "14")]
    pub key_id: Option<String>,
    #[prost(bytes = "bytes", tag = "15")]
    pub payload: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Routed {
    #[prost(uint32, tag = "1")]
    pub version: u32,
    #[prost(bytes = "bytes", tag = "2")]
    pub uid: Bytes,
    #[prost(message, optional, tag = "3")]
    pub source: Option<Source>,
    #[prost(sint64, tag = "4")]
    pub at: i64,
    #[prost(uint32, tag = "5")]
    pub disposition: u32,
    #[prost(bytes = "bytes", optional, tag = "6")]
    pub duplicate_of: Option<Bytes>,
    #[prost(message, repeated, tag = "7")]
    pub findings: Vec<Finding>,
    #[prost(message, repeated, tag = "8")]
    pub deliveries: Vec<RoutedDelivery>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct RoutedDelivery {
    #[prost(bytes = "bytes", tag = "1")]
    pub id: Bytes,
    #[prost(string, tag = "2")]
    pub route: String,
    #[prost(uint32, tag = "3")]
    pub part: u32,
    #[prost(string, optional, tag = "4")]
    pub destination: Option<String>,
    #[prost(uint32, tag = "5")]
    pub outcome: u32,
    #[prost(bytes = "bytes", optional, tag = "6")]
    pub chained: Option<Bytes>,
    #[prost(message, repeated, tag = "7")]
    pub findings: Vec<Finding>,
    #[prost(uint64, optional, tag = "8")]
    pub out: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Outcome {
    #[prost(uint32, tag = "1")]
    pub version: u32,
    #[prost(bytes = "bytes", tag = "2")]
    pub id: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub uid: Bytes,
    #[prost(string, tag = "4")]
    pub route: String,
    #[prost(uint32, tag = "5")]
    pub part: u32,
    #[prost(uint32, tag = "6")]
    pub run: u32,
    #[prost(string, tag = "7")]
    pub destination: String,
    #[prost(uint32, tag = "8")]
    pub out_partition: u32,
    #[prost(uint64, tag = "9")]
    pub out_position: u64,
    #[prost(uint64, optional, tag = "10")]
    pub park: Option<u64>,
    #[prost(uint32, tag = "11")]
    pub outcome: u32,
    #[prost(sint64, tag = "12")]
    pub at: i64,
    #[prost(uint32, tag = "13")]
    pub attempts: u32,
    #[prost(bool, tag = "14")]
    pub possible_duplicate: bool,
    #[prost(message, optional, tag = "15")]
    pub answer: Option<Answer>,
    #[prost(message, repeated, tag = "16")]
    pub findings: Vec<Finding>,
    #[prost(string, optional, tag = "17")]
    pub actor: Option<String>,
    #[prost(string, optional, tag = "18")]
    pub reason: Option<String>,
    #[prost(bytes = "bytes", optional, tag = "19")]
    pub awaited: Option<Bytes>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Answer {
    #[prost(string, tag = "1")]
    pub code: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub bytes: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Park {
    #[prost(uint32, tag = "1")]
    pub version: u32,
    #[prost(uint32, tag = "2")]
    pub why: u32,
    #[prost(sint64, tag = "3")]
    pub at: i64,
    #[prost(uint32, tag = "4")]
    pub out_partition: u32,
    #[prost(uint64, tag = "5")]
    pub out_position: u64,
    #[prost(uint32, tag = "6")]
    pub attempts: u32,
    #[prost(message, repeated, tag = "7")]
    pub findings: Vec<Finding>,
    #[prost(message, optional, tag = "8")]
    pub answer: Option<Answer>,
    #[prost(message, optional, tag = "9")]
    pub delivery: Option<Out>,
    /// Set where this only says that the delivery parked at that position waits no more.
    #[prost(uint64, optional, tag = "10")]
    pub ended: Option<u64>,
    /// Set where this only says that the delivery parked at that position waits for a person now.
    #[prost(uint64, optional, tag = "11")]
    pub held: Option<u64>,
    #[prost(bool, tag = "12")]
    pub possible_duplicate: bool,
    /// Set where this only says that the delivery held at that position was let go on.
    #[prost(uint64, optional, tag = "13")]
    pub released: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Refused {
    #[prost(uint32, tag = "1")]
    pub version: u32,
    #[prost(sint64, tag = "2")]
    pub at: i64,
    #[prost(string, tag = "3")]
    pub listener: String,
    #[prost(string, tag = "4")]
    pub origin: String,
    #[prost(string, optional, tag = "5")]
    pub facility: Option<String>,
    #[prost(string, optional, tag = "6")]
    pub channel: Option<String>,
    #[prost(bytes = "bytes", tag = "7")]
    pub control_id: Bytes,
    #[prost(message, optional, tag = "8")]
    pub message_type: Option<MessageType>,
    #[prost(string, tag = "9")]
    pub code: String,
    #[prost(message, repeated, tag = "10")]
    pub findings: Vec<Finding>,
    #[prost(bytes = "bytes", tag = "15")]
    pub raw: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Command {
    #[prost(uint32, tag = "1")]
    pub version: u32,
    #[prost(sint64, tag = "2")]
    pub at: i64,
    #[prost(string, tag = "3")]
    pub actor: String,
    #[prost(string, tag = "4")]
    pub reason: String,
    #[prost(string, tag = "5")]
    pub verb: String,
    #[prost(string, tag = "6")]
    pub target: String,
    #[prost(string, tag = "7")]
    pub detail: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Awaited {
    #[prost(uint32, tag = "1")]
    pub version: u32,
    #[prost(uint32, tag = "2")]
    pub outcome: u32,
    #[prost(sint64, tag = "3")]
    pub at: i64,
    #[prost(message, optional, tag = "4")]
    pub answer: Option<Answer>,
    #[prost(message, repeated, tag = "5")]
    pub findings: Vec<Finding>,
}
