//! An engine's stand-in: answers from fixed rows, remembers what it was told.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use barid_model::{DeliveryId, Digest, Finding, MessageUid, Name, Revision, Timestamp};
use barid_runtime::control::protocol::*;
use barid_runtime::control::{CommandError, CommandResult, Commands, bind};
use barid_runtime::{Shutdown, admin};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

/// 2026-11-22T10:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_795_341_600_000);
/// The message that the stand-in knows.
pub(crate) const UID: &str = "019ab3c4-0000-7000-8000-000000000001";
/// Its bytes: French, Arabic, and what would drive a terminal.
pub(crate) const RAW: &[u8] =
    "MSH|^~\\&|HIS|CHN|||20261122||ADT^A01^ADT_A01|42|P|2.5|||||||UNICODE UTF-8\rPID|1||A7^^^CHN||Sow^Zaïnab~بنت أحمد^زينب\r".as_bytes();

/// An engine that answers until it is dropped.
pub(crate) struct Engine {
    pub(crate) data: tempfile::TempDir,
    pub(crate) told: Arc<Mutex<Vec<String>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Engine {
    /// A running one.
    pub(crate) fn start() -> Self {
        Self::with(Fake::default())
    }

    /// A running one with this state.
    pub(crate) fn with(fake: Fake) -> Self {
        let data = tempfile::tempdir().unwrap();
        let told = Arc::clone(&fake.told);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let shutdown = Shutdown::new(Duration::from_secs(5));
        let control = runtime.block_on(async { bind(data.path()) }).unwrap();
        let commands: Arc<dyn Commands> = Arc::new(fake);
        let drain = shutdown.drain();
        runtime.spawn(async move {
            let _shutdown = shutdown;
            control.serve(commands, drain).await
        });
        Self { data, told, _runtime: runtime }
    }

    /// Its data directory.
    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    /// The last thing it was told.
    pub(crate) fn last(&self) -> String {
        self.told.lock().last().cloned().unwrap_or_default()
    }
}

/// The stand-in's state.
pub(crate) struct Fake {
    pub(crate) told: Arc<Mutex<Vec<String>>>,
    /// How many messages it has.
    pub(crate) messages: u32,
    /// Whether its balance holds.
    pub(crate) holds: bool,
    /// Its state.
    pub(crate) state: EngineState,
}

impl Default for Fake {
    fn default() -> Self {
        Self { told: Arc::default(), messages: 3, holds: true, state: EngineState::Running }
    }
}

impl Fake {
    fn said<A: Send + 'static>(&self, what: String, answer: A) -> BoxFuture<'_, CommandResult<A>> {
        self.told.lock().push(what);
        Box::pin(std::future::ready(Ok(answer)))
    }
}

pub(crate) fn uid() -> MessageUid {
    MessageUid::read(UID).unwrap()
}

fn row(n: u32) -> MessageRow {
    MessageRow {
        uid: uid(),
        received: NOW.plus(Duration::from_secs(u64::from(n))),
        facility: "default/chn".into(),
        verified: true,
        listener: Name::local("mllp"),
        channel: Some(Name::new("regions", "admissions")),
        message_type: "ADT^A01".into(),
        control_id: format!("MSG\x1b[2J{n}"),
        cause: "received".into(),
        bytes: 1_300,
        state: state::HELD.into(),
        deliveries: vec![DeliverySummary {
            route: "registry".into(),
            destination: Some(Name::local("client-registry")),
            state: state::HELD.into(),
            possible_duplicate: true,
        }],
    }
}

fn finding() -> Finding {
    Finding::error(103, "PV1-2", "table", "the value is not in its table")
}

fn done(matched: u64) -> Done {
    Done { matched, done: matched, ..Done::default() }
}

impl Commands for Fake {
    fn status(&self) -> BoxFuture<'_, CommandResult<Status>> {
        let mut status = super::reading::status();
        status.state = self.state;
        self.said("status".into(), status)
    }
    fn messages(&self, query: MessageQuery) -> BoxFuture<'_, CommandResult<Page<MessageRow>>> {
        let from: u32 = query.cursor.as_ref().map_or(0, |cursor| cursor.parse().unwrap());
        let to = self.messages.min(from + query.rows());
        let next = (to < self.messages).then(|| to.to_string());
        self.said(format!("messages {query:?}"), Page { rows: (from..to).map(row).collect(), next })
    }
    fn refused(&self, query: RefusedQuery) -> BoxFuture<'_, CommandResult<Page<RefusedRow>>> {
        let row = RefusedRow {
            position: 1,
            at: NOW,
            listener: Name::local("mllp"),
            origin: "10.0.0.7:4711".into(),
            facility: None,
            channel: None,
            message_type: "ORU^R01".into(),
            control_id: "9".into(),
            code: "AE".into(),
            findings: vec![finding()],
        };
        self.said(format!("refused {query:?}"), Page { rows: vec![row], next: None })
    }
    fn parked(&self, query: ParkedQuery) -> BoxFuture<'_, CommandResult<Page<ParkedRow>>> {
        let row = ParkedRow {
            id: Some(DeliveryId::from_bytes([0xab; 16])),
            uid: uid(),
            at: NOW,
            received: NOW,
            why: "held".into(),
            destination: Some(Name::local("client-registry")),
            channel: Some(Name::local("admissions")),
            route: "registry".into(),
            facility: "default/chn".into(),
            message_type: "ADT^A01".into(),
            attempts: 3,
            lanes: vec!["0000000000000abc".into()],
            answer: Some("AE".into()),
            findings: vec![finding()],
        };
        self.said(format!("parked {query:?}"), Page { rows: vec![row], next: None })
    }
    fn show(&self, asked: MessageUid) -> BoxFuture<'_, CommandResult<MessageDetail>> {
        if asked != uid() {
            return Box::pin(std::future::ready(Err(CommandError::not_found(format!("no message {asked} is known")))));
        }
        let detail = MessageDetail {
            row: row(0),
            speaks_for: None,
            revision: Revision::of(b"r"),
            sha256: Digest::of(RAW),
            origin: "10.0.0.7:4711".into(),
            structure: "ADT_A01".into(),
            version: "2.5".into(),
            lanes: vec!["0000000000000abc".into()],
            place: Some("in.03@7".into()),
            parents: Vec::new(),
            children: Vec::new(),
            duplicate_of: None,
            traceparent: None,
            reason: None,
            findings: Vec::new(),
            keys: vec!["patient".into()],
            payload_kept: true,
            runs: vec![DeliveryDetail {
                id: DeliveryId::from_bytes([0xab; 16]),
                route: "registry".into(),
                part: 0,
                run: 1,
                destination: Some(Name::local("client-registry")),
                chained: None,
                state: state::HELD.into(),
                at: Some(NOW),
                attempts: 3,
                possible_duplicate: true,
                answer: Some("AE".into()),
                findings: vec![finding()],
                actor: None,
                reason: None,
                failing: None,
            }],
            events: vec![Event { at: NOW, what: "accepted".into(), route: None, text: "through mllp".into() }],
        };
        self.said(format!("show {asked}"), detail)
    }
    fn payload(&self, request: PayloadRequest) -> BoxFuture<'_, CommandResult<Bytes>> {
        self.said(format!("payload {:?}", request.which), Bytes::from_static(RAW))
    }
    fn audit(&self, request: AuditRequest) -> BoxFuture<'_, CommandResult<Audit>> {
        let delivered = if self.holds { 4 } else { 3 };
        let audit = Audit {
            at: NOW,
            holds: self.holds,
            messages: MessageBalance { accepted: 3, routed: 2, duplicate: 1, ..MessageBalance::default() },
            deliveries: DeliveryBalance { routed: 5, delivered, in_flight: 1, ..DeliveryBalance::default() },
            ..Audit::default()
        };
        self.said(format!("{request:?}"), audit)
    }
    fn explain(&self, request: ExplainRequest) -> BoxFuture<'_, CommandResult<Explanation>> {
        let setting = Setting { path: "duplicates.window".into(), value: "24h".into(), from: "built in".into() };
        let explanation =
            Explanation { document: request.document.clone(), revision: "abc".into(), settings: vec![setting] };
        self.said(format!("{request:?}"), explanation)
    }
    fn snapshot(&self) -> BoxFuture<'_, CommandResult<SnapshotView>> {
        self.said("snapshot".into(), SnapshotView { number: 4, documents: serde_json::json!([]) })
    }
    fn probe(&self, request: ProbeRequest) -> BoxFuture<'_, CommandResult<Probed>> {
        let facts = [("address".to_owned(), "10.0.0.9:2575".to_owned())].into();
        let met = MetView { target: "registry.example:2575".into(), usable: true, problem: None, took_ms: 12.5, facts };
        self.said(format!("{request:?}"), Probed { met: vec![met] })
    }
    fn replay(&self, request: ReplayRequest) -> BoxFuture<'_, CommandResult<Replayed>> {
        let messages = vec![ReplayedMessage { from: uid(), uid: Some(uid()) }];
        self.said(format!("{request:?}"), Replayed { matched: 1, made: 1, messages, missed: Vec::new() })
    }
    fn resend(&self, request: ResendRequest) -> BoxFuture<'_, CommandResult<Resent>> {
        self.said(format!("{request:?} {:?}", request.raw), Resent { uid: uid() })
    }
    fn rerun(&self, request: RerunRequest) -> BoxFuture<'_, CommandResult<Done>> {
        self.said(format!("{request:?}"), done(2))
    }
    fn discard(&self, request: DiscardRequest) -> BoxFuture<'_, CommandResult<Done>> {
        if request.dry_run {
            return self.said(format!("{request:?}"), done(0));
        }
        let missed = vec![Missed { id: UID.into(), why: "it is not quarantined".into() }];
        self.said(format!("{request:?}"), Done { matched: 2, done: 1, missed, ..Done::default() })
    }
    fn release(&self, request: ReleaseRequest) -> BoxFuture<'_, CommandResult<Done>> {
        self.said(format!("{request:?}"), done(1))
    }
    fn pause(&self, request: PauseRequest) -> BoxFuture<'_, CommandResult<Done>> {
        self.said(format!("{request:?}"), done(1))
    }
    fn resume(&self, request: ResumeRequest) -> BoxFuture<'_, CommandResult<Done>> {
        self.said(format!("{request:?}"), done(1))
    }
    fn reload(&self, request: ReloadRequest) -> BoxFuture<'_, CommandResult<Reloaded>> {
        let problem = ProblemView {
            document: "Channel default/adt".into(),
            file: "channels/adt.yaml".into(),
            line: 12,
            column: 5,
            field: "spec.routes[0].when".into(),
            text: "unknown name".into(),
            remedy: "msg.event is meant".into(),
            severity: "error".into(),
        };
        self.said(format!("{request:?}"), Reloaded { snapshot: 8, changed: Vec::new(), problems: vec![problem] })
    }
}

/// The admin endpoint's address as a status shows it.
pub(crate) fn admin_address() -> String {
    admin::DEFAULT_ADDRESS.to_owned()
}
