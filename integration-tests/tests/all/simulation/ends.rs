//! What a simulated process works between: a receiver with moods, a stage that routes everything everywhere, people.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use barid_delivery::connect::{
    AnswerClass, Answered, Backoff, Connection, Connector, Met, Outgoing, Sent as Attempt, Status, TransportError,
    TransportKind, Verdict,
};
use barid_delivery::owner::command::{Act, Command};
use barid_log::LogError;
use barid_model::record::{Answer, AnswerRecord, InRecord, ParkEvent, Parked, Record as _};
use barid_model::stage::{Call, StageError};
use barid_model::{Digest, Finding, Name, Revision};
use barid_pipeline::{Program, Programs};
use barid_transform::{Applied, ApplyInput, RouteOutput, RouteResult, RouteTarget};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::history::{Arrival, History};
use super::random::Random;

/// Somebody orders it, and waits a moment.
pub(super) async fn act_on(commands: &mpsc::Sender<Command>, act: Act) {
    let (reply, done) = oneshot::channel();
    let command = Command { actor: "someone".into(), reason: "test".into(), act, reply };
    if commands.send(command).await.is_ok() {
        drop(tokio::time::timeout(Duration::from_secs(1), done).await);
    }
}

/// What an attempt means.
pub(super) fn judge(_: &Outgoing, sent: &Attempt, _: u32, _: bool) -> Verdict {
    let finding = || Finding::error(207, "", "test", "refused");
    match sent {
        Attempt::Failed(_) => Verdict::Retry { scope: Backoff::Destination, after: None },
        Attempt::Unsendable(finding) => Verdict::Quarantine(finding.clone()),
        Attempt::Answered(answered) => match &answered.class {
            AnswerClass::Accepted => Verdict::Delivered,
            AnswerClass::Unavailable { .. } => Verdict::Retry { scope: Backoff::Lane, after: None },
            AnswerClass::Rejected => match answered.code.as_str() {
                "hold" => Verdict::Hold(finding()),
                "retry" => Verdict::Retry { scope: Backoff::Lane, after: None },
                _ => Verdict::Quarantine(finding()),
            },
        },
    }
}

/// A receiver with moods, the same for all its connections.
#[derive(Clone)]
pub(super) struct Receiver {
    pub(super) destination: Name,
    pub(super) random: Random,
    pub(super) history: Arc<Mutex<History>>,
    pub(super) alive: Arc<AtomicBool>,
    pub(super) healed: Arc<AtomicBool>,
    /// How often the process that sends was frozen.
    pub(super) freezes: Arc<AtomicU64>,
}

impl Receiver {
    fn arrive(&self, out: &Outgoing, late: bool) {
        if self.alive.load(Ordering::SeqCst) {
            let mut history = self.history.lock().unwrap();
            let (id, lanes) = (out.id(), &out.record.lanes);
            let (to, uid, marked) = (&self.destination, out.record.uid, out.possible_duplicate);
            history.notes.push(format!("{to} got {id} of {uid} marked {marked} late {late} {lanes:?}"));
            history.arrivals.push(Arrival {
                destination: self.destination.clone(),
                id: out.id(),
                uid: out.record.uid,
                run: out.record.run,
                marked: out.possible_duplicate,
                late,
            });
        }
    }
}

impl Connector for Receiver {
    fn open(&self) -> Box<dyn Connection> {
        Box::new(self.clone())
    }

    fn status(&self) -> Status {
        Status::default()
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Met>> {
        Box::pin(async { Vec::new() })
    }
}

impl Connection for Receiver {
    fn send<'a>(&'a mut self, out: &'a Outgoing) -> BoxFuture<'a, Attempt> {
        Box::pin(async move {
            let before = self.freezes.load(Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(self.random.below(15))).await;
            let healed = self.healed.load(Ordering::SeqCst);
            // It cannot bear some messages: it takes them and never answers, every time.
            let unbearable = u64::from(out.record.uid.as_bytes()[15]) % 25 == 0;
            let mood = match (healed, unbearable) {
                (true, _) => 99,
                (false, true) => 7,
                (false, false) => self.random.below(100),
            };
            if mood < 4 {
                return Attempt::Failed(TransportError::new(TransportKind::Connect, "down"));
            }
            if !(8..=18).contains(&mood) {
                self.arrive(out, self.freezes.load(Ordering::SeqCst) != before);
            }
            tokio::time::sleep(Duration::from_millis(self.random.below(15))).await;
            if mood < 8 {
                return Attempt::Failed(TransportError::after_write(TransportKind::Timeout, "no answer"));
            }
            let (class, code) = match mood {
                8..=9 => (AnswerClass::Rejected, "hold"),
                10..=14 => (AnswerClass::Rejected, "retry"),
                15..=18 => (AnswerClass::Rejected, "quarantine"),
                _ => (AnswerClass::Accepted, "AA"),
            };
            let (code, text, error) = (code.to_owned(), String::new(), String::new());
            Attempt::Answered(Answered { class, code, error, status: None, text, answer: Answer::default() })
        })
    }

    fn close(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// Routes every message to all destinations, unchanged.
pub(super) struct Everywhere(pub(super) Vec<Name>);

impl Call<ApplyInput, Applied> for Everywhere {
    fn call(&self, batch: Vec<ApplyInput>) -> BoxFuture<'_, Vec<Result<Applied, StageError>>> {
        let route = |input: &ApplyInput, name: &Name| RouteResult {
            route: name.name().into(),
            target: RouteTarget::Destination(name.clone()),
            output: RouteOutput::Sent(vec![input.raw.clone()]),
        };
        let applied = |input: ApplyInput| Ok(Applied::Routed(self.0.iter().map(|name| route(&input, name)).collect()));
        Box::pin(std::future::ready(batch.into_iter().map(applied).collect()))
    }
}

/// The same program for every channel.
pub(super) struct Plain;

impl Programs for Plain {
    fn load<'a>(&'a self, _: &'a Name, _: Revision) -> BoxFuture<'a, Result<Option<Program>, LogError>> {
        let input = |record: &InRecord| {
            ApplyInput::new(Arc::new(record.envelope.clone()), record.raw.clone(), Arc::default(), Arc::default())
        };
        let program = Program { duplicates: Some(Duration::from_secs(86_400)), input: Arc::new(input) };
        Box::pin(std::future::ready(Ok(Some(program))))
    }

    fn current(&self, _: &Name) -> Option<Revision> {
        Some(Revision::default())
    }

    fn answer<'a>(&'a self, _: Digest, _: AnswerRecord) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// What stands in PARK and has not ended.
pub(super) fn parked(records: impl IntoIterator<Item = (u64, Bytes)>) -> Vec<(u64, Parked)> {
    let mut open = Vec::new();
    for (position, bytes) in records {
        match ParkEvent::decode(bytes).unwrap() {
            ParkEvent::Parked(record) => open.push((position, record.why)),
            ParkEvent::Released(_) => {}
            ParkEvent::Held { position: held, .. } => {
                open.iter_mut().filter(|(position, _)| *position == held).for_each(|(_, why)| *why = Parked::Held);
            }
            ParkEvent::Ended(ended) => open.retain(|(position, _)| *position != ended),
        }
    }
    open
}
