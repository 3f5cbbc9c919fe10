//! A batch of messages: each is judged, all are mapped by one call of the stage, then each becomes what is to be written, in order.
//!
//! One call for all of them: where the stage runs in another process, a call of its own for each message would cost more than the mapping.

use std::time::Duration;

use barid_log::Entry;
use barid_model::outcome::Disposition;
use barid_model::record::{InRecord, Intake, Record as _, Source};
use barid_model::stage::StageError;
use barid_model::{Finding, Severity};
use barid_trace::Started;
use barid_transform::{Applied, ApplyInput};

use super::{Ordering, Pending, Program, Router, RouterError, first};
use crate::fanout::{Fanout, ended, fan_out};
use crate::memory::Judgement;
use crate::traced;

/// Calls of a stage that crashes on one message before the message is set aside.
const CRASHES_MAX: u32 = 3;
/// Wait before a stage that is not available is called again.
const STAGE_RETRY: Duration = Duration::from_millis(200);

/// What a stage said of one message; none: it gave no result.
type Said = Option<Result<Applied, StageError>>;

/// A message that was read and judged.
struct Judged {
    record: InRecord,
    source: Source,
    route: Option<Started>,
    next: Next,
}

/// What happens to it.
enum Next {
    /// It goes nowhere, for a reason.
    Ended(Box<Fanout>),
    /// It is mapped.
    Apply(Program),
}

