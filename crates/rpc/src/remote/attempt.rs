//! Tries of one batch: which replica, how long, and what is done when it does not answer.
//!
//! Stages are pure, so a call may always be made again. What must not happen is that one message takes a replica with it,
//! and then the next; nor that a message is blamed because it was there when another did that. So a batch whose connection
//! broke is under suspicion: it is tried again when its turn comes, one suspect at a time, and a moment apart from what
//! other processes do. Breaks it then as well, it is taken apart; a message that breaks its connection alone counts as
//! crashed, which, said often enough, leads to its being set aside.

use std::time::Duration;

use barid_model::stage::StageError;
use http::uri::PathAndQuery;
use tokio::time::Instant;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_prost::ProstCodec;

use super::replicas::Replicas;
use super::weight;
use crate::contract::{Answer, Contract};
use crate::convert::Invalid;
use crate::limits;
use crate::transport::dial::Requests;

/// Longest wait of a suspect before its turn: suspects of several processes would meet at each replica that comes back.
const APART: Duration = Duration::from_millis(200);
/// How long a replica may take to say that it is alive before it is tried with a suspect.
const ALIVE: Duration = Duration::from_millis(300);
/// Wait before a replica that was too busy, or the only one there is, is asked again.
const PAUSE: Duration = Duration::from_millis(20);

/// Times of a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tries {
    pub(super) deadline: Duration,
    pub(super) attempt: Duration,
    pub(super) no_replica: Duration,
}

/// No replica gave an answer.
struct GivenUp {
    /// A connection broke under it when it was the only suspect there.
    broken: bool,
    text: String,
}

/// How a batch came to be tried.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Like any other.
    Usual,
    /// A connection broke under what it was in.
    Suspect,
}

/// One try's failure.
enum Fault {
    /// The connection ended under the call: maybe the replica is gone, maybe because of this very call.
    Broken(String),
    /// It did not answer in time.
    Late,
    /// It said that it cannot now.
    Busy(String),
    /// Trying again does not help.
    Final(String),
}

impl Tries {
    /// Outputs of a batch; every input has one.
    pub(super) async fn batch<C: Contract>(
        self,
        replicas: &Replicas,
        inputs: &[C::Input],
    ) -> Vec<Result<C::Output, StageError>> {
        let (by, answers) = match self.answers::<C>(replicas, inputs, None, Standing::Usual).await {
            Ok(answered) => answered,
            Err(given_up) if given_up.broken && inputs.len() > 1 => return self.apart::<C>(replicas, inputs).await,
            Err(given_up) => return inputs.iter().map(|_| Err(given_up.error())).collect(),
        };
        let mut outputs = Vec::with_capacity(inputs.len());
        for (answer, input) in answers.into_iter().zip(inputs) {
            outputs.push(match answer {
                // Maybe it was the replica: another one is asked before the message is blamed.
                Answer::Done(Err(StageError::Crashed)) if replicas.has_other(by) => {
                    self.alone::<C>(replicas, input, Some(by), Standing::Usual).await
                }
                Answer::Alone => self.alone::<C>(replicas, input, None, Standing::Usual).await,
                Answer::Done(output) => output,
            });
        }
        outputs
    }

    /// One after the other, to find the one that breaks connections.
    async fn apart<C: Contract>(self, replicas: &Replicas, inputs: &[C::Input]) -> Vec<Result<C::Output, StageError>> {
        tracing::warn!(service = C::SERVICE, items = inputs.len(), "a batch broke two connections: taken apart");
        let mut outputs: Vec<Result<C::Output, StageError>> = Vec::with_capacity(inputs.len());
        for input in inputs {
            let output = match outputs.last() {
                // Nobody is there: the rest need not find that out one by one.
                Some(Err(error @ StageError::Unavailable(_))) => Err(error.clone()),
                _ => self.alone::<C>(replicas, input, None, Standing::Suspect).await,
            };
            outputs.push(output);
        }
        outputs
    }

    async fn alone<C: Contract>(
        self,
        replicas: &Replicas,
        input: &C::Input,
        avoid: Option<u64>,
        standing: Standing,
    ) -> Result<C::Output, StageError> {
        match self.answers::<C>(replicas, std::slice::from_ref(input), avoid, standing).await {
            Ok((_, mut answers)) => match answers.pop() {
                Some(Answer::Done(output)) => output,
                Some(Answer::Alone) | None => {
                    Err(StageError::Unavailable("its result is too large for a call".to_owned()))
                }
            },
            Err(given_up) if given_up.broken => Err(StageError::Crashed),
            Err(given_up) => Err(given_up.error()),
        }
    }

