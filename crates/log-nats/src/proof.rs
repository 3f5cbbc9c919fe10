//! The proof of durability: that the servers sync before they acknowledge, and keep enough copies.
//!
//! NATS acknowledges before it syncs unless told otherwise (`sync_interval: always`), and nothing in an acknowledgement shows which it was. So it is asked of
//! every server, through the system account, at start and each minute. A proof holds three minutes; a server that was not part of it, which a restarted one is
//! too, ends it at once. While there is none, strict mode takes no intake and confirms none: senders keep what they have, all else goes on.

mod streams;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::{Message, RequestErrorKind, Subscriber};
use barid_log::LogError;
use futures_util::StreamExt as _;
use tokio::sync::watch;

use self::streams::{faults_of, peers};
use self::told::{Answer, Spoken, is_new_enough};
use crate::assets::MAX_MESSAGE;
use crate::link::{Link, busy};
use crate::options::{OpenError, Options};
use crate::shared::Shared;

/// How long a proof holds.
const VALID: Duration = Duration::from_secs(180);
/// How often it is renewed.
const RENEW: Duration = Duration::from_secs(60);
/// How often it is tried while there is none.
const AGAIN: Duration = Duration::from_secs(1);
/// How often it is looked whether we are connected to a server that it covers.
const LOOK: Duration = Duration::from_millis(250);
/// How long all servers may take to answer.
const ANSWERS: Duration = Duration::from_secs(3);
/// Pause after which no more answers are expected, while one is missing.
const QUIET: Duration = Duration::from_millis(500);
/// The same when all who have our streams have answered.
const SHORT_QUIET: Duration = Duration::from_millis(50);
/// Where servers are asked how they are.
const PING: &str = "$SYS.REQ.SERVER.PING.VARZ";

/// A server, as it described itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What is known of the servers' durability.
#[derive(Debug, Clone)]
pub enum Proof {
    /// It was shown, then.
    Proven {
        /// When.
        at: Instant,
        /// By these, by their id, which a server draws anew at each start.
        servers: BTreeMap<String, Server>,
    },
    /// It is not, for these reasons, each with its remedy.
    Unproven(Vec<String>),
}

impl Proof {
    /// Whether it holds now.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        matches!(self, Self::Proven { at, .. } if at.elapsed() < VALID)
    }

    pub(crate) fn covers(&self, id: &str) -> bool {
        matches!(self, Self::Proven { servers, .. } if servers.contains_key(id))
    }
}

/// Connects the user who can see it. Strict mode without one would never take a message, so it does not begin.
pub(crate) async fn connect(options: &Options) -> Result<Option<Link>, OpenError> {
    let missing = |why: &str| OpenError::SystemUser { why: why.to_owned() };
    let Some(system) = &options.system else {
        return if options.strict { Err(missing("no user of the system account is configured")) } else { Ok(None) };
    };
    let link =
        Link::connect(system, &format!("barid-{}-proof", options.installation)).await.map_err(|error| match error {
            OpenError::Unreachable { servers, why } => {
                OpenError::Unreachable { servers, why: format!("as the system user: {why}") }
            }
            error => error,
        })?;
    if options.strict {
        match link.client().request(PING, bytes::Bytes::new()).await {
            Ok(_) => {}
            Err(error) if error.kind() == RequestErrorKind::NoResponders => {
                return Err(missing("the system user is not of the system account"));
            }
            // A right that is missing shows as silence; so does a server that is busy, and then the proof is tried again.
            Err(error) => tracing::warn!(%error, "no server answers the system user: may it publish to {PING}?"),
        }
    }
    Ok(Some(link))
}

/// Who keeps the proof.
pub(crate) struct Prover {
    strict: bool,
    proof: watch::Sender<Proof>,
    system: Option<Link>,
}