impl Router {
    /// Queues what all of these become.
    pub(super) async fn work(&mut self, intake: Intake, entries: &[Entry]) -> Result<(), RouterError> {
        let (mut judged, mut failed) = (Vec::with_capacity(entries.len()), None);
        for entry in entries {
            match self.judged(intake, entry).await {
                Ok(one) => judged.push((entry.position.0, one)),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        let mut said = self.call(&judged).await.into_iter();
        for (position, judged) in judged {
            if let Some(Judged { record, source, route, next }) = judged {
                let mut fanout = match next {
                    Next::Ended(fanout) => *fanout,
                    Next::Apply(program) => {
                        let said = said.next().flatten();
                        self.mapped(&record, &program, source, route.as_ref(), said).await?
                    }
                };
                self.routed.extend(traced::carry(route, &record.envelope, &mut fanout));
                self.count(&fanout);
                self.outputs.add(&mut fanout).await?;
                self.answers.extend(fanout.answer);
            }
            self.read.advance(intake, position);
        }
        // Those before it are worked on all the same: what had to be decided for them is.
        failed.map_or(Ok(()), Err)
    }

    /// None: the record cannot be understood.
    async fn judged(&mut self, intake: Intake, entry: &Entry) -> Result<Option<Judged>, RouterError> {
        let position = entry.position.0;
        let other = match intake {
            Intake::Received => self.read.chained,
            Intake::Chained => self.read.received,
        };
        let source = Source { partition: self.options.partition, intake, position, output: 0, other };
        let record = match InRecord::decode(entry.record.clone()) {
            Ok(record) => record,
            Err(error) => {
                self.handle.damaged.fetch_add(1, Ordering::Relaxed);
                tracing::error!(partition = %source.partition, position, %error, "accepted message cannot be understood");
                return Ok(None);
            }
        };
        let route = traced::begin(&record.envelope);
        let next = self.next(&record, source).await?;
        Ok(Some(Judged { record, source, route, next }))
    }

    async fn next(&mut self, record: &InRecord, source: Source) -> Result<Next, RouterError> {
        let (envelope, now) = (&record.envelope, self.options.clock.now());
        let set_aside =
            |findings| Next::Ended(Box::new(ended(envelope, source, now, Disposition::Quarantined, None, findings)));
        let Some(channel) = envelope.channel.clone() else {
            let text = "no channel takes this message";
            return Ok(set_aside(vec![Finding::error(200, "MSH-9", "channel.none", text)]));
        };
        let Some(program) = self.program(&channel, envelope.revision).await? else {
            let text = "the channel's revision this message was accepted under is not in the log";
            return Ok(set_aside(vec![Finding::error(207, "", "channel.revision", text)]));
        };
        if source.intake == Intake::Received {
            match self.judge.judge(envelope, source.position, program.duplicates).await? {
                Judgement::Fresh => self.judge.remember(envelope, source.position),
                Judgement::Duplicate(of) => {
                    let duplicate = ended(envelope, source, now, Disposition::Duplicate, Some(of), Vec::new());
                    return Ok(Next::Ended(Box::new(duplicate)));
                }
                Judgement::OtherBytes(_) => {
                    let text = "the control id was used before by this facility for another message";
                    return Ok(set_aside(vec![Finding::error(205, "MSH-10", "duplicate.otherContent", text)]));
                }
            }
        }
        // The parse stage accepts such a message where its channel asks for that: it is kept, and goes nowhere.
        if envelope.findings.iter().any(|finding| finding.severity == Severity::Error) {
            return Ok(set_aside(envelope.findings.clone()));
        }
        Ok(Next::Apply(program))
    }

    /// What the stage says of those that are mapped, in their order.
    async fn call(&self, judged: &[(u64, Option<Judged>)]) -> Vec<Said> {
        let (mut inputs, mut spans) = (Vec::new(), Vec::new());
        for judged in judged.iter().filter_map(|(_, judged)| judged.as_ref()) {
            if let Next::Apply(program) = &judged.next {
                let mut input: ApplyInput = (program.input)(&judged.record);
                spans.push(traced::applying(judged.route.as_ref(), &mut input));
                inputs.push(input);
            }
        }
        if inputs.is_empty() {
            return Vec::new();
        }
        let mut said = self.options.apply.call(inputs).await.into_iter();
        let each = spans.into_iter().map(|span| {
            let said = said.next();
            traced::applied(span, said.as_ref().and_then(|said| said.as_ref().ok()));
            said
        });
        each.collect()
    }

    /// What a mapped message becomes; where the stage gave no result, it is called again, for this message alone.
    async fn mapped(
        &mut self,
        record: &InRecord,
        program: &Program,
        source: Source,
        route: Option<&Started>,
        mut said: Said,
    ) -> Result<Fanout, RouterError> {
        let (mut crashes, mut alone) = (0, false);
        loop {
            match said {
                Some(Ok(applied)) => {
                    let (programs, now) = (&self.options.programs, self.options.clock.now());
                    return Ok(fan_out(record, source, now, applied, &|channel| programs.current(channel)));
                }
                Some(Err(StageError::Crashed)) => crashes += 1,
                _ if alone => tokio::time::sleep(STAGE_RETRY).await,
                // The one before may have found the stage available again.
                _ => {}
            }
            alone = true;
            if crashes >= CRASHES_MAX {
                return self.crashed(record, source).await;
            }
            let mut input = (program.input)(record);
            let apply = traced::applying(route, &mut input);
            said = self.options.apply.call(vec![input]).await.pop();
            traced::applied(apply, said.as_ref().and_then(|said| said.as_ref().ok()));
        }
    }

    async fn crashed(&mut self, record: &InRecord, source: Source) -> Result<Fanout, RouterError> {
        tracing::error!(uid = %record.envelope.uid, "message is set aside: the mapping crashed on it {CRASHES_MAX} times");
        let finding = Finding::error(207, "", "stage.crashed", "the mapping stage crashed on this message");
        let now = self.options.clock.now();
        let mut fanout = ended(&record.envelope, source, now, Disposition::Quarantined, None, vec![finding]);
        self.decide(&mut fanout).await?;
        Ok(fanout)
    }

    /// A decision that is no function of the message is durable and committed before anything later is written. What
    /// stands before it in its batch is committed with it, so its senders are told with it too.
    async fn decide(&mut self, fanout: &mut Fanout) -> Result<(), RouterError> {
        self.outputs.add(fanout).await?;
        let tickets = self.append(true).await?;
        let source = fanout.routed.source;
        let position = source.position;
        let mut answers = std::mem::take(&mut self.answers);
        answers.extend(fanout.answer.take());
        let routed = std::mem::take(&mut self.routed);
        self.pending.push_back(Pending { tickets, intake: source.intake, position, answers, routed });
        while !self.pending.is_empty() {
            let result = first(&mut self.pending).await;
            self.landed(result?).await?;
        }
        self.commit(false).await
    }
}
