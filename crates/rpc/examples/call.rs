//! What a call of a stage costs: alone, one after the other, and under load, over TCP on this machine.
//!
//! `cargo run --release -p barid-rpc --example call [SECONDS]`. The parse stage judges an admission of 1.3 kB, the apply
//! stage runs six steps on it. Server and callers share the machine's processors.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a program for people who measure"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use barid_config::{Channel, Snapshot, Sources, compile};
use barid_model::stage::{Call, Local, Stage as _};
use barid_model::{Envelope, LaneHasher, MessageUid, Name, Payload, Timestamp};
use barid_rpc::serve::Applies;
use barid_rpc::{ApplyContract, Closures, Options, ParseContract, Remote, Revisions, Services, Target, listen, serve};
use barid_transform::{Applied, Apply, ApplyInput};
use barid_validate::{Parse, ParseInput, Peer, Verdict};
use bytes::Bytes;
use futures_util::future::BoxFuture;

const DOCUMENTS: &str = "
kind: Listener
metadata: {name: in}
spec: {mllp: {port: 2575, address: 127.0.0.1}, unknownFacility: accept}
---
kind: Destination
metadata: {name: out}
spec: {mllp: {endpoints: [\"127.0.0.1:2601\"]}}
---
kind: Channel
metadata: {name: a}
spec:
  from: {listeners: [{name: in}], when: \"msg.type == 'ADT'\"}
  order: {by: patient}
  transform:
    - set: {path: MSH-5, to: \"'A'\"}
    - set: {path: MSH-6, to: \"'B'\"}
    - copy: {from: PID-3.1, to: PID-2.1}
    - set: {path: PV1-2, to: \"'IMP'\"}
      when: \"msg['PV1-2'] == 'I'\"
    - delete: {path: \"AL1[*]\"}
    - set: {path: PID-11.6, to: \"'MRT'\"}
  routes: [{name: r, to: {destination: out}}]
";

struct Nowhere;

impl Closures for Nowhere {
    fn closure(&self, _: barid_model::Revision) -> BoxFuture<'_, Result<Option<Bytes>, String>> {
        Box::pin(async { Ok(None) })
    }
}

struct Program(Arc<Channel>);

impl Applies for Program {
    fn input(&self, envelope: Arc<Envelope>, raw: Payload, context: Bytes) -> ApplyInput {
        let sender = self.0.sender(&envelope.facility);
        let program = Arc::clone(&self.0.program);
        ApplyInput { envelope, raw, program, facility: sender.facts, limits: sender.limits, context }
    }
}

fn message(id: u32) -> Bytes {
    let filler = "OBX|1|NM|718-7^Hemoglobin^LN||13.5|g/dL|12-16|N|||F\r".repeat(16);
    format!(
        "MSH|^~\\&|SIH|CHN|BARID|MSP|20261122101500||ADT^A01^ADT_A01|{id}|P|2.5||||||UNICODE UTF-8\rEVN|A01|20261122101500\rPID|1||{id}^^^CHN^PI||Sow^Aïssata||19900101|F|||Nouakchott\rPV1|1|I\rAL1|1||penicillin\r{filler}"
    )
    .into()
}

struct Bench {
    snapshot: Arc<Snapshot>,
    peer: Arc<Peer>,
}

impl Bench {
    fn input(&self, id: u32) -> ParseInput {
        let received = Timestamp::from_millis(1_795_345_200_123);
        ParseInput {
            uid: MessageUid::new(received),
            raw: Payload::new(message(id)),
            received,
            listener: Name::local("in"),
            peer: Arc::clone(&self.peer),
            traceparent: None,
            table: Arc::clone(&self.snapshot.parse),
        }
    }

    fn apply_input(&self, id: u32) -> ApplyInput {
        let input = self.input(id);
        let Ok(Verdict::Accept(accepted)) = stage().apply(&input) else { panic!("the message is good") };
        let channel = &self.snapshot.channels[&Name::local("a")];
        Program(Arc::clone(channel)).input(Arc::new(accepted.envelope), input.raw, Bytes::new())
    }
}

fn stage() -> Parse {
    Parse::new(LaneHasher::new([7; 16]))
}

/// A replica with threads of its own.
fn replica(snapshot: &Snapshot) -> Target {
    let tables = Revisions::new(4, Arc::new(Nowhere), Arc::new(|_| Err(String::new())));
    tables.put(snapshot.parse.identity(), Arc::clone(&snapshot.parse));
    let programs = Revisions::new(4, Arc::new(Nowhere), Arc::new(|_| Err(String::new())));
    for channel in snapshot.channels.values() {
        programs.put(channel.revision, Arc::new(Program(Arc::clone(channel))));
    }
    let services =
        Services::new().parse(Arc::new(stage()), Arc::new(tables)).apply(Arc::new(Apply), Arc::new(programs));
    let (found, address) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(async {
            let listener = listen("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
            found.send(listener.address().unwrap()).unwrap();
            services.health().serving().await;
            serve(listener, services, std::future::pending()).await.unwrap();
        });
    });
    Target::Name(address.recv().unwrap().to_string())
}

fn quantiles(mut took: Vec<Duration>) -> String {
    took.sort();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    format!("p50 {:?}  p99 {:?}  p99.9 {:?}  max {:?}  ({} calls)", at(0.5), at(0.99), at(0.999), at(1.0), took.len())
}

async fn alone<I: 'static, O: 'static>(name: &str, call: &dyn Call<I, O>, input: impl Fn(u32) -> I, span: Duration) {
    let until = Instant::now() + span;
    let mut took = Vec::new();
    let mut id = 0;
    while Instant::now() < until {
        let input = input(id);
        let began = Instant::now();
        assert!(call.call(vec![input]).await.pop().is_some_and(|result| result.is_ok()));
        took.push(began.elapsed());
        id += 1;
    }
    println!("{name:<28} {}", quantiles(took));
}

async fn loaded<I: Clone + Send + Sync + 'static, O: Send + 'static>(
    name: &str,
    call: Arc<dyn Call<I, O>>,
    inputs: Vec<I>,
    callers: usize,
    batch: usize,
    span: Duration,
) {
    let inputs = Arc::new(inputs);
    let began = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let (call, inputs) = (Arc::clone(&call), Arc::clone(&inputs));
            tokio::spawn(async move {
                let (mut done, mut took) = (0_usize, Vec::new());
                while began.elapsed() < span {
                    let some = (0..batch).map(|i| inputs[(caller + i + done) % inputs.len()].clone()).collect();
                    let began = Instant::now();
                    let results = call.call(some).await;
                    took.push(began.elapsed());
                    assert!(results.iter().all(Result::is_ok));
                    done += results.len();
                }
                (done, took)
            })
        })
        .collect();
    let (mut done, mut took) = (0, Vec::new());
    for task in tasks {
        let (more, times) = task.await.unwrap();
        done += more;
        took.extend(times);
    }
    let rate = done as f64 / began.elapsed().as_secs_f64();
    println!("{name:<28} {rate:>9.0} messages/s  {}", quantiles(took));
}

fn main() {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(3);
    let span = Duration::from_secs(seconds);
    let compiled = compile(&Sources::from_texts([("bench.yaml", DOCUMENTS)]), None);
    assert!(compiled.is_good(), "{:?}", compiled.problems);
    let bench =
        Bench { snapshot: compiled.snapshot, peer: Arc::new(Peer { origin: "192.0.2.7:1".into(), ..Peer::default() }) };
    let target = replica(&bench.snapshot);
    println!("message: {} bytes", message(1).len());
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(async {
        let parse = Arc::new(Remote::<ParseContract>::new(vec![target.clone()], &Options::default()));
        let apply = Arc::new(Remote::<ApplyContract>::new(vec![target], &Options::default()));
        tokio::join!(parse.ready(), apply.ready());
        let here = Local::new(Arc::new(stage()));
        alone::<ParseInput, Verdict>("parse, local, alone", &here, |id| bench.input(id), span / 4).await;
        alone::<ParseInput, Verdict>("parse, remote, alone", &*parse, |id| bench.input(id), span).await;
        let template = bench.apply_input(1);
        alone::<ApplyInput, Applied>("apply, remote, alone", &*apply, |_| template.clone(), span).await;
        let inputs: Vec<ParseInput> = (0..512).map(|id| bench.input(id)).collect();
        for (callers, batch) in [(4, 1), (64, 1), (256, 1), (4, 64)] {
            let name = format!("parse, {callers} callers of {batch}");
            loaded::<ParseInput, Verdict>(&name, Arc::clone(&parse) as _, inputs.clone(), callers, batch, span).await;
        }
        println!("{:?}", parse.figures());
        let inputs: Vec<ApplyInput> = (0..512).map(|id| bench.apply_input(id)).collect();
        for (callers, batch) in [(64, 1), (4, 64)] {
            let name = format!("apply, {callers} callers of {batch}");
            loaded::<ApplyInput, Applied>(&name, Arc::clone(&apply) as _, inputs.clone(), callers, batch, span).await;
        }
        println!("{:?}", apply.figures());
    });
}
