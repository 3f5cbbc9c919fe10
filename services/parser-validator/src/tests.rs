//! The service as its callers meet it: a publisher and calls; and what it says of itself.

use std::path::Path;
use std::time::Duration;

use barid_config::{Sources, compile};
use barid_log::memory::MemoryLog;
use barid_model::stage::{Call as _, StageError};
use barid_model::{MessageUid, Name, Payload, Timestamp};
use barid_replica::published;
use barid_rpc::config::Publisher;
use barid_rpc::{Options as CallOptions, ParseContract, Remote, Target, listen, serve};
use barid_validate::{ParseInput, Verdict};
use clap::CommandFactory as _;

use super::*;

fn documents(channel: &str) -> Arc<Snapshot> {
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
metadata: {{name: {channel}}}
spec:
  from: {{listeners: [{{name: in}}]}}
  routes: [{{name: r, to: {{destination: out}}}}]
"
    );
    let compiled = compile(&Sources::from_texts([("x.yaml", &*text)]), None);
    assert!(compiled.is_good(), "{:?}", compiled.problems);
    compiled.snapshot
}

fn input(snapshot: &Snapshot) -> ParseInput {
    let received = Timestamp::from_millis(1_795_345_200_000);
    ParseInput {
        uid: MessageUid::new(received),
        raw: Payload::new(b"MSH|^~\\&|A|B|C|D|20261122||ADT^A01|1|P|2.5\r".to_vec().into()),
        received,
        listener: Name::local("in"),
        peer: Arc::default(),
        traceparent: None,
        table: Arc::clone(&snapshot.parse),
    }
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

fn channel(verdict: &Result<Verdict, StageError>) -> String {
    let Ok(Verdict::Accept(accepted)) = verdict else { panic!("{verdict:?}") };
    accepted.envelope.channel.as_ref().map(Name::short).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_judges_under_the_snapshot_that_its_caller_names_also_one_it_was_never_offered() {
    let mut packed: Vec<_> = ["first", "second", "unpublished"].map(|name| documents(name).pack()).to_vec();
    (0..).zip(&mut packed).for_each(|(number, packed)| packed.number = number + 1);
    let unpublished = packed.pop().unwrap();
    let publisher = Publisher::new();
    for packed in packed {
        publisher.publish(Arc::new(published(packed))).unwrap();
    }
    let listener = listen("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
    let address = listener.address().unwrap().to_string();
    let services = Services::new().config(&publisher);
    services.health().serving().await;
    tokio::spawn(serve(listener, services, std::future::pending()));

    let folder = tempfile::tempdir().unwrap();
    let replica = Replica::quietly(Stage::ParserValidator, options(&address, folder.path())).unwrap();
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new(1));
    let at = start(&replica, &log).await.unwrap();
    let caller = Remote::<ParseContract>::new(vec![Target::Name(at.to_string())], &CallOptions::default());
    tokio::time::timeout(Duration::from_secs(20), caller.ready()).await.expect("it serves once it has a snapshot");

    assert_eq!(channel(&caller.call(vec![input(&documents("second"))]).await[0]), "second");
    assert_eq!(channel(&caller.call(vec![input(&documents("first"))]).await[0]), "first", "fetched by its hash");
    let unknown = caller.call(vec![input(&documents("unpublished"))]).await.remove(0);
    assert_eq!(unknown.err(), Some(StageError::UnknownRevision(unpublished.id)));

    replica.process.shutdown.begin("test", Exit::Ok);
    let exit = tokio::time::timeout(Duration::from_secs(20), replica.run()).await.unwrap();
    assert_eq!(exit, Exit::Ok);
}

#[test]
fn the_page_of_its_options_is_what_it_says_of_itself() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/services/parser-validator.md");
    let help = Line::command().max_term_width(120).render_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    let page = format!("# barid-parser-validator\n\n```text\n{}\n```\n", lines.join("\n").trim_end());
    if std::env::var_os("BARID_UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "not up to date: BARID_UPDATE=1 cargo test -p barid-parser-validator");
}
