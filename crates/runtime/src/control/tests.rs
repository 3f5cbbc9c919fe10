use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use barid_model::{DeliveryId, Digest, Lane, MessageUid, Name, Revision, Timestamp};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use super::protocol::*;
use super::socket::{SOCKET_FILE, SocketError};
use super::{Client, CommandError, CommandResult, Commands, ControlError, ErrorKind, bind, locate};
use crate::shutdown::Shutdown;

/// An engine that remembers what it was told.
#[derive(Default)]
struct Fake {
    told: Mutex<Vec<String>>,
    delay: Duration,
}

impl Fake {
    fn told<A: Send + 'static>(&self, what: String, answer: CommandResult<A>) -> BoxFuture<'_, CommandResult<A>> {
        self.told.lock().push(what);
        Box::pin(async move {
            tokio::time::sleep(self.delay).await;
            answer
        })
    }
}

fn uid(n: u8) -> MessageUid {
    MessageUid::from_bytes([n; 16])
}

fn row(n: u8) -> MessageRow {
    MessageRow {
        uid: uid(n),
        received: Timestamp::from_micros(1_700_000_000_123_456),
        facility: "default/chn".into(),
        verified: true,
        listener: Name::local("mllp"),
        channel: Some(Name::new("regions", "admissions")),
        message_type: "ADT^A01".into(),
        control_id: "MSG1".into(),
        cause: "received".into(),
        bytes: 1300,
        state: state::IN_FLIGHT.into(),
        deliveries: vec![DeliverySummary {
            route: "registry".into(),
            destination: None,
            state: state::DELIVERED.into(),
            possible_duplicate: false,
        }],
    }
}

fn done() -> Done {
    Done {
        matched: 3,
        done: 2,
        missed: vec![Missed { id: "x".into(), why: "not quarantined".into() }],
        ..Done::default()
    }
}

impl Commands for Fake {
    fn status(&self) -> BoxFuture<'_, CommandResult<Status>> {
        self.told("status".into(), Err(CommandError::unavailable("starting")))
    }
    fn messages(&self, query: MessageQuery) -> BoxFuture<'_, CommandResult<Page<MessageRow>>> {
        let next = query.cursor.is_none().then(|| "after 2".to_owned());
        self.told(format!("messages {query:?}"), Ok(Page { rows: vec![row(1), row(2)], next }))
    }
    fn refused(&self, query: RefusedQuery) -> BoxFuture<'_, CommandResult<Page<RefusedRow>>> {
        self.told(format!("refused {query:?}"), Ok(Page::default()))
    }
    fn parked(&self, query: ParkedQuery) -> BoxFuture<'_, CommandResult<Page<ParkedRow>>> {
        self.told(format!("parked {query:?}"), Ok(Page::default()))
    }
    fn show(&self, uid: MessageUid) -> BoxFuture<'_, CommandResult<MessageDetail>> {
        self.told(format!("show {uid}"), Err(CommandError::not_found(format!("no message {uid}"))))
    }
    fn payload(&self, request: PayloadRequest) -> BoxFuture<'_, CommandResult<Bytes>> {
        self.told(format!("payload {request:?}"), Ok(Bytes::from_static(b"MSH|^~\\&|\xff\x00\r")))
    }
    fn audit(&self, _: AuditRequest) -> BoxFuture<'_, CommandResult<Audit>> {
        self.told("audit".into(), Ok(Audit { holds: true, ..Audit::default() }))
    }
    fn explain(&self, request: ExplainRequest) -> BoxFuture<'_, CommandResult<Explanation>> {
        self.told(
            "explain".into(),
            Ok(Explanation { document: request.document, revision: "r".into(), settings: Vec::new() }),
        )
    }
    fn snapshot(&self) -> BoxFuture<'_, CommandResult<SnapshotView>> {
        self.told("snapshot".into(), Ok(SnapshotView { number: 7, ..SnapshotView::default() }))
    }
    fn probe(&self, _: ProbeRequest) -> BoxFuture<'_, CommandResult<Probed>> {
        self.told("probe".into(), Ok(Probed::default()))
    }
    fn replay(&self, request: ReplayRequest) -> BoxFuture<'_, CommandResult<Replayed>> {
        self.told(format!("replay by {}: {}", request.by.actor, request.by.reason), Ok(Replayed::default()))
    }
    fn resend(&self, request: ResendRequest) -> BoxFuture<'_, CommandResult<Resent>> {
        self.told(format!("resend {} {:?}", request.uid, request.raw), Ok(Resent { uid: uid(9) }))
    }
    fn rerun(&self, request: RerunRequest) -> BoxFuture<'_, CommandResult<Done>> {
        self.told(format!("{request:?}"), Ok(done()))
    }
    fn discard(&self, request: DiscardRequest) -> BoxFuture<'_, CommandResult<Done>> {
        self.told(format!("{request:?}"), Err(CommandError::conflict("not quarantined")))
    }
    fn release(&self, request: ReleaseRequest) -> BoxFuture<'_, CommandResult<Done>> {
        self.told(format!("{request:?}"), Ok(done()))
    }
    fn pause(&self, request: PauseRequest) -> BoxFuture<'_, CommandResult<Done>> {
        self.told(format!("{request:?}"), Ok(done()))
    }
    fn resume(&self, request: ResumeRequest) -> BoxFuture<'_, CommandResult<Done>> {
        self.told(format!("{request:?}"), Ok(done()))
    }
    fn reload(&self, _: ReloadRequest) -> BoxFuture<'_, CommandResult<Reloaded>> {
        self.told("reload".into(), Ok(Reloaded { snapshot: 8, ..Reloaded::default() }))
    }
}

