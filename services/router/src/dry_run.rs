//! What would become of a message, tried with the router's own parts: the rules and programs that run, the stage that is
//! called, the same code for what is written where. Nothing is accepted, stored or sent.
//!
//! Not asked is the judge of resends: what it would say depends on when the message comes.

use std::collections::BTreeSet;
use std::sync::Arc;

use barid_config::Channel;
use barid_config::testing::{Judged, Sample};
use barid_custody::{Channels, Full, Pauses, What, admit, program};
use barid_log::LogError;
use barid_model::outcome::Disposition;
use barid_model::record::{InRecord, Intake, RoutedDelivery, Source};
use barid_model::{
    DryEnd, DryPiece, DryRouting, DryRun, DryRunResult, Envelope, LaneHasher, Name, Outcome, Partitions, Severity,
};
use barid_pipeline::fanout::{Fanout, ended, fan_out};
use barid_pipeline::subject;
use barid_transform::Applied;
use barid_validate::Verdict;

use crate::Parts;

/// Why a message could not be tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTried {
    /// There is no such channel, revision, listener or facility.
    #[error("{0}")]
    NotFound(String),
    /// Not now.
    #[error("{0}")]
    Unavailable(String),
}

impl From<LogError> for NotTried {
    fn from(error: LogError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Tries a message.
///
/// # Errors
/// [`NotTried`].
pub async fn dry_run(parts: &Parts, run: DryRun) -> Result<DryRunResult, NotTried> {
    let snapshot = parts.channels.snapshot();
    let named = |kind: &str, name: &Name, known: bool| {
        if known { Ok(()) } else { Err(NotTried::NotFound(format!("there is no good {kind} {}", name.short()))) }
    };
    run.listener.as_ref().map_or(Ok(()), |name| named("listener", name, snapshot.listeners.contains_key(name)))?;
    run.facility.as_ref().map_or(Ok(()), |name| named("facility", name, snapshot.facilities.contains_key(name)))?;
    let present = snapshot.channels.get(&run.channel).cloned();
    let earlier = run.revision.filter(|wanted| present.as_ref().is_none_or(|channel| channel.revision != *wanted));
    let channel = match earlier {
        Some(wanted) => parts.channels.find(&run.channel, wanted).await?.ok_or_else(|| {
            NotTried::NotFound(format!("the log has no revision {wanted} of channel {}", run.channel.short()))
        })?,
        None => present.ok_or_else(|| {
            let known: Vec<String> = snapshot.channels.keys().map(Name::short).collect();
            let text = format!("there is no good channel {}; there are: {}", run.channel.short(), known.join(", "));
            NotTried::NotFound(text)
        })?,
    };
    let hasher = LaneHasher::new(parts.log.identity().lane_key);
    let sample = Sample { raw: run.raw.clone(), facility: run.facility, received: run.received, hasher };
    // An earlier revision is asked alone: which messages come to a channel is a matter of those that run now.
    let judged = if earlier.is_some() {
        sample.for_channel(&snapshot, &channel).map(|verdict| Judged { listener: None, aside: None, verdict })
    } else {
        sample.judge(&snapshot, &channel, run.listener)
    };
    let judged = judged.map_err(|error| NotTried::Unavailable(error.to_string()))?;
    let surroundings = Surroundings::read(parts).await?;
    let mut result = DryRunResult {
        revision: channel.revision,
        ack: judged.ack().map(str::to_owned),
        listener: judged.listener,
        notes: judged.aside.into_iter().collect(),
        facility: String::new(),
        findings: Vec::new(),
        routing: None,
    };
    match judged.verdict {
        Verdict::NoReply(_) => {}
        Verdict::Reject(rejected) => {
            result.facility = rejected.facility.map(|name| name.to_string()).unwrap_or_default();
            result.findings = rejected.findings;
        }
        Verdict::Accept(accepted) => {
            let envelope =
                Envelope { channel: Some(channel.name.clone()), revision: channel.revision, ..accepted.envelope };
            result.facility = envelope.facility.name.to_string();
            result.findings.clone_from(&envelope.findings);
            result.notes.extend(surroundings.of_channel(parts, &channel, &envelope));
            let record = InRecord { envelope, source: None, raw: run.raw };
            result.routing = Some(routing(parts, &channel, &record, &surroundings).await?);
        }
    }
    Ok(result)
}

/// What stands beside the documents: pauses, and destinations that have too much waiting.
struct Surroundings {
    pauses: Pauses,
    full: Full,
    crowded: BTreeSet<Name>,
}

impl Surroundings {
    async fn read(parts: &Parts) -> Result<Self, LogError> {
        let keys = parts.log.keys(subject::FULL).await?;
        let names = keys.iter().filter_map(|key| key.as_str().strip_prefix(subject::FULL)?.split_once('.'));
        let crowded: BTreeSet<Name> = names.map(|(namespace, name)| Name::new(namespace, name)).collect();
        let full = Full::of(crowded.iter().cloned().collect());
        Ok(Self { pauses: Pauses::open(Arc::clone(&parts.log)).await?, full, crowded })
    }

    /// Why it would not be taken now, or not go on, and what its sender waits for.
    fn of_channel(&self, parts: &Parts, channel: &Channel, envelope: &Envelope) -> Vec<String> {
        let mut notes = Vec::new();
        if let Err(why) = admit(&*parts.log, &parts.channels, &self.pauses, &self.full, Some(&channel.name)) {
            notes.push(format!("it would be refused now: {why}"));
        }
        if self.pauses.get(What::Channel, &channel.name).is_some_and(|pause| !pause.closed) {
            notes.push(format!("channel {} is paused by command", channel.name.short()));
        }
        if let Some(waits) = &envelope.waits {
            let whose = waits.route.as_ref().map_or_else(String::new, |route| format!(" of route {route}"));
            notes.push(format!("its sender would wait for the answer{whose}, at most {} s", waits.timeout.as_secs()));
        }
        notes
    }

    fn of_destination(&self, channels: &Channels, name: &Name) -> Option<String> {
        if !channels.snapshot().destinations.contains_key(name) {
            return Some("the destination is not declared: it would wait for that".to_owned());
        }
        if self.pauses.get(What::Destination, name).is_some() {
            return Some("the destination is paused by command".to_owned());
        }
        self.crowded.contains(name).then(|| "the destination has too much waiting".to_owned())
    }
}

/// What the owner of the partition would do.
async fn routing(
    parts: &Parts,
    channel: &Arc<Channel>,
    record: &InRecord,
    surroundings: &Surroundings,
) -> Result<DryRouting, NotTried> {
    let envelope = &record.envelope;
    let partitions = Partitions::new(u16::try_from(parts.log.identity().partitions).unwrap_or(u16::MAX));
    let partition = partitions.of(&envelope.facility.name);
    let source = Source { partition, intake: Intake::Received, position: 0, output: 0, other: 0 };
    let now = parts.clock.now();
    let wrong = envelope.findings.iter().any(|finding| finding.severity == Severity::Error);
    let (fanout, filtered) = if wrong {
        // Accepted because its channel asks for that, and set aside.
        let findings = envelope.findings.clone();
        (ended(envelope, source, now, Disposition::Quarantined, None, findings), false)
    } else {
        let input = (program(Arc::clone(channel)).input)(record);
        let applied = parts.apply.call(vec![input]).await.pop();
        let applied = applied.unwrap_or_else(|| Ok(Applied::Failed(Vec::new())));
        let applied = applied.map_err(|error| NotTried::Unavailable(format!("the apply stage: {error}")))?;
        let filtered = matches!(applied, Applied::Filtered { .. });
        let revision_of = |name: &Name| parts.channels.snapshot().channels.get(name).map(|channel| channel.revision);
        (fan_out(record, source, now, applied, &revision_of), filtered)
    };
    let set_aside = (fanout.routed.disposition == Disposition::Quarantined).then(|| fanout.routed.findings.clone());
    let deliveries = fanout.routed.deliveries.iter();
    let pieces = deliveries.map(|delivery| piece(parts, surroundings, &fanout, delivery)).collect::<Result<_, _>>()?;
    Ok(DryRouting { partition, lanes: envelope.lanes.clone(), filtered, set_aside, pieces })
}

fn piece(
    parts: &Parts,
    surroundings: &Surroundings,
    fanout: &Fanout,
    delivery: &RoutedDelivery,
) -> Result<DryPiece, NotTried> {
    let partition = fanout.routed.source.partition;
    let mut piece = DryPiece {
        route: Arc::clone(&delivery.route),
        part: delivery.part,
        destination: delivery.destination.clone(),
        end: if delivery.outcome == Some(Outcome::Filtered) { DryEnd::Filtered } else { DryEnd::SetAside },
        subject: None,
        findings: delivery.findings.clone(),
        note: None,
        payload: barid_model::Payload::default(),
    };
    if let Some(out) = fanout.outs.iter().find(|out| out.id == delivery.id) {
        piece.end = if out.set_aside.is_some() { DryEnd::SetAside } else { DryEnd::Written };
        piece.subject = Some(subject::out(&out.destination, partition)?.to_string());
        piece.note = surroundings.of_destination(&parts.channels, &out.destination);
        piece.payload = out.payload.clone();
    } else if let Some(chained) = fanout.chained.iter().find(|chained| delivery.chained == Some(chained.envelope.uid)) {
        piece.end = DryEnd::Written;
        piece.subject = Some(subject::intake(partition, Intake::Chained)?.to_string());
        let next = chained.envelope.channel.as_ref().map(Name::short).unwrap_or_default();
        piece.note = Some(format!("it goes through channel {next}"));
        piece.payload = chained.raw.clone();
    }
    Ok(piece)
}
