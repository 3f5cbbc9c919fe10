//! An engine in a process of its own, with its documents and its data.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use barid_model::MessageUid;
use barid_runtime::control::protocol::*;
use barid_runtime::control::{Client, Commands as _};

use crate::peers::{Receiver, Sender};

/// How long anything may take to happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// One listener, one channel in the order of patients, a folder, and two receivers that refuse what they are told to:
/// `registry` has what it refuses set aside, `strict` holds the lane.
pub(crate) const DOCUMENTS: &str = "\
kind: Listener
metadata: {name: in}
spec:
  mllp: {port: PORT, address: 127.0.0.1}
  unknownFacility: accept
  onUnmatched: accept
---
kind: Destination
metadata: {name: files}
spec:
  file: {directory: out, name: \"message.uid + '.hl7'\"}
---
kind: Destination
metadata: {name: registry}
spec:
  mllp: {endpoints: ['127.0.0.1:REGISTRY']}
  retry: {initial: 20ms, max: 100ms}
  onReject: quarantine
---
kind: Destination
metadata: {name: strict}
spec:
  mllp: {endpoints: ['127.0.0.1:STRICT']}
  retry: {initial: 20ms, max: 100ms}
  onReject: hold
---
kind: Channel
metadata: {name: admissions}
spec:
  from: {listeners: [{name: in}], when: \"msg.type == 'ADT'\"}
  order: {by: patient}
  index: [{name: visit, path: PV1-19.1}]
  routes:
    - {name: files, to: {destination: files}}
    - {name: registry, to: {destination: registry}, transform: [{set: {path: MSH-5, to: \"'MPI'\"}}]}
    - {name: strict, to: {destination: strict}, when: \"msg.event == 'A08'\"}
";

/// An engine that is killed when dropped.
pub(crate) struct Engine {
    pub(crate) directory: tempfile::TempDir,
    data: tempfile::TempDir,
    child: Option<Child>,
    pub(crate) port: u16,
    pub(crate) registry: Receiver,
    pub(crate) strict: Receiver,
}

impl Engine {
    /// Started with [`DOCUMENTS`], and ready.
    pub(crate) async fn start() -> Self {
        let mut engine = Self::new();
        engine.write("barid.yaml", DOCUMENTS);
        engine.run().await;
        engine
    }

    /// Not started, and without documents.
    pub(crate) fn new() -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self {
            directory: tempfile::tempdir().unwrap(),
            data: tempfile::tempdir().unwrap(),
            child: None,
            port,
            registry: Receiver::start(),
            strict: Receiver::start(),
        }
    }

    /// Writes a document file.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let text = text
            .replace("PORT", &self.port.to_string())
            .replace("REGISTRY", &self.registry.port.to_string())
            .replace("STRICT", &self.strict.port.to_string());
        std::fs::write(self.directory.path().join(name), text).unwrap();
    }

    /// Has it read its documents, which must be good.
    pub(crate) async fn reload(&self) -> Reloaded {
        let reloaded = self.client().await.reload(ReloadRequest { by: by() }).await.unwrap();
        assert_eq!(reloaded.problems, Vec::new());
        reloaded
    }

    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    fn spawn(&self) -> Child {
        let log = std::fs::File::options().create(true).append(true).open(self.log_file()).unwrap();
        Command::new(env!("CARGO_BIN_EXE_barid"))
            .arg("run")
            .arg(self.directory.path())
            .arg("--data")
            .arg(self.data.path())
            .args(["--admin", "127.0.0.1:0"])
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap()
    }

    /// The code with which it ends by itself.
    pub(crate) async fn ends(&self) -> i32 {
        let mut child = self.spawn();
        let ended = until("it ends", async || child.try_wait().unwrap());
        ended.await.code().unwrap()
    }

    /// Runs it on the data it has, until it is ready.
    pub(crate) async fn run(&mut self) {
        self.child = Some(self.spawn());
        until("it is ready", async || {
            let client = Client::connect(self.data()).await.ok()??;
            let status = client.status().await.ok()?;
            (status.state == EngineState::Running).then_some(())
        })
        .await;
    }

    fn log_file(&self) -> PathBuf {
        self.directory.path().join("engine.log")
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap()
    }

    /// Told to stop, and gone.
    pub(crate) fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        Command::new("kill").arg(child.id().to_string()).status().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{}", self.log());
    }

    /// Stopped and run again.
    pub(crate) async fn restart(&mut self) {
        self.stop();
        self.run().await;
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.data()).await.unwrap().expect("an engine runs")
    }

    /// A sender's connection.
    pub(crate) fn sender(&self) -> Sender {
        Sender::connect(self.port)
    }

    /// The message with this control id, once the ledger has it.
    pub(crate) async fn message(&self, control_id: &str) -> MessageRow {
        let query = MessageQuery { control_id: Some(control_id.to_owned()), ..MessageQuery::default() };
        let client = self.client().await;
        until(control_id, async || client.messages(query.clone()).await.unwrap().rows.into_iter().next()).await
    }

    /// Its identity.
    pub(crate) async fn uid(&self, control_id: &str) -> MessageUid {
        self.message(control_id).await.uid
    }

    /// Waits until a message is in this state, and shows it.
    pub(crate) async fn until_state(&self, uid: MessageUid, state: &str) -> MessageDetail {
        let client = self.client().await;
        until(&format!("{uid} is {state}"), async || {
            client.show(uid).await.ok().filter(|detail| detail.row.state == state)
        })
        .await
    }

    /// Waits until a route of a message is in this state.
    pub(crate) async fn until_route(&self, uid: MessageUid, route: &str, state: &str) -> DeliveryDetail {
        let client = self.client().await;
        until(&format!("{uid} by {route} is {state}"), async || {
            let detail = client.show(uid).await.ok()?;
            let last = detail.runs.into_iter().filter(|run| run.route == route).max_by_key(|run| run.run)?;
            (last.state == state).then_some(last)
        })
        .await
    }

    /// What waits.
    pub(crate) async fn parked(&self) -> Vec<ParkedRow> {
        self.client().await.parked(ParkedQuery::default()).await.unwrap().rows
    }

    /// The balance, which has to hold.
    pub(crate) async fn audit(&self) -> Audit {
        let audit = self.client().await.audit(AuditRequest::default()).await.unwrap();
        assert!(audit.holds && audit.behind == 0, "{audit:?}");
        audit
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

/// Who and why.
pub(crate) fn by() -> By {
    By { actor: "fatima".into(), reason: "the registry was wrong".into() }
}

/// Asks again and again until there is an answer.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {} s: {what}", PATIENCE.as_secs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
