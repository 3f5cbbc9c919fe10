//! Commands from elsewhere: whole, with who and why, or refused.

use std::time::Duration;

use super::*;
use crate::{Services, listen, serve};

/// Says what it was told, as often as the request asks.
struct Echo;

impl Commanded for Echo {
    fn run(&self, command: Command, by: Option<By>, request: Bytes) -> BoxFuture<'_, Result<Bytes, CommandRefused>> {
        Box::pin(async move {
            if command == Command::Pause {
                let text = "it is paused already".to_owned();
                return Err(CommandRefused { kind: RefusalKind::Conflict, text });
            }
            let by = by.map_or_else(String::new, |by| format!("{} {}", by.actor, by.reason));
            let head = format!("{} {by} ", command.word());
            Ok([head.as_bytes(), &request].concat().into())
        })
    }
}

async fn mesh() -> RemoteCommanded {
    let listener = listen("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
    let target = Target::Name(listener.address().unwrap().to_string());
    let services = Services::new().control(Arc::new(Echo));
    services.health().serving().await;
    tokio::spawn(serve(listener, services, std::future::pending()));
    let remote = RemoteCommanded::new(vec![target], None);
    tokio::time::timeout(Duration::from_secs(20), remote.replicas.ready()).await.unwrap();
    remote
}

fn someone() -> Option<By> {
    Some(By { actor: "fatou".to_owned(), reason: "asked by the ward".to_owned() })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_arrives_as_itself_with_who_and_why() {
    let mesh = mesh().await;
    for command in Command::ALL {
        let by = if command.changes() { someone() } else { None };
        let answer = mesh.run(*command, by, Bytes::from_static(b"{}")).await;
        if *command == Command::Pause {
            let refused = CommandRefused { kind: RefusalKind::Conflict, text: "it is paused already".to_owned() };
            assert_eq!(answer, Err(refused));
            continue;
        }
        let expected = if command.changes() {
            format!("{} fatou asked by the ward {{}}", command.word())
        } else {
            format!("{}  {{}}", command.word())
        };
        assert_eq!(answer, Ok(Bytes::from(expected)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_changes_something_needs_an_actor_and_a_reason() {
    let mesh = mesh().await;
    let named = |actor: &str, reason: &str| Some(By { actor: actor.to_owned(), reason: reason.to_owned() });
    for by in
        [None, named("", "why"), named("who", "  "), named(&"w".repeat(300), "why"), named("who", &"y".repeat(2_000))]
    {
        let Err(refused) = mesh.run(Command::Replay, by, Bytes::new()).await else { panic!("it is refused") };
        assert_eq!(refused.kind, RefusalKind::Invalid);
        assert!(refused.text.contains("valid by"), "{refused}");
    }
    assert!(mesh.run(Command::Status, someone(), Bytes::new()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_comes_in_pieces_and_is_whole() {
    let mesh = mesh().await;
    let request = Bytes::from(vec![b'x'; 5 * CHUNK_BYTES + 17]);
    let answer = mesh.run(Command::Payload, None, request.clone()).await.unwrap();
    assert_eq!(answer.len(), "payload  ".len() + request.len());
    let Err(refused) = mesh.run(Command::Payload, None, Bytes::from(vec![b'x'; REQUEST_BYTES_MAX + 1])).await else {
        panic!("too large")
    };
    assert_eq!(refused.kind, RefusalKind::Invalid);
}
