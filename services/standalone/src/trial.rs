//! One message by hand through a channel: what the parse stage says of it, and what each step changes.
//!
//! The stages are the real ones and run in the order the engine runs them; only the notes beside them are made here. Nothing is recorded or sent.

use std::borrow::Cow;
use std::sync::Arc;

use barid_config::testing::{Judged, Sample};
use barid_config::{Channel, Snapshot};
use barid_expr::{Budget, MessageFacts, Program};
use barid_hl7::Draft;
use barid_model::stage::StageError;
use barid_model::{Envelope, Finding, Name};
use barid_transform::{ApplyInput, Context, Done, Mapping, RouteProgram, RouteTarget, STEPS_A_MAPPING, Trace};
use barid_validate::Verdict;
use bytes::Bytes;

/// What became of a message.
pub(crate) struct Trial {
    /// The listener it was tried at; none: the channel was asked alone.
    pub(crate) listener: Option<Name>,
    /// Why the channel was asked alone, where a listener would not give it this message.
    pub(crate) aside: Option<String>,
    /// The acknowledgement its sender would get; none where none is sent.
    pub(crate) ack: Option<&'static str>,
    /// The facility it was taken to be from.
    pub(crate) facility: String,
    /// What parse and validation found.
    pub(crate) findings: Vec<Finding>,
    /// What the channel and its routes made of it, in order; none where it was refused.
    pub(crate) parts: Vec<Part>,
}

/// The channel's own part, or one route's.
pub(crate) struct Part {
    /// `channel`, or the route's name.
    pub(crate) name: String,
    /// Where the route leads.
    pub(crate) to: Option<String>,
    /// How it ended.
    pub(crate) end: End,
    /// Its steps.
    pub(crate) steps: Vec<Step>,
    /// Why it failed.
    pub(crate) findings: Vec<Finding>,
    /// The bytes it would send.
    pub(crate) output: Option<Bytes>,
}

/// How a part ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The channel's own steps ran, or a route would send.
    Done,
    /// Its condition leaves the message out.
    Filtered,
    /// It failed.
    Failed,
}

/// One step.
pub(crate) struct Step {
    /// Its place in the document.
    pub(crate) at: String,
    /// `ran`, `skipped`, `failed`.
    pub(crate) done: &'static str,
    /// What it changed: place, before, after.
    pub(crate) changes: Vec<(String, String, String)>,
}

/// Runs a message through a channel: as it came in at `listener`, else at the first listener the channel reads.
pub(crate) fn run(
    snapshot: &Snapshot,
    channel: &Arc<Channel>,
    sample: &Sample,
    listener: Option<Name>,
) -> Result<Trial, StageError> {
    Ok(trial(channel, sample, sample.judge(snapshot, channel, listener)?))
}

fn trial(channel: &Arc<Channel>, sample: &Sample, judged: Judged) -> Trial {
    let ack = judged.ack();
    let Judged { listener, aside, verdict } = judged;
    let mut trial = Trial { listener, aside, ack, facility: String::new(), findings: Vec::new(), parts: Vec::new() };
    match verdict {
        Verdict::NoReply(_) => {}
        Verdict::Reject(rejected) => {
            trial.facility = rejected.facility.map(|name| name.to_string()).unwrap_or_default();
            trial.findings = rejected.findings;
        }
        Verdict::Accept(accepted) => {
            trial.facility = accepted.envelope.facility.name.to_string();
            trial.findings.clone_from(&accepted.envelope.findings);
            trial.parts = apply(channel, sample, accepted.envelope);
        }
    }
    trial
}

fn apply(channel: &Arc<Channel>, sample: &Sample, envelope: Envelope) -> Vec<Part> {
    let sender = channel.sender(&envelope.facility);
    let mut input = ApplyInput::new(Arc::new(envelope), sample.raw.clone(), Arc::clone(&channel.program), sender.facts);
    input.limits = sender.limits;
    let mut own = Part::new("channel", None);
    let message = match input.read() {
        Ok(message) => message,
        Err(finding) => return vec![own.failed(finding)],
    };
    let context = input.context();
    match channel.program.filter.as_ref().map(|filter| holds(filter, context, &message)) {
        Some(Ok(false)) => {
            own.end = End::Filtered;
            return vec![own];
        }
        Some(Err(finding)) => return vec![own.failed(finding)],
        Some(Ok(true)) | None => {}
    }
    let mut draft = input.draft(&message);
    if let Err(finding) = own.trace(&channel.program.transform, &mut draft, context) {
        return vec![own.failed(finding)];
    }
    let mut parts = vec![own];
    parts.extend(channel.program.routes.iter().map(|program| route(program, &draft, context)));
    parts
}

fn route(program: &RouteProgram, draft: &Draft<'_>, context: Context<'_>) -> Part {
    let to = match &program.target {
        RouteTarget::Destination(name) => format!("destination {}", name.short()),
        RouteTarget::Channel(name) => format!("channel {}", name.short()),
    };
    let mut part = Part::new(&program.name, Some(to));
    match program.when.as_ref().map(|when| holds(when, context, draft)) {
        Some(Ok(false)) => {
            part.end = End::Filtered;
            return part;
        }
        Some(Err(finding)) => return part.failed(finding),
        Some(Ok(true)) | None => {}
    }
    let mut own = draft.clone();
    if let Err(finding) = part.trace(&program.transform, &mut own, context) {
        return part.failed(finding);
    }
    match program.outgoing.write(Cow::Owned(own)) {
        Ok(payload) => part.output = Some(payload.bytes()),
        Err(findings) => {
            part.end = End::Failed;
            part.findings = findings;
        }
    }
    part
}

fn holds(when: &Program, context: Context<'_>, fields: &dyn barid_expr::Fields) -> Result<bool, Finding> {
    let facts = MessageFacts::of(context.envelope, context.facility, fields);
    when.test(&facts).map_err(|error| Finding::error(barid_hl7::error_code::INTERNAL, "", "try", error.to_string()))
}

impl Part {
    fn new(name: &str, to: Option<String>) -> Self {
        Self { name: name.to_owned(), to, end: End::Done, steps: Vec::new(), findings: Vec::new(), output: None }
    }

    fn failed(mut self, finding: Finding) -> Self {
        self.end = End::Failed;
        self.findings.push(finding);
        self
    }

    fn trace(&mut self, mapping: &Mapping, draft: &mut Draft<'_>, context: Context<'_>) -> Result<(), Finding> {
        let mut trace = Trace::default();
        let result = mapping.run_traced(draft, context, &mut Budget::of(STEPS_A_MAPPING), &mut trace);
        self.steps = trace
            .steps
            .into_iter()
            .map(|step| Step {
                at: step.at,
                done: match step.done {
                    Done::Ran => "ran",
                    Done::Skipped => "skipped",
                    Done::Failed => "failed",
                },
                changes: step.changes.into_iter().map(|change| (change.path, change.before, change.after)).collect(),
            })
            .collect();
        result.map_err(|failure| failure.finding)
    }
}
