//! How the processes of a mesh are: each tells its part, and whoever a person asks puts the parts together.

use barid_model::Name;
use serde::{Deserialize, Serialize};

use super::live::LiveStatus;
use super::status::{CertificateStatus, DestinationStatus, ListenerStatus, RouterStatus, SenderStatus};
use crate::admin::NotReady;

/// How one process of a mesh is, and what it owns: its part of a [`super::Status`]. Fields that it does not know are left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaReport {
    /// Its version.
    pub version: String,
    /// Whether it was told to stop.
    pub draining: bool,
    /// What is not ready.
    pub not_ready: Vec<NotReady>,
    /// The number of the snapshot that it runs.
    pub snapshot: u64,
    /// Where messages enter here.
    pub listeners: Vec<ListenerStatus>,
    /// Who has sent here since the start, or is connected.
    pub senders: Vec<SenderStatus>,
    /// What was counted here of channels.
    pub channels: Vec<ChannelCounts>,
    /// What waits for the routers of this process.
    pub router: RouterStatus,
    /// Destinations that this process delivers to.
    pub destinations: Vec<DestinationStatus>,
    /// Certificates that were met here.
    pub certificates: Vec<CertificateStatus>,
    /// What came in the last minutes, of listeners.
    pub live: Option<LiveStatus>,
}

/// What one process counted of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelCounts {
    /// The channel.
    pub name: Name,
    /// Messages accepted from senders since the start.
    #[serde(default)]
    pub accepted: u64,
    /// Messages that routes of other channels handed on to it since the start.
    #[serde(default)]
    pub handed_on: u64,
}

/// One process of a mesh, as the one that was asked sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaStatus {
    /// `ingress`, `router`, `delivery`.
    pub service: String,
    /// What it is called.
    pub name: String,
    /// Where it takes calls.
    pub address: Option<String>,
    /// `running`, `starting`, `draining`, `silent`: one that is silent has not answered, and what it owns is not told here.
    pub state: String,
    /// Why it is not running.
    pub why: Option<String>,
    /// The number of the snapshot that it runs.
    pub snapshot: Option<u64>,
}
