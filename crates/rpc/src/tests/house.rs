//! What the suite works with: a hospital's documents, stages that can be told to misbehave, replicas and callers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use barid_config::{Channel, Snapshot, Sources, compile};
use barid_model::stage::{Call, Local, Stage, StageError};
use barid_model::{Envelope, LaneHasher, MessageUid, Name, Payload, Revision, Timestamp};
use barid_transform::{Applied, Apply, ApplyInput};
use barid_validate::{Parse, ParseInput, ParseTable, Peer, Verdict};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::runtime::Runtime;
use tokio::sync::broadcast;

use crate::serve::Applies;
use crate::tls::Tls;
use crate::transport::in_process;
use crate::{
    ApplyContract, Closures, Listener, Options, ParseContract, Remote, Revisions, Services, Target, listen, serve,
};

/// Longest that anything of the suite may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A channel whose mapping fails on what no table has, and one that sends the same message to many.
const MORE: &str = "
kind: Channel
metadata: {name: failing}
spec:
  from: {listeners: [{name: mllp}], when: \"msg.type == 'BAR'\"}
  priority: 5
  transform: [{lookup: {path: PV1-2, table: {name: patient-class}, onMiss: fail}}]
  routes: [{name: one, to: {destination: client-registry}}]
---
kind: Channel
metadata: {name: many}
spec:
  from: {listeners: [{name: mllp}], when: \"msg.type == 'DFT'\"}
  priority: 5
  filter: \"msg.event != 'P99'\"
  routes:
    - {name: untouched, to: {destination: laboratory-archive}}
    - {name: other, to: {destination: laboratory-archive}}
    - {name: changed, to: {destination: client-registry}, transform: [{set: {path: MSH-5, to: \"'MANY'\"}}]}
    - {name: not-this, to: {destination: client-registry}, when: \"false\"}
    - {name: chained, to: {channel: failing}}
    - {name: broken, to: {destination: client-registry}, transform: [{lookup: {path: MSH-5, table: {name: sex}, onMiss: fail}}]}
";

/// Documents and what they are compiled to.
pub(super) struct House {
    pub(super) snapshot: Snapshot,
    pub(super) table: Arc<ParseTable>,
    pub(super) tables: Arc<Shelf>,
    pub(super) closures: Arc<Shelf>,
}

pub(super) fn examples(folder: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(folder)
}

impl House {
    pub(super) fn new() -> Self {
        let read = |file: &str| std::fs::read_to_string(examples("hospital").join(file)).unwrap();
        let files = ["admissions", "destinations", "exchange", "facilities", "listeners", "results", "shared"];
        let mut texts: Vec<(String, String)> =
            files.iter().map(|name| (format!("{name}.yaml"), read(&format!("{name}.yaml")))).collect();
        texts.push(("more.yaml".to_owned(), MORE.to_owned()));
        let compiled = compile(&Sources::from_texts(texts.iter().map(|(name, text)| (&**name, &**text))), None);
        let problems: Vec<String> =
            compiled.problems.iter().filter(|problem| problem.is_error()).map(ToString::to_string).collect();
        assert_eq!(problems, Vec::<String>::new());
        let snapshot = Arc::into_inner(compiled.snapshot).unwrap();
        let table = Arc::clone(&snapshot.parse);
        let closures = Shelf::default();
        for channel in snapshot.channels.values() {
            closures.0.lock().insert(channel.revision, channel.closure.clone());
        }
        Self { snapshot, table, tables: Arc::default(), closures: Arc::new(closures) }
    }

    /// A message that came in at the listener.
    pub(super) fn input(&self, raw: &[u8]) -> ParseInput {
        self.input_from(raw, &Arc::new(Peer { origin: "192.0.2.7:40112".into(), ..Peer::default() }))
    }

    pub(super) fn input_from(&self, raw: &[u8], peer: &Arc<Peer>) -> ParseInput {
        let received = Timestamp::from_millis(1_795_345_200_123);
        ParseInput {
            uid: MessageUid::new(received),
            raw: Payload::new(Bytes::copy_from_slice(raw)),
            received,
            listener: Name::local("mllp"),
            peer: Arc::clone(peer),
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
            table: Arc::clone(&self.table),
        }
    }

    /// What the apply stage is given of an accepted message.
    pub(super) fn apply_input(&self, envelope: Envelope, raw: &Payload) -> ApplyInput {
        let channel = &self.snapshot.channels[envelope.channel.as_ref().unwrap()];
        let sender = channel.sender(&envelope.facility);
        ApplyInput {
            limits: sender.limits,
            ..ApplyInput::new(Arc::new(envelope), raw.clone(), Arc::clone(&channel.program), sender.facts)
        }
    }

    /// An input of the apply stage for this message, which has to be acceptable.
    pub(super) fn accepted(&self, raw: &[u8]) -> ApplyInput {
        let input = self.input(raw);
        match parse_stage().0.apply(&input).unwrap() {
            Verdict::Accept(accepted) => self.apply_input(accepted.envelope, &input.raw),
            other => panic!("not accepted: {other:?}"),
        }
    }

    /// What a replica serves.
    pub(super) fn services(&self) -> Services {
        let tables =
            Revisions::new(4, Arc::clone(&self.tables) as Arc<dyn Closures>, Arc::new(|_| Err("none".to_owned())));
        tables.put(self.table.identity(), Arc::clone(&self.table));
        let programs = Revisions::new(
            64,
            Arc::clone(&self.closures) as Arc<dyn Closures>,
            Arc::new(|closure| {
                Channel::from_closure(closure).map(Program).map(Arc::new).map_err(|error| error.to_string())
            }),
        );
        Services::new()
            .parse(Arc::new(parse_stage()), Arc::new(tables))
            .apply(Arc::new(Tricky(Apply)), Arc::new(programs))
    }
}

/// Closures by revision, as the log has them.
#[derive(Default)]
pub(super) struct Shelf(pub(super) Mutex<HashMap<Revision, Bytes>>);

impl Closures for Shelf {
    fn closure(&self, revision: Revision) -> BoxFuture<'_, Result<Option<Bytes>, String>> {
        let found = self.0.lock().get(&revision).cloned();
        async move { Ok(found) }.boxed()
    }
}

struct Program(Channel);

impl Applies for Program {
    fn input(&self, envelope: Arc<Envelope>, raw: Payload, context: Bytes) -> ApplyInput {
        let sender = self.0.sender(&envelope.facility);
        let program = Arc::clone(&self.0.program);
        ApplyInput { envelope, raw, program, facility: sender.facts, limits: sender.limits, context }
    }
}

/// A stage that does what a message tells it to.
pub(super) struct Tricky<S>(pub(super) S);

pub(super) fn parse_stage() -> Tricky<Parse> {
    Tricky(Parse::new(LaneHasher::new([7; 16])))
}

pub(super) trait Raw {
    fn raw(&self) -> &Payload;
}

impl Raw for ParseInput {
    fn raw(&self) -> &Payload {
        &self.raw
    }
}

impl Raw for ApplyInput {
    fn raw(&self) -> &Payload {
        &self.raw
    }
}

impl<S: Stage> Stage for Tricky<S>
where
    S::Input: Raw,
{
    type Input = S::Input;
    type Output = S::Output;

    fn apply(&self, input: &S::Input) -> Result<S::Output, StageError> {
        let said = |word: &[u8]| input.raw().windows(word.len()).any(|found| found == word);
        if input.raw().len() < 4_096 {
            assert!(!said(b"CRASH-HERE"), "as told");
            if said(b"SLEEP-HERE") {
                std::thread::sleep(Duration::from_millis(1_500));
            }
            if said(b"PAUSE-HERE") {
                std::thread::sleep(Duration::from_millis(50));
            }
            if said(b"KILL-HERE") {
                // As an overflown stack would: the whole replica goes, with all that it has in hand.
                let relays = KILLED.send(());
                std::thread::sleep(Duration::from_millis(20 * relays.map_or(1, |_| 5)));
            }
        }
        self.0.apply(input)
    }
}

/// Tells the relays of one test that their replicas were killed by a message.
pub(super) static KILLED: LazyLock<broadcast::Sender<()>> = LazyLock::new(|| broadcast::Sender::new(16));

/// A replica with threads of its own, so that it can be killed.
pub(super) struct Replica {
    runtime: Option<Runtime>,
    pub(super) address: SocketAddr,
}

impl Replica {
    pub(super) fn start(services: Services, tls: Option<Arc<Tls>>) -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)), services, tls)
    }

    pub(super) fn at(address: SocketAddr, services: Services, tls: Option<Arc<Tls>>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (found, address_found) = std::sync::mpsc::sync_channel(1);
        runtime.spawn(async move {
            let deadline = tokio::time::Instant::now() + PATIENCE;
            let listener = loop {
                match listen(address, tls.clone()).await {
                    Ok(listener) => break listener,
                    Err(error) if tokio::time::Instant::now() > deadline => panic!("{error}"),
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            };
            found.send(listener.address().unwrap()).unwrap();
            services.health().serving().await;
            serve(listener, services, std::future::pending()).await.unwrap();
        });
        let address = address_found.recv_timeout(PATIENCE).unwrap();
        Self { runtime: Some(runtime), address }
    }

    /// Ends it as a kill would: connections break, nothing is answered.
    pub(super) fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    pub(super) fn target(&self) -> Target {
        Target::Name(self.address.to_string())
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Both stages as somebody calls them.
#[derive(Clone)]
pub(super) struct Callers {
    pub(super) way: &'static str,
    pub(super) parse: Arc<dyn Call<ParseInput, Verdict>>,
    pub(super) apply: Arc<dyn Call<ApplyInput, Applied>>,
}

pub(super) fn local() -> Callers {
    Callers {
        way: "local",
        parse: Arc::new(Local::new(Arc::new(parse_stage()))),
        apply: Arc::new(Local::new(Arc::new(Tricky(Apply)))),
    }
}

/// Over targets, once a replica serves.
pub(super) async fn remote(way: &'static str, targets: Vec<Target>, options: &Options) -> Callers {
    let parse = Remote::<ParseContract>::new(targets.clone(), options);
    let apply = Remote::<ApplyContract>::new(targets, options);
    within(async { tokio::join!(parse.ready(), apply.ready()) }).await;
    Callers { way, parse: Arc::new(parse), apply: Arc::new(apply) }
}

/// Over pipes in this process.
pub(super) async fn piped(house: &House, options: &Options) -> Callers {
    let (dial, listener): (_, Listener) = in_process();
    let services = house.services();
    services.health().serving().await;
    tokio::spawn(serve(listener, services, std::future::pending()));
    let parse = Remote::<ParseContract>::in_process(vec![dial.clone()], options);
    let apply = Remote::<ApplyContract>::in_process(vec![dial], options);
    within(async { tokio::join!(parse.ready(), apply.ready()) }).await;
    Callers { way: "gRPC in process", parse: Arc::new(parse), apply: Arc::new(apply) }
}

/// Patient enough for a machine with much else to do.
pub(super) fn patient() -> Options {
    Options { deadline: PATIENCE, attempt: PATIENCE, no_replica: PATIENCE, tls: None }
}

pub(super) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("within the patience of the suite")
}

/// An admission with this text as its control id.
pub(super) fn adt(id: &str) -> Vec<u8> {
    let lines = [
        format!("MSH|^~\\&|SIH|CHN|BARID|MSP|20261122101500||ADT^A01^ADT_A01|{id}|P|2.5"),
        "EVN|A01|20261122101500".to_owned(),
        "PID|1||1^^^CHN^PI||Sow^Aïssata".to_owned(),
        "PV1|1|I".to_owned(),
    ];
    lines.iter().flat_map(|line| [line.as_bytes(), b"\r"].concat()).collect()
}