struct Running {
    fake: Arc<Fake>,
    shutdown: Shutdown,
    client: Client,
    _task: tokio::task::JoinHandle<Result<(), ControlError>>,
}

async fn running(data: &Path, delay: Duration) -> Running {
    let fake = Arc::new(Fake { delay, ..Fake::default() });
    let shutdown = Shutdown::new(Duration::from_secs(5));
    let control = bind(data).unwrap();
    let commands: Arc<dyn Commands> = Arc::clone(&fake) as _;
    let task = tokio::spawn(control.serve(commands, shutdown.drain()));
    let client = Client::connect(data).await.unwrap().expect("an engine runs");
    Running { fake, shutdown, client, _task: task }
}

fn by() -> By {
    By { actor: "fatima".into(), reason: "registry was restored".into() }
}

#[tokio::test]
async fn a_page_comes_back_as_it_was_given_with_its_cursor() {
    let data = tempfile::tempdir().unwrap();
    let engine = running(data.path(), Duration::ZERO).await;
    let query = MessageQuery {
        patient: Some("4711".into()),
        since: Some(Timestamp::from_millis(1_000)),
        ..MessageQuery::default()
    };
    let page = engine.client.messages(query.clone()).await.unwrap();
    assert_eq!(page, Page { rows: vec![row(1), row(2)], next: Some("after 2".into()) });
    assert_eq!(engine.fake.told.lock().pop().unwrap(), format!("messages {query:?}"));
    let last = engine.client.messages(MessageQuery { cursor: page.next, ..query }).await.unwrap();
    assert_eq!(last.next, None);
    assert_eq!(engine.client.parked(ParkedQuery::default()).await.unwrap(), Page::default());
}

#[tokio::test]
async fn an_error_of_the_engine_reaches_the_tool_with_its_kind_and_text() {
    let data = tempfile::tempdir().unwrap();
    let engine = running(data.path(), Duration::ZERO).await;
    assert_eq!(
        engine.client.show(uid(5)).await.unwrap_err(),
        CommandError::not_found(format!("no message {}", uid(5)))
    );
    assert_eq!(engine.client.status().await.unwrap_err().kind, ErrorKind::Unavailable);
    let select = DeliverySelection::Message { uid: uid(1), route: None };
    let request = DiscardRequest { by: by(), select, limit: 10, dry_run: false, keep: false };
    assert_eq!(engine.client.discard(request).await.unwrap_err().kind, ErrorKind::Conflict);
}

#[tokio::test]
async fn a_command_arrives_with_who_and_why_and_what() {
    let data = tempfile::tempdir().unwrap();
    let engine = running(data.path(), Duration::ZERO).await;
    let raw = Bytes::from_static(b"MSH|^~\\&|\xe9\r");
    let resent = engine.client.resend(ResendRequest { by: by(), uid: uid(3), raw: raw.clone() }).await.unwrap();
    assert_eq!(resent.uid, uid(9));
    assert_eq!(engine.fake.told.lock().pop().unwrap(), format!("resend {} {raw:?}", uid(3)));
    let release = ReleaseRequest {
        by: by(),
        destination: Name::local("registry"),
        lane: Some(LaneText(Lane::from_raw(0xabc))),
        head: HeldHead::Discard,
    };
    assert_eq!(engine.client.release(release.clone()).await.unwrap(), done());
    assert_eq!(engine.fake.told.lock().pop().unwrap(), format!("{release:?}"));
    let rerun = RerunRequest {
        by: by(),
        select: DeliverySelection::Deliveries(vec![DeliveryId::from_bytes([7; 16])]),
        limit: 5,
        dry_run: true,
    };
    engine.client.rerun(rerun.clone()).await.unwrap();
    assert_eq!(engine.fake.told.lock().pop().unwrap(), format!("{rerun:?}"));
    engine
        .client
        .replay(ReplayRequest {
            by: by(),
            select: Selection::Uids(vec![uid(1)]),
            revision: ReplayRevision::Then,
            limit: 1,
            dry_run: false,
        })
        .await
        .unwrap();
    assert_eq!(engine.fake.told.lock().pop().unwrap(), "replay by fatima: registry was restored");
}

#[tokio::test]
async fn payload_bytes_come_back_unchanged() {
    let data = tempfile::tempdir().unwrap();
    let engine = running(data.path(), Duration::ZERO).await;
    let which = PayloadKind::Transformed { route: "registry".into(), part: 0, run: None };
    let bytes = engine.client.payload(PayloadRequest { uid: uid(1), which }).await.unwrap();
    assert_eq!(bytes, Bytes::from_static(b"MSH|^~\\&|\xff\x00\r"));
}