impl Prover {
    pub(crate) fn new(strict: bool, system: Option<Link>) -> Self {
        let proof = watch::Sender::new(Proof::Unproven(vec!["not asked yet".into()]));
        Self { strict, proof, system }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Proof> {
        self.proof.subscribe()
    }

    /// Whether what is stored may be called durable, as far as this server has a say in it.
    pub(crate) fn holds(&self, server: &str) -> bool {
        if !self.strict {
            return true;
        }
        let proof = self.proof.borrow();
        proof.is_valid() && proof.covers(server)
    }

    /// The same, with the reasons.
    pub(crate) fn check(&self, server: &str) -> Result<(), LogError> {
        if self.holds(server) {
            return Ok(());
        }
        let why = match &*self.proof.borrow() {
            proof @ Proof::Proven { .. } if proof.is_valid() => "the server is new and was not asked yet".to_owned(),
            Proof::Proven { .. } => "the proof is too old".to_owned(),
            Proof::Unproven(reasons) => reasons.join("; "),
        };
        Err(LogError::Busy(format!("durability is not proven: {why}").into()))
    }

    fn set(&self, proof: Proof) {
        let before = self.proof.borrow().is_valid();
        match &proof {
            Proof::Proven { servers, .. } if !before => tracing::info!(servers = servers.len(), "durability is proven"),
            Proof::Unproven(reasons) if before => tracing::warn!(?reasons, "durability is no longer proven"),
            _ => {}
        }
        self.proof.send_replace(proof);
    }
}

impl Shared {
    /// The id of the server that we are connected to: another one than was asked, until somebody notices, vouches for nothing.
    pub(crate) fn server(&self) -> String {
        self.link.client().server_info().server_id
    }

    /// Whether what is stored now may be called durable.
    pub(crate) fn proven(&self) -> bool {
        self.proof.holds(&self.server())
    }

    /// Asks once, and keeps what was found.
    pub(crate) async fn prove(&self) {
        let proof = match &self.proof.system {
            None => Proof::Unproven(vec![
                "no user of the system account is configured, only it sees how servers write".into(),
            ]),
            Some(system) => match self.examine(system).await {
                Ok((servers, reasons)) if reasons.is_empty() => Proof::Proven { at: Instant::now(), servers },
                Ok((_, reasons)) => Proof::Unproven(reasons),
                Err(error) => match &*self.proof.proof.borrow() {
                    // Not being answered says nothing; the proof ends by its age.
                    proof @ Proof::Proven { .. } if proof.is_valid() => proof.clone(),
                    _ => Proof::Unproven(vec![error.to_string()]),
                },
            },
        };
        self.proof.set(proof);
    }

    /// Keeps the proof, until the log is closed.
    pub(crate) async fn keep_proving(self: Arc<Self>) {
        let Some(system) = &self.proof.system else { return };
        let mut heard = loop {
            match system.client().subscribe("$SYS.SERVER.*.STATSZ").await {
                Ok(subscriber) => break subscriber,
                Err(error) => tracing::warn!(%error, "servers that start cannot be heard"),
            }
            tokio::time::sleep(AGAIN).await;
        };
        // Whoever spoke before this was asked for; from here on a new one is heard.
        loop {
            self.prove().await;
            let valid = self.proof.proof.borrow().is_valid();
            let due = Instant::now() + if valid { RENEW } else { AGAIN };
            if let Some(stranger) = self.stranger(&mut heard, due).await {
                self.proof.set(Proof::Unproven(vec![format!("server {stranger} is new and has not been asked yet")]));
            }
        }
    }

    /// Waits for a server that the proof does not cover, or until it is time.
    async fn stranger(&self, heard: &mut Subscriber, due: Instant) -> Option<String> {
        while Instant::now() < due {
            let id = match tokio::time::timeout(LOOK, heard.next()).await {
                Ok(Some(message)) => {
                    self.hear_storage(&message);
                    message.subject.split('.').nth(2).map(str::to_owned)
                }
                Ok(None) => {
                    tokio::time::sleep(LOOK).await;
                    None
                }
                Err(_) => self.link.connected().then(|| self.link.client().server_info().server_id),
            };
            let proof = self.proof.proof.borrow();
            if let Some(id) = id.filter(|id| proof.is_valid() && !proof.covers(id)) {
                return Some(id);
            }
        }
        None
    }

