//! The service as its callers meet it: a publisher, a log, and calls.

use std::path::Path;
use std::time::Duration;

use barid_config::{Sources, compile};
use barid_log::Revision as Stored;
use barid_log::memory::MemoryLog;
use barid_model::stage::{Call as _, Stage as _, StageError};
use barid_model::{LaneHasher, MessageUid, Name, Timestamp};
use barid_pipeline::subject;
use barid_replica::published;
use barid_rpc::config::Publisher;
use barid_rpc::{ApplyContract, Options as CallOptions, Remote, Target, listen, serve};
use barid_transform::{Applied, RouteOutput};
use barid_validate::{Parse, ParseInput, Verdict};
use clap::CommandFactory as _;

use super::*;

fn documents(to: &str) -> Arc<Snapshot> {
    let text = format!(
        "
kind: Listener
metadata: {{name: in}}
spec: {{mllp: {{port: 2575, address: 127.0.0.1}}, unknownFacility: accept}}
---
kind: Destination
metadata: {{name: out}}
spec: {{mllp: {{endpoints: [\"127.0.0.1:2601\"]}}}}
---
kind: Channel
metadata: {{name: a}}
spec:
  from: {{listeners: [{{name: in}}]}}
  transform: [{{set: {{path: MSH-5, to: \"'{to}'\"}}}}]
  routes: [{{name: r, to: {{destination: out}}}}]
"
    );
    let compiled = compile(&Sources::from_texts([("x.yaml", &*text)]), None);
    assert!(compiled.is_good(), "{:?}", compiled.problems);
    compiled.snapshot
}

fn input(snapshot: &Snapshot) -> ApplyInput {
    let raw = Payload::from(Bytes::from_static(b"MSH|^~\\&|A|B|C|D|20261122||ADT^A01|1|P|2.5\r"));
    let received = Timestamp::from_millis(1_795_345_200_000);
    let parsed = Parse::new(LaneHasher::new([0; 16])).apply(&ParseInput {
        uid: MessageUid::new(received),
        raw: raw.clone(),
        received,
        listener: Name::local("in"),
        peer: Arc::default(),
        traceparent: None,
        table: Arc::clone(&snapshot.parse),
    });
    let Ok(Verdict::Accept(accepted)) = parsed else { panic!("{parsed:?}") };
    let channel = Arc::clone(&snapshot.channels[&Name::local("a")]);
    Program(channel).input(Arc::new(accepted.envelope), raw, Bytes::new())
}

fn options(publisher: &str, data: &Path) -> Options {
    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        options: Options,
    }
    let data = data.to_str().unwrap();
    let line = ["x", "--publishers", publisher, "--data", data, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    Only::parse_from(line).options
}

fn sent(applied: &Result<Applied, StageError>) -> String {
    let Ok(Applied::Routed(routes)) = applied else { panic!("{applied:?}") };
    let RouteOutput::Sent(pieces) = &routes[0].output else { panic!("{routes:?}") };
    String::from_utf8_lossy(&pieces[0]).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_maps_under_published_revisions_and_under_older_ones_from_the_log() {
    let (now, before) = (documents("NOW"), documents("BEFORE"));
    let publisher = Publisher::new();
    publisher.publish(Arc::new(published(now.pack()))).unwrap();
    let listener = listen("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
    let address = listener.address().unwrap().to_string();
    let services = Services::new().config(&publisher);
    services.health().serving().await;
    tokio::spawn(serve(listener, services, std::future::pending()));

    let folder = tempfile::tempdir().unwrap();
    let replica = Replica::quietly(Stage::Transformer, options(&address, folder.path())).unwrap();
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new(1));
    let at = start(&replica, &log).await.unwrap();
    let caller = Remote::<ApplyContract>::new(vec![Target::Name(at.to_string())], &CallOptions::default());
    tokio::time::timeout(Duration::from_secs(20), caller.ready()).await.expect("it serves once it has a snapshot");

    let applied = caller.call(vec![input(&now)]).await;
    assert!(sent(&applied[0]).contains("|NOW|"), "{applied:?}");
    let older = input(&before);
    let revision = older.envelope.revision;
    assert_eq!(caller.call(vec![older.clone()]).await, [Err(StageError::UnknownRevision(revision))]);
    let closure = before.channels[&Name::local("a")].closure.clone();
    log.put(&subject::revision(revision).unwrap(), Stored::NONE, closure).await.unwrap();
    let applied = caller.call(vec![older]).await;
    assert!(sent(&applied[0]).contains("|BEFORE|"), "{applied:?}");

    replica.process.shutdown.begin("test", Exit::Ok);
    let exit = tokio::time::timeout(Duration::from_secs(20), replica.run()).await.unwrap();
    assert_eq!(exit, Exit::Ok, "it drains in time though its caller stays");
}

#[test]
fn the_page_of_its_options_is_what_it_says_of_itself() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/services/transformer.md");
    let help = Line::command().max_term_width(120).render_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    let page = format!("# barid-transformer\n\n```text\n{}\n```\n", lines.join("\n").trim_end());
    if std::env::var_os("BARID_UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "not up to date: BARID_UPDATE=1 cargo test -p barid-transformer");
}