#[tokio::test]
async fn the_socket_is_its_owners_alone() {
    let data = tempfile::tempdir().unwrap();
    let _engine = running(data.path(), Duration::ZERO).await;
    let mode = std::fs::metadata(data.path().join(SOCKET_FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_second_engine_on_the_same_directory_is_refused_and_the_first_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let engine = running(data.path(), Duration::ZERO).await;
    let error = bind(data.path()).unwrap_err();
    assert!(matches!(error, ControlError::Socket(SocketError::Running(_))), "{error}");
    assert_eq!(engine.client.snapshot().await.unwrap().number, 7);
}

#[tokio::test]
async fn what_a_killed_engine_left_is_taken_over_and_no_engine_is_said_to_run() {
    let data = tempfile::tempdir().unwrap();
    drop(std::os::unix::net::UnixListener::bind(data.path().join(SOCKET_FILE)).unwrap());
    assert!(Client::connect(data.path()).await.unwrap().is_none());
    let engine = running(data.path(), Duration::ZERO).await;
    assert_eq!(engine.client.snapshot().await.unwrap().number, 7);
}

#[tokio::test]
async fn a_data_directory_with_a_long_path_has_its_socket_elsewhere_and_is_found() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("d".repeat(60)).join("e".repeat(60));
    std::fs::create_dir_all(&data).unwrap();
    let engine = running(&data, Duration::ZERO).await;
    let place = locate(&data).unwrap().unwrap();
    assert!(!place.starts_with(root.path()) && place.as_os_str().len() <= 100, "{place:?}");
    let mode = std::fs::metadata(place.parent().unwrap()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(engine.client.snapshot().await.unwrap().number, 7);
    std::fs::remove_dir_all(place.parent().unwrap()).unwrap();
}

#[tokio::test]
async fn no_engine_in_an_empty_or_missing_directory() {
    let data = tempfile::tempdir().unwrap();
    assert!(Client::connect(data.path()).await.unwrap().is_none());
    assert!(Client::connect(&data.path().join("missing")).await.unwrap().is_none());
}

#[tokio::test]
async fn more_commands_than_slots_are_told_to_come_again() {
    let data = tempfile::tempdir().unwrap();
    let engine = running(data.path(), Duration::from_millis(300)).await;
    let calls = (0..24).map(|_| engine.client.audit(AuditRequest::default()));
    let answers = futures_util::future::join_all(calls).await;
    let refused = answers
        .iter()
        .filter(|answer| answer.as_ref().is_err_and(|error| error.kind == ErrorKind::Unavailable))
        .count();
    assert_eq!((refused, answers.len() - refused), (8, 16));
}

#[tokio::test]
async fn commands_are_answered_through_the_drain() {
    let data = tempfile::tempdir().unwrap();
    let engine = running(data.path(), Duration::ZERO).await;
    engine.shutdown.begin("test", crate::Exit::Ok);
    assert_eq!(engine.client.snapshot().await.unwrap().number, 7);
}

#[test]
fn a_request_with_an_unknown_field_or_without_a_reason_is_not_read() {
    assert!(serde_json::from_str::<MessageQuery>(r#"{"chanel":"default/x"}"#).is_err());
    assert!(serde_json::from_str::<PauseRequest>(r#"{"by":{"actor":"a"},"target":{"channel":"default/x"}}"#).is_err());
}

#[test]
fn a_resend_shows_its_size_and_not_its_bytes() {
    let request = ResendRequest { by: by(), uid: uid(1), raw: Bytes::from_static(b"PID|1||4711") };
    assert!(format!("{request:?}").contains("11 B") && !format!("{request:?}").contains("4711"));
}

#[test]
fn field_names_and_times_of_json_are_as_documented() {
    let json = serde_json::to_value(row(1)).unwrap();
    assert_eq!(json["received"], "2023-11-14T22:13:20.123456Z");
    assert_eq!(json["messageType"], "ADT^A01");
    assert_eq!(json["channel"], "regions/admissions");
    let detail = MessageDetail {
        row: row(1),
        speaks_for: None,
        revision: Revision::of(b"x"),
        sha256: Digest::of(b"x"),
        origin: "10.0.0.1:4711".into(),
        structure: "ADT_A01".into(),
        version: "2.5".into(),
        lanes: vec!["0000000000000abc".into()],
        place: None,
        parents: Vec::new(),
        children: Vec::new(),
        duplicate_of: None,
        traceparent: None,
        reason: None,
        findings: Vec::new(),
        keys: Vec::new(),
        payload_kept: true,
        runs: Vec::new(),
        events: Vec::new(),
    };
    let json = serde_json::to_value(&detail).unwrap();
    assert_eq!(json["uid"], uid(1).to_string());
    assert_eq!(serde_json::from_value::<MessageDetail>(json).unwrap(), detail);
}
