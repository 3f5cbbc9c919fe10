//! A stage as a service: decode, find what each item needs, compute, encode; each item fails alone.

use std::sync::Arc;
use std::time::Duration;

use barid_model::MessageUid;
use barid_model::stage::{Local, Stage, StageError};
use barid_trace::{Kind, Started};
use barid_transform::{Applied, ApplyInput};
use barid_validate::{ParseInput, ParseTable, Verdict};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::Applies;
use crate::convert::{Failed, Strict, applied_wire, apply_parts, failure_wire, parse_parts, verdict_wire};
use crate::limits;
use crate::proto::parse::v1 as parse;
use crate::proto::transform::v1 as transform;
use crate::revisions::{Missing, Revisions};

/// Bytes of an answer's items: what is left of a message when everything around them is encoded.
const ANSWER_BYTES_MAX: usize = limits::MESSAGE_BYTES_MAX - limits::OVERHEAD_BYTES;

/// What computes: bounded in how much it holds, and in how much it does at once.
#[derive(Clone)]
pub(crate) struct Computer {
    held: Arc<Semaphore>,
    computing: Arc<Semaphore>,
}

impl Computer {
    pub(super) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(2, usize::from).max(2);
        Self { held: Arc::new(Semaphore::new(limits::CALLS_HELD)), computing: Arc::new(Semaphore::new(processors)) }
    }

    /// Runs `work` off the threads that do I/O, when there is a processor for it.
    async fn run<R: Send + 'static>(&self, work: impl FnOnce() -> R + Send + 'static) -> Result<R, Status> {
        let ended = |_| Status::unavailable("the process ends");
        let permit = Arc::clone(&self.computing).acquire_owned().await.map_err(ended)?;
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        });
        done.await.map_err(|_| Status::internal("a stage's worker ended"))
    }

    /// Whether nothing is in hand.
    pub(super) fn is_idle(&self) -> bool {
        self.held.available_permits() == limits::CALLS_HELD
    }

    /// Takes one call in hand.
    pub(crate) fn hold(&self) -> Result<tokio::sync::OwnedSemaphorePermit, Status> {
        let busy =
            |_| Status::resource_exhausted(format!("{} calls are held here: ask another replica", limits::CALLS_HELD));
        Arc::clone(&self.held).try_acquire_owned().map_err(busy)
    }
}

/// What an item's computing gave, encoded, or why there is nothing.
type Computed<R> = Result<R, Failed>;

/// Computes items, each on its own, and keeps the answer within the bound.
fn compute<S: Stage, R: prost::Message>(
    stage: &Local<S>,
    inputs: Vec<Result<S::Input, Failed>>,
    serving: impl Fn(&S::Input) -> Option<Started>,
    encode: impl Fn(&S::Input, &S::Output) -> R,
) -> Vec<Computed<R>> {
    let mut room = ANSWER_BYTES_MAX;
    let single = inputs.len() == 1;
    let mut one = |input: Result<S::Input, Failed>| {
        let input = input?;
        let span = serving(&input);
        let output = stage.one(&input);
        if let Some(span) = span {
            span.end(output.as_ref().err().map(fault), |_| {});
        }
        let output = output.map_err(Failed::Stage)?;
        let result = encode(&input, &output);
        let size = result.encoded_len();
        match room.checked_sub(size) {
            Some(rest) => room = rest,
            None if single => {
                let text = format!("its result of {size} bytes is larger than a call takes");
                return Err(Failed::Stage(StageError::Unavailable(text)));
            }
            None => return Err(Failed::Alone),
        }
        Ok(result)
    };
    inputs.into_iter().map(&mut one).collect()
}

/// The span of an item of a call that came at `called`.
fn serving(name: &'static str, traceparent: Option<&str>, uid: MessageUid, called: Instant) -> Option<Started> {
    Started::of(name, traceparent, uid).map(|span| span.kind(Kind::Server).begun(called.elapsed()))
}

const fn fault(error: &StageError) -> &'static str {
    match error {
        StageError::Crashed => "crashed",
        StageError::UnknownRevision(_) => "unknown_revision",
        StageError::Unavailable(_) => "unavailable",
    }
}

/// The parse stage, served.
pub(super) struct Parsing<S> {
    stage: Local<S>,
    tables: Arc<Revisions<ParseTable>>,
    computer: Computer,
}

impl<S: Stage<Input = ParseInput, Output = Verdict>> Parsing<S> {
    pub(super) fn new(stage: Arc<S>, tables: Arc<Revisions<ParseTable>>, computer: Computer) -> Self {
        Self { stage: Local::new(stage), tables, computer }
    }
}