    /// What a server tells of itself every ten seconds, or whenever it likes, says how full it is: sooner than the next proof.
    fn hear_storage(&self, message: &Message) {
        let Ok(Spoken { server, statsz }) = serde_json::from_slice::<Spoken>(&message.payload) else { return };
        let Some(status) = statsz.jetstream.and_then(|told| told.storage_of(&server.name)) else { return };
        let mut known = self.server_storage.lock();
        if let Some(before) = known.iter_mut().find(|known| known.name == status.name) {
            *before = status;
        }
    }

    /// Asks all servers, and compares with where our streams are.
    async fn examine(&self, system: &Link) -> Result<(BTreeMap<String, Server>, Vec<String>), LogError> {
        let mut infos = Vec::new();
        for name in self.all_streams() {
            infos.push(self.link.stream(&name).await?.get_info().await.map_err(|error| busy(&error))?);
        }
        let needed: BTreeSet<&String> = infos.iter().flat_map(peers).collect();
        let mut reasons = Vec::new();
        let mut servers = BTreeMap::new();
        let mut storage = Vec::new();
        for Answer { server, data } in ask_all(system, &needed).await? {
            let Some(config) = &data.jetstream.config else { continue };
            let name = &server.name;
            if !is_new_enough(&data.version) {
                reasons.push(format!("server {name} has version {}: 2.15 or newer is needed", data.version));
            }
            if !config.sync_always {
                reasons.push(format!(
                    "server {name} acknowledges before it syncs: set jetstream {{ sync_interval: always }}"
                ));
            }
            if (1..MAX_MESSAGE).contains(&data.max_payload) {
                reasons.push(format!(
                    "server {name} takes messages up to {} bytes, {MAX_MESSAGE} are needed: set max_payload: 2MB",
                    data.max_payload
                ));
            }
            storage.push(data.jetstream.storage_of(name));
            servers.insert(server.id, Server { name: server.name, version: data.version });
        }
        *self.server_storage.lock() = storage.into_iter().flatten().collect();
        if servers.is_empty() {
            reasons.push("no server with JetStream answers the system user".into());
        }
        let covered = |peer: &str| servers.values().any(|server| server.name == peer);
        reasons.extend(infos.iter().flat_map(|info| faults_of(info, self.options.replicas)));
        let strangers = needed.into_iter().filter(|peer| !covered(peer));
        reasons.extend(strangers.map(|peer| format!("server {peer}, which has some of the streams, has not answered")));
        Ok((servers, reasons))
    }
}

async fn ask_all(system: &Link, needed: &BTreeSet<&String>) -> Result<Vec<Answer>, LogError> {
    let client = system.client();
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.map_err(|error| busy(&error))?;
    let asked = client.publish_with_reply(PING, inbox, bytes::Bytes::new()).await;
    asked.map_err(|error| busy(&error))?;
    let mut found: Vec<Answer> = Vec::new();
    let deadline = Instant::now() + ANSWERS;
    loop {
        let missing = needed.iter().any(|name| !found.iter().any(|answer| answer.server.name == **name));
        let left = deadline.saturating_duration_since(Instant::now());
        let wait = if found.is_empty() { left } else { left.min(if missing { QUIET } else { SHORT_QUIET }) };
        match tokio::time::timeout(wait, answers.next()).await {
            Ok(Some(Message { payload, status: None, .. })) => match serde_json::from_slice::<Answer>(&payload) {
                Ok(answer) => found.push(answer),
                Err(error) => return Err(LogError::Busy(format!("an answer of a server: {error}").into())),
            },
            Ok(Some(_)) => {
                return Err(LogError::Busy("nobody answers the system user: is it of the system account?".into()));
            }
            Ok(None) | Err(_) => break,
        }
    }
    if found.is_empty() { Err(LogError::Busy("no server answers the system user".into())) } else { Ok(found) }
}

#[cfg(test)]
mod tests;