    /// One answer for each input, and who gave them.
    async fn answers<C: Contract>(
        self,
        replicas: &Replicas,
        inputs: &[C::Input],
        mut avoid: Option<u64>,
        standing: Standing,
    ) -> Result<(u64, Vec<Answer<C::Output>>), GivenUp> {
        let bytes = weight::<C>(inputs);
        if bytes > limits::MESSAGE_BYTES_MAX - limits::OVERHEAD_BYTES {
            let most = limits::MESSAGE_BYTES_MAX - limits::OVERHEAD_BYTES;
            return Err(GivenUp::because(format!("{bytes} bytes are more than a call takes ({most})")));
        }
        let extra = limits::per_byte(bytes);
        let deadline = Instant::now() + self.deadline + extra;
        let mut turn = match standing {
            Standing::Usual => None,
            Standing::Suspect => Some(replicas.suspects.lock().await),
        };
        let mut why = "no replica of it serves".to_owned();
        while Instant::now() < deadline {
            let patience = (Instant::now() + self.no_replica).min(deadline);
            let Some(replica) = replicas.choose(avoid, patience).await else { break };
            let Some(requests) = replica.requests() else { continue };
            // Whether its connection was broken before is not to be the suspect's fault.
            if turn.is_some() && !is_alive::<C>(requests.clone()).await {
                tokio::time::sleep(PAUSE).await;
                avoid = Some(replica.id);
                continue;
            }
            let until = (Instant::now() + self.attempt + extra).min(deadline);
            let on_the_way = replica.begin();
            let tried = try_once::<C>(requests, inputs, until).await;
            drop(on_the_way);
            match tried {
                Ok(answers) => return Ok((replica.id, answers)),
                Err(Fault::Final(text)) => return Err(GivenUp::because(text)),
                Err(Fault::Broken(text)) if turn.is_some() => return Err(GivenUp { broken: true, text }),
                Err(Fault::Broken(text)) => {
                    why = text;
                    turn = tokio::time::timeout_at(deadline, replicas.suspects.lock()).await.ok();
                    tokio::time::sleep(APART.mul_f64(chance())).await;
                }
                Err(Fault::Late) => {
                    replica.suspect();
                    "a replica did not answer in time".clone_into(&mut why);
                }
                Err(Fault::Busy(text)) => why = text,
            }
            if !replicas.has_other(replica.id) {
                tokio::time::sleep(PAUSE).await;
            }
            avoid = Some(replica.id);
        }
        tracing::debug!(service = C::SERVICE, items = inputs.len(), %why, "a call was given up");
        Err(GivenUp::because(why))
    }
}

impl GivenUp {
    const fn because(text: String) -> Self {
        Self { broken: false, text }
    }

    fn error(&self) -> StageError {
        if self.broken { StageError::Crashed } else { StageError::Unavailable(self.text.clone()) }
    }
}

/// From 0 to 1, otherwise in every process.
fn chance() -> f64 {
    let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0_u8);
    f64::from(u16::try_from(random >> 48).unwrap_or(0)) / f64::from(u16::MAX)
}

/// Whether a replica answers at all, now.
async fn is_alive<C: Contract>(requests: Requests) -> bool {
    let asked = HealthCheckRequest { service: C::SERVICE.to_owned() };
    let mut client = HealthClient::new(requests);
    matches!(tokio::time::timeout(ALIVE, client.check(asked)).await, Ok(Ok(_)))
}

async fn try_once<C: Contract>(
    requests: Requests,
    inputs: &[C::Input],
    until: Instant,
) -> Result<Vec<Answer<C::Output>>, Fault> {
    let mut client = tonic::client::Grpc::new(requests)
        .max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
        .max_encoding_message_size(limits::MESSAGE_BYTES_MAX);
    let mut request = Request::new(C::request(inputs));
    request.set_timeout(until.saturating_duration_since(Instant::now()));
    if let Some(trace) = inputs.first().and_then(C::traceparent).and_then(|text| MetadataValue::try_from(text).ok()) {
        request.metadata_mut().insert("traceparent", trace);
    }
    let called = async {
        client.ready().await.map_err(|error| Fault::Busy(format!("a replica's connection ended: {error}")))?;
        let codec = ProstCodec::<C::Request, C::Response>::default();
        client.unary(request, PathAndQuery::from_static(C::PATH), codec).await.map_err(|status| fault(&status))
    };
    let response = tokio::time::timeout_at(until, called).await.map_err(|_| Fault::Late)??;
    C::answers(response.into_inner(), inputs)
        .map_err(|Invalid { field }| Fault::Final(format!("the replica's answer lacks a valid {field}")))
}

fn fault(status: &Status) -> Fault {
    let text = || format!("{}: {}", status.code().description(), status.message());
    match status.code() {
        Code::DeadlineExceeded => Fault::Late,
        Code::ResourceExhausted | Code::Unimplemented => Fault::Busy(text()),
        // Said by the replica itself: it drains.
        Code::Unavailable if !is_from_below(status) => Fault::Busy(text()),
        Code::InvalidArgument | Code::OutOfRange | Code::PermissionDenied | Code::Unauthenticated => {
            Fault::Final(text())
        }
        _ if is_before_sending(status) => Fault::Busy(text()),
        _ => Fault::Broken(text()),
    }
}

/// Whether the status was made here, of a connection's error.
fn is_from_below(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
}

/// Whether the connection ended before the call was on it: then the call cannot be why.
fn is_before_sending(status: &Status) -> bool {
    let mut error = std::error::Error::source(status);
    while let Some(inner) = error {
        if inner.downcast_ref::<hyper::Error>().is_some_and(|hyper| hyper.is_canceled()) {
            return true;
        }
        error = inner.source();
    }
    false
}
