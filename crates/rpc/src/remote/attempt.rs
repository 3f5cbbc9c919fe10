//! Tries of one batch: which replica, how long, and what is done when it does not answer.
//!
//! Stages are pure, so a call may always be made again. What must not happen is that one message takes a replica with it,
//! and then the next: so a batch whose connection broke twice is taken apart, and a message that broke its connection
//! twice alone counts as crashed, which is what leads to its being set aside.

use std::time::Duration;

use barid_model::stage::StageError;
use futures_util::StreamExt;
use futures_util::stream;
use http::uri::PathAndQuery;
use tokio::time::Instant;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::replicas::Replicas;
use super::weight;
use crate::contract::{Answer, Contract};
use crate::convert::Invalid;
use crate::limits;

/// Broken connections after which a batch is taken apart, or a message alone counts as crashed.
const BROKEN_MAX: u32 = 2;
/// Messages of a batch that was taken apart that are tried at once.
const APART_AT_ONCE: usize = 4;
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
    broken: u32,
    text: String,
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
        match self.answers::<C>(replicas, inputs, None).await {
            Ok((by, answers)) => {
                let mut outputs = Vec::with_capacity(inputs.len());
                for (answer, input) in answers.into_iter().zip(inputs) {
                    outputs.push(match answer {
                        Answer::Done(Err(StageError::Crashed)) if replicas.has_other(by) => {
                            self.alone::<C>(replicas, input, Some(by)).await
                        }
                        Answer::Alone => self.alone::<C>(replicas, input, None).await,
                        Answer::Done(output) => output,
                    });
                }
                outputs
            }
            Err(GivenUp { broken, .. }) if broken >= BROKEN_MAX && inputs.len() > 1 => {
                let mut apart = Vec::with_capacity(inputs.len());
                for input in inputs {
                    apart.push(self.alone::<C>(replicas, input, None));
                }
                stream::iter(apart).buffered(APART_AT_ONCE).collect().await
            }
            Err(given_up) => inputs.iter().map(|_| Err(given_up.error(inputs.len()))).collect(),
        }
    }

    async fn alone<C: Contract>(
        self,
        replicas: &Replicas,
        input: &C::Input,
        avoid: Option<u64>,
    ) -> Result<C::Output, StageError> {
        match self.answers::<C>(replicas, std::slice::from_ref(input), avoid).await {
            Ok((_, mut answers)) => match answers.pop() {
                Some(Answer::Done(output)) => output,
                Some(Answer::Alone) | None => {
                    Err(StageError::Unavailable("its result is too large for a call".to_owned()))
                }
            },
            Err(given_up) => Err(given_up.error(1)),
        }
    }

    /// One answer for each input, and who gave them.
    async fn answers<C: Contract>(
        self,
        replicas: &Replicas,
        inputs: &[C::Input],
        mut avoid: Option<u64>,
    ) -> Result<(u64, Vec<Answer<C::Output>>), GivenUp> {
        let bytes = weight::<C>(inputs);
        if bytes > limits::MESSAGE_BYTES_MAX - limits::OVERHEAD_BYTES {
            let text =
                format!("a message of {bytes} bytes is larger than a call takes ({})", limits::MESSAGE_BYTES_MAX);
            return Err(GivenUp { broken: 0, text });
        }
        let extra = limits::per_byte(bytes);
        let deadline = Instant::now() + self.deadline + extra;
        let (mut broken, mut text) = (0, String::new());
        while Instant::now() < deadline {
            let patience = (Instant::now() + self.no_replica).min(deadline);
            let Some(replica) = replicas.choose(avoid, patience).await else {
                text = if text.is_empty() { "no replica of it serves".to_owned() } else { text };
                break;
            };
            let Some(requests) = replica.requests() else { continue };
            let until = (Instant::now() + self.attempt + extra).min(deadline);
            let on_the_way = replica.begin();
            let tried = try_once::<C>(requests, inputs, until).await;
            drop(on_the_way);
            match tried {
                Ok(answers) => return Ok((replica.id, answers)),
                Err(Fault::Final(why)) => return Err(GivenUp { broken: 0, text: why }),
                Err(Fault::Broken(why)) => {
                    (broken, text) = (broken + 1, why);
                    if broken >= BROKEN_MAX {
                        break;
                    }
                }
                Err(Fault::Late) => {
                    replica.suspect();
                    text = "a replica did not answer in time".to_owned();
                }
                Err(Fault::Busy(why)) => text = why,
            }
            if !replicas.has_other(replica.id) {
                tokio::time::sleep(PAUSE).await;
            }
            avoid = Some(replica.id);
        }
        tracing::debug!(service = C::SERVICE, items = inputs.len(), why = %text, "a call was given up");
        Err(GivenUp { broken, text })
    }
}

impl GivenUp {
    fn error(&self, items: usize) -> StageError {
        if self.broken >= BROKEN_MAX && items == 1 {
            return StageError::Crashed;
        }
        StageError::Unavailable(self.text.clone())
    }
}

async fn try_once<C: Contract>(
    requests: crate::transport::dial::Requests,
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
