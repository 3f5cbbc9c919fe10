//! Senders that wait for a destination's answer (`ack.after: delivered`) in a mesh: whoever holds the sender's connection is
//! another process than the owner of the destination, and either may be killed meanwhile.
//!
//! Never a positive answer without the outcome, a bounded wait, a negative answer after it; and a resend, to whichever
//! listener, is told how its message ended. Needs the programs of all services (`cargo build`) and NATS (`scripts/nats`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use barid_model::record::AnswerRecord;
use barid_model::{Digest, Outcome, Timestamp};
use barid_pipeline::fanout::answer_key;
use barid_rpc::Target;
use barid_rpc::route::{Awaited, RemoteRouting, Routing as _};
use barid_testkit::generate::Generator;
use barid_testkit::mesh::{Mesh, Role};
use barid_testkit::process::free_port;
use barid_testkit::receiver::Receiver;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::mesh_takeover::{http, mesh};
use crate::process_relay::PATIENCE;

/// How long senders of the patient channel wait: longer than a takeover takes.
const LONG: Duration = Duration::from_secs(30);
/// How long those of the other one do.
const SHORT: Duration = Duration::from_secs(3);
/// What an answer may be late on a machine that does other things as well.
const LATE: Duration = Duration::from_secs(6);

/// Two listeners, each with a channel whose senders wait so long for one destination.
fn documents(patient: u16, hasty: u16, out: &Receiver) -> String {
    let mut text = format!(
        "kind: Destination\nmetadata: {{name: out}}\nspec:\n  http: {{url: \"http://{}/hl7\"}}\n  timeout: 10s\n  \
         retry: {{initial: 20ms, max: 200ms}}\n",
        out.address()
    );
    for (name, port, wait) in [("patient", patient, LONG), ("hasty", hasty, SHORT)] {
        text += &format!(
            "---\nkind: Listener\nmetadata: {{name: {name}}}\nspec:\n  mllp: {{port: {port}, address: 127.0.0.1}}\n  \
             unknownFacility: accept\n---\nkind: Channel\nmetadata: {{name: {name}}}\nspec:\n  \
             from: {{listeners: [{{name: {name}}}]}}\n  ack: {{after: delivered, timeout: {}s}}\n  order: {{by: facility}}\n  \
             routes: [{{name: out, to: {{destination: out}}}}]\n",
            wait.as_secs()
        );
    }
    text
}

/// What a sender was told, and after how long; none where its connection broke.
type Told = (Option<String>, Duration);

/// Sends one message to a listener and waits for what is answered.
fn ask(ingress: usize, port: u16, message: &[u8]) -> JoinHandle<Told> {
    let frame = [b"\x0b", message, b"\x1c\r"].concat();
    tokio::spawn(async move {
        let begun = Instant::now();
        let asked = async {
            let mut stream = TcpStream::connect((Mesh::ingress(ingress), port)).await?;
            stream.write_all(&frame).await?;
            let mut answer = Vec::new();
            while !answer.ends_with(b"\x1c\r") && stream.read_buf(&mut answer).await? > 0 {}
            Ok::<_, std::io::Error>(answer)
        };
        let answer = tokio::time::timeout(PATIENCE, asked).await.unwrap().unwrap_or_default();
        let whole = answer.ends_with(b"\x1c\r").then(|| String::from_utf8_lossy(&answer).into_owned());
        (whole, begun.elapsed())
    })
}

#[track_caller]
fn is_taken((told, _): &Told) {
    let taken = |text: &String| text.contains("MSA|AA|") || text.contains("MSA|CA|");
    assert!(told.as_ref().is_some_and(taken), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_that_waits_is_told_the_outcome_or_no_good_news_whoever_is_killed() {
    let out = http().await;
    let (patient, hasty) = (free_port().unwrap(), free_port().unwrap());
    let all = [(Role::Ingress, 2), (Role::Router, 2), (Role::Delivery, 2)];
    let mesh = mesh(documents(patient, hasty, &out), &all).await;
    let generator = Generator::new(7, "CHN");
    let message = |number: u64| generator.message(number).bytes;
    is_taken(&ask(0, patient, &message(0)).await.unwrap());
    assert_eq!(out.count(), 1, "it was told after the delivery");

    // Nobody delivers: no answer before the time is over, a negative one then.
    (0..2).for_each(|number| mesh.kill(Role::Delivery, number));
    let waiting = ask(0, patient, &message(1));
    let (left, interrupted) = (ask(1, hasty, &message(2)).await.unwrap(), ask(1, patient, &message(3)));
    let text = left.0.as_ref().expect("an answer");
    assert!(["MSA|AE|", "MSA|CE|"].iter().any(|code| text.contains(code)) && text.contains("|207^"), "{text}");
    assert!(left.1 >= SHORT && left.1 < SHORT + LATE, "after {:?}", left.1);
    assert!(!waiting.is_finished() && out.count() == 1, "nobody is told before it is delivered");
    // Its listener is gone before anything is delivered: the sender knows nothing and asks again, elsewhere.
    mesh.kill(Role::Ingress, 1);
    assert_eq!(interrupted.await.unwrap().0, None, "no answer at all");
    let again = ask(0, patient, &message(3));
    // Whoever routed what waits may go as well.
    mesh.kill(Role::Router, 0);
    mesh.restart(Role::Delivery, 1).unwrap();
    is_taken(&waiting.await.unwrap());
    is_taken(&again.await.unwrap());
    assert!(out.wait_for(4, PATIENCE).await);
    // Who was told that nobody answered in time asks again, and is told what became of it.
    mesh.restart(Role::Ingress, 1).unwrap();
    mesh.restart(Role::Router, 0).unwrap();
    mesh.ready(PATIENCE).await.unwrap();
    is_taken(&ask(1, hasty, &message(2)).await.unwrap());
    // All are there once, in the order they were taken; nothing was delivered for those that only asked again.
    is_taken(&ask(0, patient, &message(4)).await.unwrap());
    let ids: Vec<_> = out.received().iter().map(|one| String::from_utf8_lossy(&one.control_id).into_owned()).collect();
    let mut distinct = ids.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!((ids.len(), distinct.len()), (5, 5), "{ids:?}");

    // Any router knows, whoever owned what.
    let targets = (0..2).map(|number| Target::Name(mesh.calls(Role::Router, number).unwrap().to_string())).collect();
    let routers = Arc::new(RemoteRouting::new(targets, None));
    let key =
        |number: u64| answer_key("CHN", generator.message(number).control_id.as_bytes(), Digest::of(&message(number)));
    let awaited = |number| Awaited { key: key(number), facility: "CHN".to_owned(), since: Timestamp::default() };
    let within = |time| tokio::time::Instant::now() + time;
    let told = routers.wait(awaited(3), within(PATIENCE)).await.unwrap();
    assert!(matches!(told, Some(AnswerRecord { outcome: Outcome::Delivered, .. })), "{told:?}");
    let begun = Instant::now();
    let asked = Arc::clone(&routers);
    let (number, deadline) = (awaited(9), within(PATIENCE));
    let waiting = tokio::spawn(async move { asked.wait(number, deadline).await });
    mesh.stop(Role::Router, 1, PATIENCE).await.unwrap();
    is_taken(&ask(0, patient, &message(9)).await.unwrap());
    let told = waiting.await.unwrap().unwrap();
    assert!(matches!(told, Some(AnswerRecord { outcome: Outcome::Delivered, .. })), "{told:?}");
    println!("told by a router after {:?}", begun.elapsed());
    assert_eq!(routers.wait(awaited(10), within(Duration::from_millis(500))).await, Ok(None), "nobody sent that");
}
