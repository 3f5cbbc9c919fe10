//! A contract: one stage's input and output as the messages of one call.

use barid_model::stage::StageError;
use barid_transform::{Applied, ApplyInput};
use barid_validate::{ParseInput, Verdict};

use crate::convert::{Failed, Peers, Strict, applied, apply_item, failed, invalid, needed, parse_item, verdict};
use crate::proto::{parse::v1 as parse, transform::v1 as transform};

/// One stage's calls, as its caller sees them. Implemented here, for the contracts there are.
pub trait Contract: sealed::Exchange {}

pub(crate) mod sealed {
    use barid_model::stage::StageError;

    use crate::convert::Invalid;

    /// What a replica said of one item.
    #[derive(Debug)]
    pub enum Answer<O> {
        /// An output or the stage's own error.
        Done(Result<O, StageError>),
        /// The result did not fit beside the others.
        Alone,
    }

    /// How inputs and outputs travel.
    pub trait Exchange: Send + Sync + 'static {
        /// What the stage is given.
        type Input: Send + Sync + 'static;
        /// What it gives back.
        type Output: Send + 'static;
        /// The message that carries inputs.
        type Request: prost::Message + Default + 'static;
        /// The message that carries outputs.
        type Response: prost::Message + Default + 'static;
        /// The service, as the health protocol names it.
        const SERVICE: &'static str;
        /// The method.
        const PATH: &'static str;
        /// Bytes of an input's message.
        fn weight(input: &Self::Input) -> usize;
        /// W3C trace context of an input.
        fn traceparent(input: &Self::Input) -> Option<&str>;
        /// Inputs as they travel.
        fn request(inputs: &[Self::Input]) -> Self::Request;
        /// What was answered, one for each input.
        ///
        /// # Errors
        /// Where it cannot be told what was answered.
        fn answers(response: Self::Response, inputs: &[Self::Input]) -> Result<Vec<Answer<Self::Output>>, Invalid>;
    }
}

pub(crate) use sealed::{Answer, Exchange};

/// Calls of the parse stage (`barid.parse.v1`).
#[derive(Debug, Clone, Copy)]
pub enum ParseContract {}

/// Calls of the apply stage (`barid.transform.v1`).
#[derive(Debug, Clone, Copy)]
pub enum ApplyContract {}

impl Contract for ParseContract {}
impl Contract for ApplyContract {}

impl sealed::Exchange for ParseContract {
    type Input = ParseInput;
    type Output = Verdict;
    type Request = parse::ParseRequest;
    type Response = parse::ParseResponse;
    const SERVICE: &'static str = "barid.parse.v1.Parse";
    const PATH: &'static str = "/barid.parse.v1.Parse/Parse";

    fn weight(input: &ParseInput) -> usize {
        input.raw.len()
    }

    fn traceparent(input: &ParseInput) -> Option<&str> {
        input.traceparent.as_deref()
    }

    fn request(inputs: &[ParseInput]) -> parse::ParseRequest {
        let mut peers = Peers::default();
        let items = inputs.iter().map(|input| parse_item(input, &mut peers)).collect();
        parse::ParseRequest { peers: peers.wire, items }
    }

    fn answers(response: parse::ParseResponse, inputs: &[ParseInput]) -> Strict<Vec<Answer<Verdict>>> {
        let answer = |(result, input): (parse::ParseResult, &ParseInput)| match needed(result.result, "result")? {
            parse::parse_result::Result::Failure(wire) => failed(wire).map(not_done),
            result => verdict(result, input).map(|verdict| Answer::Done(Ok(verdict))),
        };
        paired(response.results, inputs)?.map(answer).collect()
    }
}

impl sealed::Exchange for ApplyContract {
    type Input = ApplyInput;
    type Output = Applied;
    type Request = transform::ApplyRequest;
    type Response = transform::ApplyResponse;
    const SERVICE: &'static str = "barid.transform.v1.Transform";
    const PATH: &'static str = "/barid.transform.v1.Transform/Apply";

    fn weight(input: &ApplyInput) -> usize {
        input.raw.len() + input.context.len()
    }

    fn traceparent(input: &ApplyInput) -> Option<&str> {
        input.envelope.traceparent.as_deref()
    }

    fn request(inputs: &[ApplyInput]) -> transform::ApplyRequest {
        transform::ApplyRequest { items: inputs.iter().map(apply_item).collect() }
    }

    fn answers(response: transform::ApplyResponse, inputs: &[ApplyInput]) -> Strict<Vec<Answer<Applied>>> {
        let answer = |(result, input): (transform::ApplyResult, &ApplyInput)| match needed(result.result, "result")? {
            transform::apply_result::Result::Failure(wire) => failed(wire).map(not_done),
            result => applied(result, &input.raw).map(|applied| Answer::Done(Ok(applied))),
        };
        paired(response.results, inputs)?.map(answer).collect()
    }
}

/// As many results as inputs, else whose is which cannot be told.
fn paired<R, I>(results: Vec<R>, inputs: &[I]) -> Strict<impl Iterator<Item = (R, &I)>> {
    if results.len() == inputs.len() { Ok(results.into_iter().zip(inputs)) } else { Err(invalid("number of results")) }
}

fn not_done<O>(failed: Failed) -> Answer<O> {
    match failed {
        Failed::Stage(error) => Answer::Done(Err(error)),
        Failed::Invalid(text) => {
            Answer::Done(Err(StageError::Unavailable(format!("the replica cannot read it: {text}"))))
        }
        Failed::Alone => Answer::Alone,
    }
}