#[tonic::async_trait]
impl<S: Stage<Input = ParseInput, Output = Verdict>> parse::parse_server::Parse for Parsing<S> {
    async fn parse(&self, request: Request<parse::ParseRequest>) -> Result<Response<parse::ParseResponse>, Status> {
        let (held, called) = (self.computer.hold()?, Instant::now());
        let wait = wait(&request);
        bounded(request.get_ref().items.len())?;
        let mut inputs = Vec::new();
        for parts in parse_parts(request.into_inner()) {
            inputs.push(match strict(parts) {
                Ok(parts) => found(&self.tables, parts.snapshot, wait).await.map(|table| parts.with(table)),
                Err(failed) => Err(failed),
            });
        }
        let stage = self.stage.clone();
        let results = self.computer.run(move || {
            let encode = |input: &ParseInput, verdict: &Verdict| parse::ParseResult {
                result: Some(verdict_wire(input, verdict)),
            };
            let failure = |failed| parse::ParseResult {
                result: Some(parse::parse_result::Result::Failure(failure_wire(&failed))),
            };
            let serving = |input: &ParseInput| serving("parse", input.traceparent.as_deref(), input.uid, called);
            let computed = compute(&stage, inputs, serving, encode).into_iter();
            computed.map(|result| result.unwrap_or_else(failure)).collect()
        });
        let results = results.await?;
        drop(held);
        Ok(Response::new(parse::ParseResponse { results }))
    }
}

/// The apply stage, served.
pub(super) struct Applying<S, P> {
    stage: Local<S>,
    programs: Arc<Revisions<P>>,
    computer: Computer,
}

impl<S: Stage<Input = ApplyInput, Output = Applied>, P: Applies> Applying<S, P> {
    pub(super) fn new(stage: Arc<S>, programs: Arc<Revisions<P>>, computer: Computer) -> Self {
        Self { stage: Local::new(stage), programs, computer }
    }
}

#[tonic::async_trait]
impl<S, P> transform::transform_server::Transform for Applying<S, P>
where
    S: Stage<Input = ApplyInput, Output = Applied>,
    P: Applies,
{
    async fn apply(
        &self,
        request: Request<transform::ApplyRequest>,
    ) -> Result<Response<transform::ApplyResponse>, Status> {
        let (held, called) = (self.computer.hold()?, Instant::now());
        let wait = wait(&request);
        bounded(request.get_ref().items.len())?;
        let mut inputs = Vec::new();
        for parts in apply_parts(request.into_inner()) {
            inputs.push(match strict(parts) {
                Ok(parts) => found(&self.programs, parts.revision, wait)
                    .await
                    .map(|program| program.input(parts.envelope, parts.raw, parts.context)),
                Err(failed) => Err(failed),
            });
        }
        let stage = self.stage.clone();
        let results = self.computer.run(move || {
            let encode = |input: &ApplyInput, applied: &Applied| transform::ApplyResult {
                result: Some(applied_wire(&input.raw, applied)),
            };
            let failure = |failed| transform::ApplyResult {
                result: Some(transform::apply_result::Result::Failure(failure_wire(&failed))),
            };
            let serving = |input: &ApplyInput| {
                let envelope = &input.envelope;
                serving("apply", envelope.traceparent.as_deref(), envelope.uid, called)
            };
            let computed = compute(&stage, inputs, serving, encode).into_iter();
            computed.map(|result| result.unwrap_or_else(failure)).collect()
        });
        let results = results.await?;
        drop(held);
        Ok(Response::new(transform::ApplyResponse { results }))
    }
}

fn strict<T>(parts: Strict<T>) -> Result<T, Failed> {
    parts.map_err(|invalid| Failed::Invalid(invalid.to_string()))
}

fn bounded(items: usize) -> Result<(), Status> {
    if items > limits::BATCH_ITEMS_MAX {
        return Err(Status::invalid_argument(format!("{items} items: a call has at most {}", limits::BATCH_ITEMS_MAX)));
    }
    Ok(())
}

async fn found<T: Send + Sync + 'static>(
    revisions: &Revisions<T>,
    revision: barid_model::Revision,
    wait: Instant,
) -> Result<Arc<T>, Failed> {
    revisions.find(revision, wait).await.map_err(|missing| {
        Failed::Stage(match missing {
            Missing::Unknown(revision) => StageError::UnknownRevision(revision),
            Missing::Unusable { .. } => StageError::Unavailable(missing.to_string()),
        })
    })
}

/// Until when a call waits for what it needs: so that its answer still arrives in time.
fn wait<T>(request: &Request<T>) -> Instant {
    let most = match timeout_of(request) {
        Some(timeout) => timeout.saturating_sub(limits::ANSWER_MARGIN).min(limits::REVISION_WAIT),
        None => limits::REVISION_WAIT,
    };
    Instant::now() + most
}

/// How long the caller waits, where it says so.
pub(crate) fn timeout_of<T>(request: &Request<T>) -> Option<Duration> {
    request.metadata().get("grpc-timeout").and_then(|value| value.to_str().ok()).and_then(timeout)
}

/// Reads `grpc-timeout`: at most eight digits and a unit.
fn timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3_600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}
