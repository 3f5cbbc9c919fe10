//! Commands from elsewhere: whole, with who and why, or refused.

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
            if command == Command::Act {
                let text = "somebody else owns it".to_owned();
                return Err(CommandRefused { kind: RefusalKind::NotOwner, text });
            }
            let by = by.map_or_else(String::new, |by| format!("{} {}", by.actor, by.reason));
            let head = format!("{} {by} ", command.word());
            Ok([head.as_bytes(), &request].concat().into())
        })
    }
}

async fn replica() -> (String, tokio::task::JoinHandle<()>) {
    let listener = listen("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
    let address = listener.address().unwrap().to_string();
    let services = Services::new().control(Arc::new(Echo));
    services.health().serving().await;
    let serving = tokio::spawn(async move { serve(listener, services, std::future::pending()).await.unwrap() });
    (address, serving)
}

async fn mesh() -> RemoteCommanded {
    let (address, _) = replica().await;
    let remote = RemoteCommanded::new(vec![Target::Name(address)], None);
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
        if *command == Command::Act {
            assert_eq!(answer.unwrap_err().kind, RefusalKind::NotOwner);
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

const WITHIN: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn one_replica_is_told_and_what_it_says_comes_back_also_that_it_is_not_the_owner() {
    let (address, _serving) = replica().await;
    let direct = Direct::new(None);
    let request = Bytes::from_static(b"{}");
    for _ in 0..2 {
        let answer = direct.run(&address, Command::Probe, None, request.clone(), WITHIN).await;
        assert_eq!(answer, Ok(Bytes::from_static(b"probe  {}")));
    }
    let refused = direct.run(&address, Command::Act, someone(), request.clone(), WITHIN).await;
    assert!(
        matches!(refused, Err(NotTold::Refused(CommandRefused { kind: RefusalKind::NotOwner, .. }))),
        "{refused:?}"
    );
    let nobody = direct.run(&address, Command::Act, None, request, WITHIN).await;
    assert!(matches!(nobody, Err(NotTold::Refused(CommandRefused { kind: RefusalKind::Invalid, .. }))), "{nobody:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_not_there_was_told_nothing_and_one_that_comes_back_is_told() {
    let direct = Direct::new(None);
    let (address, serving) = replica().await;
    assert!(direct.run(&address, Command::Status, None, Bytes::new(), WITHIN).await.is_ok());
    serving.abort();
    assert!(serving.await.is_err());
    // The connection that was kept breaks at some moment; from then on it is known that nobody is there.
    let begun = Instant::now();
    while !matches!(direct.run(&address, Command::Status, None, Bytes::new(), WITHIN).await, Err(NotTold::Unreached(_)))
    {
        assert!(begun.elapsed() < WITHIN, "a replica that is gone is still told something");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let listener = listen(address.parse().unwrap(), None).await.unwrap();
    tokio::spawn(serve(listener, Services::new().control(Arc::new(Echo)), std::future::pending()));
    assert!(direct.run(&address, Command::Status, None, Bytes::new(), WITHIN).await.is_ok());
}

#[tokio::test]
async fn a_replica_that_is_frozen_is_not_waited_for_beyond_the_time_that_is_given() {
    // Connections are taken by the system, and nobody answers.
    let frozen = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = frozen.local_addr().unwrap().to_string();
    let begun = Instant::now();
    let within = Duration::from_millis(300);
    let told = Direct::new(None).run(&address, Command::Replica, None, Bytes::new(), within).await;
    assert!(matches!(told, Err(NotTold::Refused(CommandRefused { kind: RefusalKind::Unavailable, .. }))), "{told:?}");
    assert!(begun.elapsed() < limits::CONNECT, "{:?}", begun.elapsed());
}
