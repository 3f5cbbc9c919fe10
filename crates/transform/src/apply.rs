//! The apply stage: filter, the channel's own steps, then each route on its own.
//!
//! One parse a message. Routes continue on a clone of the channel's draft, which shares all that they do not change;
//! routes without steps that write alike share their bytes as well. A route that fails takes no other with it.

use std::borrow::Cow;

use barid_expr::{Budget, Fields, Program};
use barid_hl7::{Draft, Limits, Message, OnUnmappable as Unmappable, SegmentEnds as Ends, error_code};
use barid_model::stage::{Stage, StageError};
use barid_model::{Finding, Payload};

use crate::document::{OnUnmappable, SegmentEnds};
use crate::facts::Context;
use crate::mapping::Mapping;
use crate::program::{Applied, ApplyInput, Outgoing, RouteOutput, RouteProgram, RouteResult};
use crate::run::STEPS_A_MAPPING;

/// What a mapping may add to a message besides doubling it: a small message may get a letterhead.
const OUTPUT_EXTRA_BYTES: usize = 1024 * 1024;
/// Largest output, unless the message came in larger: twice what a listener takes by default.
const OUTPUT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The apply stage.
#[derive(Debug, Clone, Copy, Default)]
pub struct Apply;

impl Stage for Apply {
    type Input = ApplyInput;
    type Output = Applied;

    fn apply(&self, input: &ApplyInput) -> Result<Applied, StageError> {
        Ok(match applied(input) {
            Ok(applied) => applied,
            Err(findings) => Applied::Failed(findings),
        })
    }
}

impl ApplyInput {
    /// Reads the message as it was read when it was accepted.
    ///
    /// # Errors
    /// Where it cannot be read, as a finding.
    pub fn read(&self) -> Result<Message, Finding> {
        // It was accepted, so its size is no reason to refuse it now.
        let limits = Limits { message_bytes: self.raw.len().max(self.limits.message_bytes), ..self.limits };
        Message::parse(self.raw.bytes(), &limits).map(|parsed| parsed.message).map_err(|error| {
            let path = error.path().map(|path| path.to_string()).unwrap_or_default();
            Finding::error(error.code(), path, "apply.read", error.to_string())
        })
    }

    /// A draft of the message, with the bound on what it may become.
    #[must_use]
    pub fn draft<'m>(&self, message: &'m Message) -> Draft<'m> {
        let received = message.raw().len();
        let bound = received.saturating_mul(2).saturating_add(OUTPUT_EXTRA_BYTES).min(OUTPUT_BYTES_MAX).max(received);
        Draft::with_limits(message, &Limits { message_bytes: bound, ..self.limits })
    }

    /// What expressions can ask.
    #[must_use]
    pub fn context(&self) -> Context<'_> {
        Context { envelope: &self.envelope, facility: &self.facility }
    }
}

fn applied(input: &ApplyInput) -> Result<Applied, Vec<Finding>> {
    let program = &input.program;
    let message = input.read().map_err(|finding| vec![finding])?;
    let context = input.context();
    if let Some(filter) = &program.filter
        && !holds(filter, "filter", context, &message).map_err(|finding| vec![finding])?
    {
        return Ok(Applied::Filtered { by: "filter" });
    }
    let mut draft = input.draft(&message);
    run(&program.transform, &mut draft, context)?;
    let mut written = Written::default();
    let routes = program.routes.iter().map(|route| RouteResult {
        route: route.name.clone(),
        target: route.target.clone(),
        output: route_output(route, &draft, context, &mut written),
    });
    Ok(Applied::Routed(routes.collect()))
}

fn run(mapping: &Mapping, draft: &mut Draft<'_>, context: Context<'_>) -> Result<(), Vec<Finding>> {
    mapping.run(draft, context, &mut Budget::of(STEPS_A_MAPPING)).map_err(|failure| vec![failure.finding])
}

fn holds(when: &Program, field: &str, context: Context<'_>, fields: &dyn Fields) -> Result<bool, Finding> {
    when.test(&context.facts(fields)).map_err(|error| {
        let rule = format!("apply.{}", field.rsplit('.').next().unwrap_or(field));
        Finding::error(error_code::INTERNAL, "", &rule, format!("{field}: {error}"))
    })
}

fn route_output(route: &RouteProgram, draft: &Draft<'_>, context: Context<'_>, written: &mut Written) -> RouteOutput {
    let mut sent = || -> Result<Option<Payload>, Vec<Finding>> {
        if let Some(when) = &route.when {
            let field = format!("routes[{}].when", route.name);
            if !holds(when, &field, context, draft).map_err(|finding| vec![finding])? {
                return Ok(None);
            }
        }
        if route.transform.is_empty() {
            return written.once(route.outgoing, draft).map(Some);
        }
        let mut own = draft.clone();
        run(&route.transform, &mut own, context)?;
        route.outgoing.write(Cow::Owned(own)).map(Some)
    };
    match sent() {
        Ok(Some(payload)) => RouteOutput::Sent(vec![payload]),
        Ok(None) => RouteOutput::Filtered,
        Err(findings) => RouteOutput::Failed(findings),
    }
}

/// The bytes of the channel's draft, by how they were written: routes without steps share them.
#[derive(Default)]
struct Written(Vec<(Outgoing, Payload)>);

impl Written {
    fn once(&mut self, outgoing: Outgoing, draft: &Draft<'_>) -> Result<Payload, Vec<Finding>> {
        if let Some((_, payload)) = self.0.iter().find(|(known, _)| *known == outgoing) {
            return Ok(payload.clone());
        }
        let payload = outgoing.write(Cow::Borrowed(draft))?;
        self.0.push((outgoing, payload.clone()));
        Ok(payload)
    }
}

impl Outgoing {
    /// The draft as bytes to send; the received bytes themselves where nothing differs.
    ///
    /// # Errors
    /// Characters that the character set does not have, as findings.
    pub fn write(&self, draft: Cow<'_, Draft<'_>>) -> Result<Payload, Vec<Finding>> {
        let ends = match self.segment_ends {
            SegmentEnds::Cr => Ends::Cr,
            SegmentEnds::AsReceived => Ends::AsReceived,
        };
        let Some(charset) = self.charset else { return Ok(draft.finish(ends).into()) };
        let unmappable = match self.on_unmappable {
            OnUnmappable::Fail => Unmappable::Fail,
            OnUnmappable::Replace => Unmappable::Replace,
            OnUnmappable::Escape => Unmappable::Hex,
        };
        let mut draft = draft.into_owned().on_unmappable(unmappable);
        draft
            .transcode(charset)
            .map_err(|error| vec![Finding::error(error_code::DATA_TYPE, "", "outbound.charset", error.to_string())])?;
        Ok(draft.finish(ends).into())
    }
}
