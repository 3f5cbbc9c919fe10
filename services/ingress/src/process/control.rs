//! What this replica tells of itself, its listeners and who sends to them.

use std::path::PathBuf;
use std::sync::Arc;

use barid_custody::Channels;
use barid_replica::{Owns, Reporter, Tenure, words};
use barid_rpc::control::{By, Command, CommandRefused, Commanded};
use barid_runtime::control::protocol::{ChannelCounts, ReplicaReport};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::custody::Traffic;
use crate::live::Live;
use crate::{Listeners, report};

/// Commands to the listeners of a replica.
pub(super) struct Control {
    pub(super) listeners: Arc<Listeners>,
    pub(super) traffic: Arc<Traffic>,
    pub(super) channels: Arc<Channels>,
    pub(super) live: Arc<Live>,
    pub(super) reporter: Reporter,
    /// Where the secrets are.
    pub(super) secrets: PathBuf,
}

impl Control {
    async fn report(&self) -> ReplicaReport {
        let snapshot = self.channels.snapshot();
        let counts = snapshot.channels.keys().map(|name| ChannelCounts {
            name: name.clone(),
            accepted: self.traffic.channel(name),
            handed_on: 0,
        });
        let (named, folder) = (Arc::clone(&snapshot), self.secrets.clone());
        let files = tokio::task::spawn_blocking(move || report::files(&named, &folder)).await;
        let mut certificates = files.unwrap_or_default();
        certificates.extend(report::certificates(&self.listeners));
        ReplicaReport {
            listeners: report::listeners(&self.listeners).await,
            senders: report::senders(&self.listeners, &self.traffic),
            channels: counts.filter(|counts| counts.accepted > 0).collect(),
            certificates,
            live: Some(self.live.status(snapshot.channels.keys(), snapshot.facilities.keys()).await),
            ..self.reporter.report(snapshot.number)
        }
    }
}

impl Commanded for Control {
    fn run(&self, command: Command, _: Option<By>, _: Bytes) -> BoxFuture<'_, Result<Bytes, CommandRefused>> {
        Box::pin(async move {
            match command {
                Command::Replica => words::answer(Ok(self.report().await)),
                other => Err(words::not_here(other)),
            }
        })
    }
}

/// Listeners own nothing that moves: their lease says only that they are there, and where they can be asked.
pub(super) struct Nothing;

impl Owns for Nothing {
    fn run(&self, _: String, _: Tenure, _: watch::Receiver<bool>) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}
