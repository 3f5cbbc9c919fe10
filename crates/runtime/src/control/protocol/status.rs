//! How an engine is: connections in and out, what waits and since when, who is silent, what expires.

use std::path::PathBuf;

use barid_model::{Name, Revision, Timestamp};
use serde::{Deserialize, Serialize};

use super::configuration::ProblemView;
use super::live::LiveStatus;
use super::replica::ReplicaStatus;
use crate::admin::NotReady;

/// How an engine is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Its version.
    pub version: String,
    /// Its process id; none where no engine runs and the data directory was read.
    pub pid: Option<u32>,
    /// Whether it runs.
    pub state: EngineState,
    /// When it started.
    #[serde(with = "crate::time::option")]
    pub started: Option<Timestamp>,
    /// When this was said.
    #[serde(with = "crate::time")]
    pub now: Timestamp,
    /// Where the admin endpoint listens.
    pub admin: Option<String>,
    /// What is not ready.
    pub not_ready: Vec<NotReady>,
    /// The configuration that runs.
    pub snapshot: SnapshotStatus,
    /// Where messages enter.
    pub listeners: Vec<ListenerStatus>,
    /// Who sends.
    pub senders: Vec<SenderStatus>,
    /// The channels.
    pub channels: Vec<ChannelStatus>,
    /// What is accepted and not yet routed.
    pub router: RouterStatus,
    /// Where messages go.
    pub destinations: Vec<DestinationStatus>,
    /// Certificates in use, the soonest to expire first.
    pub certificates: Vec<CertificateStatus>,
    /// The disk.
    pub storage: StorageStatus,
    /// The processes of a mesh that messages pass; none of an engine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<ReplicaStatus>,
    /// What came in the last minutes, where that is counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<LiveStatus>,
}

/// Whether an engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EngineState {
    /// Some part is not ready yet.
    Starting,
    /// It runs.
    Running,
    /// It was told to stop.
    Draining,
    /// No engine runs; the data directory was read.
    Stopped,
}

/// The configuration that runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotStatus {
    /// Its number.
    pub number: u64,
    /// When it was loaded.
    #[serde(with = "crate::time::option")]
    pub loaded: Option<Timestamp>,
    /// The directory of its documents.
    pub directory: Option<PathBuf>,
    /// What the last reading of the documents found; documents with errors keep their last good version.
    pub problems: Vec<ProblemView>,
}

/// One listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// Its name.
    pub name: Name,
    /// `mllp`, `mllps`, `http`, `https`.
    pub kind: String,
    /// Where it listens; none while it cannot.
    pub address: Option<String>,
    /// Open connections.
    pub connections: u64,
    /// Most connections it takes.
    pub connections_max: u64,
    /// Messages accepted since the start.
    pub accepted: u64,
    /// Messages refused since the start.
    pub refused: u64,
    /// Why it cannot listen.
    pub error: Option<String>,
}

/// One facility that sends, or should.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SenderStatus {
    /// The facility.
    pub facility: String,
    /// What it is called.
    pub display_name: Option<String>,
    /// Whether it is declared.
    pub verified: bool,
    /// Open connections on which it last sent.
    pub connections: u64,
    /// Messages accepted since the start.
    pub accepted: u64,
    /// Messages refused since the start.
    pub refused: u64,
    /// When its last message was received.
    #[serde(with = "crate::time::option")]
    pub last: Option<Timestamp>,
    /// Set where it has been silent longer than it should.
    pub silent: Option<Silence>,
}

/// A sender that should have sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Silence {
    /// Milliseconds without a message, within the hours it is expected in.
    pub for_ms: u64,
    /// Milliseconds in which at least one is expected.
    pub expected_every_ms: u64,
}

/// A pause by command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PauseStatus {
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// When.
    #[serde(with = "crate::time")]
    pub at: Timestamp,
}

/// One channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelStatus {
    /// Its name.
    pub name: Name,
    /// The revision that new messages get.
    pub revision: Revision,
    /// `running`, `paused`, `closed`.
    pub state: String,
    /// The pause by command that overrides the document.
    pub pause: Option<PauseStatus>,
    /// Messages accepted from senders since the start.
    pub accepted: u64,
    /// Messages that routes of other channels handed on to it since the start.
    #[serde(default)]
    pub handed_on: u64,
}

/// What is accepted and not yet routed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouterStatus {
    /// Messages.
    pub waiting: u64,
    /// When the oldest of them was received.
    #[serde(with = "crate::time::option")]
    pub oldest: Option<Timestamp>,
    /// Messages set aside before routing on which nobody has decided.
    pub quarantined: u64,
    /// Deliveries set aside that no destination has: what routes to channels could not hand on.
    #[serde(default)]
    pub not_handed_on: u64,
}

/// What a destination does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DestinationState {
    /// Nothing waits.
    Idle,
    /// It is being sent to.
    Sending,
    /// It cannot be reached; retried with back-off.
    BackingOff,
    /// Paused by document or command.
    Paused,
    /// No longer declared, not yet empty.
    Draining,
    /// No engine runs.
    Stopped,
}

/// One destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DestinationStatus {
    /// Its name.
    pub name: Name,
    /// `mllp`, `mllps`, `http`, `https`, `file`.
    pub kind: String,
    /// What it does.
    pub state: DestinationState,
    /// The pause by command.
    pub pause: Option<PauseStatus>,
    /// Open connections.
    pub connections: u64,
    /// The endpoint in use.
    pub endpoint: Option<String>,
    /// Deliveries that wait, parked ones apart.
    pub waiting: u64,
    /// When the message at the head was received.
    #[serde(with = "crate::time::option")]
    pub oldest: Option<Timestamp>,
    /// Deliveries parked with their lanes: held, stalled, paused, run again, and what follows them. What is set aside is
    /// not among them.
    pub parked: u64,
    /// Lanes that wait for a person.
    pub held_lanes: u64,
    /// Deliveries set aside that were not run again.
    pub quarantined: u64,
    /// Deliveries made since the start.
    pub delivered: u64,
    /// When the last one was.
    #[serde(with = "crate::time::option")]
    pub last: Option<Timestamp>,
    /// What went wrong last, where it has not gone well since.
    pub error: Option<String>,
    /// When it is tried next.
    #[serde(with = "crate::time::option")]
    pub retry: Option<Timestamp>,
}

/// One certificate in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateStatus {
    /// Whose it is: `listener default/mllp`, `destination default/registry`, `sender default/chn`.
    pub owner: String,
    /// Its subject.
    pub subject: String,
    /// When it expires.
    #[serde(with = "crate::time")]
    pub expires: Timestamp,
}

/// The disk.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StorageStatus {
    /// The data directory.
    pub directory: PathBuf,
    /// `free`, `noIntake`, `noRouting`, `exhausted`.
    pub level: String,
    /// Bytes free on its volume.
    pub free_bytes: u64,
    /// Bytes of its volume.
    pub total_bytes: u64,
    /// Bytes of the log.
    pub log_bytes: u64,
    /// Bytes of the ledger.
    pub ledger_bytes: u64,
    /// Records the ledger has not read yet.
    pub ledger_behind: u64,
}
