//! How fast the ledger takes messages, on one core: a message here is its IN, its ROUTED with one delivery, and its
//! OUTCOME, with two search keys. `live` has all three in one batch, as when the reader follows the engine; `behind`
//! has each kind in a batch of its own, as when it catches up. Run with `cargo bench -p barid-ledger`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a measurement ends where something fails")]

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use barid_ledger::{Change, Entry, Ledger, MessageFilter, Paging, SqliteLedger};
use barid_model::record::{Answer, Intake, OutcomeRecord, RoutedDelivery, RoutedRecord, Source};
use barid_model::{
    Cause, DeliveryId, Digest, Disposition, Envelope, FacilityRef, Format, Lane, Lanes, MessageType, MessageUid, Name,
    Outcome, Partition, Revision, SearchKey, Timestamp,
};
use bytes::Bytes;

/// Messages of one run, unless the environment says otherwise (`MESSAGES`).
const MESSAGES: u64 = 300_000;
/// Changes of one batch.
const BATCH: u64 = 1_000;

struct Message {
    envelope: Envelope,
    routed: RoutedRecord,
    outcome: OutcomeRecord,
}

fn envelope(number: u64) -> Envelope {
    let received = Timestamp::from_micros(1_700_000_000_000_000 + i64::try_from(number).unwrap() * 100);
    Envelope {
        uid: MessageUid::new(received),
        listener: Name::local("mllp"),
        facility: FacilityRef {
            name: format!("default/hospital-{}", number % 16).into(),
            speaks_for: None,
            verified: true,
        },
        channel: Some(Name::local("admissions")),
        revision: Revision::of(b"closure"),
        lanes: Lanes::of(vec![Lane::from_raw(number % 5_000)]),
        received,
        digest: Digest::of(&number.to_be_bytes()),
        format: Format::Hl7v2,
        control_id: Bytes::from(format!("MSG{number:010}")),
        message_type: MessageType {
            code: "ADT".into(),
            event: "A01".into(),
            structure: "ADT_A01".into(),
            version: "2.5.1".into(),
        },
        cause: Cause::Received,
        parents: Vec::new(),
        origin: "10.20.30.40:51234".into(),
        traceparent: None,
        findings: Vec::new(),
        keys: vec![SearchKey {
            name: "patient".into(),
            value: format!("{:032x}", number.wrapping_mul(0x9e37_79b9) % 50_000),
        }],
        waits: None,
        reason: None,
        hops: 0,
    }
}

fn message(number: u64) -> Message {
    let envelope = envelope(number);
    let (uid, received) = (envelope.uid, envelope.received);
    let partition = Partition(u16::try_from(number % 16).unwrap());
    let route: Arc<str> = "registry".into();
    let id = DeliveryId::of(uid, &route, 0, 0);
    let destination = Name::local("client-registry");
    let source = Source { partition, intake: Intake::Received, position: number / 16 + 1, output: 0, other: 0 };
    let routed = RoutedRecord {
        uid,
        source,
        at: received.plus(Duration::from_micros(900)),
        disposition: Disposition::Routed,
        duplicate_of: None,
        findings: Vec::new(),
        deliveries: vec![RoutedDelivery {
            id,
            route: Arc::clone(&route),
            part: 0,
            destination: Some(destination.clone()),
            out: Some(number / 16 + 1),
            outcome: None,
            chained: None,
            findings: Vec::new(),
        }],
    };
    let outcome = OutcomeRecord {
        id,
        uid,
        route,
        part: 0,
        run: 0,
        destination,
        out: (partition, number / 16 + 1),
        park: None,
        outcome: Some(Outcome::Delivered),
        at: received.plus(Duration::from_micros(2_400)),
        attempts: 1,
        possible_duplicate: false,
        answer: Some(Answer { code: "AA".into(), bytes: Bytes::new().into() }),
        findings: Vec::new(),
        actor: None,
        reason: None,
        awaited: None,
    };
    Message { envelope, routed, outcome }
}

fn main() {
    let messages = std::env::var("MESSAGES").ok().and_then(|text| text.parse().ok()).unwrap_or(MESSAGES);
    for live in [true, false] {
        run(live, messages);
    }
}

/// What this thread has had of a processor: on a busy machine a better measure than time. Zero where the system does
/// not tell.
fn processor() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

fn run(live: bool, messages: u64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let ledger = SqliteLedger::open(&path).unwrap();
    let subjects: Vec<[String; 2]> =
        (0..16).map(|partition| [format!("in.{partition:02}"), format!("routed.{partition:02}")]).collect();
    let mut spent = Duration::ZERO;
    let mut processed = Duration::ZERO;
    let mut slowest = Duration::ZERO;
    let mut sample = None;
    let per_batch = if live { BATCH / 3 } else { BATCH };
    for start in (0..messages).step_by(usize::try_from(per_batch).unwrap()) {
        let block: Vec<Message> = (start..start + per_batch).map(message).collect();
        sample = block.first().map(|message| message.envelope.clone());
        let mut kinds: [Vec<Change<'_>>; 3] = [Vec::new(), Vec::new(), Vec::new()];
        for (number, message) in (start..).zip(&block) {
            let [accepted, routed] = &subjects[usize::try_from(number % 16).unwrap()];
            let position = number / 16 + 1;
            let entry = Entry::In { envelope: &message.envelope, bytes: 1_300 };
            kinds[0].push(Change { subject: accepted, position, entry });
            kinds[1].push(Change { subject: routed, position, entry: Entry::Routed(&message.routed) });
            let entry = Entry::Outcome(&message.outcome);
            kinds[2].push(Change { subject: "outcome.default.client-registry", position: number + 1, entry });
        }
        let batches = if live { vec![kinds.concat()] } else { kinds.to_vec() };
        for batch in batches {
            let last: Vec<(&str, u64)> = batch.iter().map(|change| (change.subject, change.position)).collect();
            let positions = &last[last.len().saturating_sub(17)..];
            let (begun, on_processor) = (Instant::now(), processor());
            ledger.apply(&batch, positions).unwrap();
            spent += begun.elapsed();
            processed += processor() - on_processor;
            slowest = slowest.max(begun.elapsed());
        }
    }
    let bytes: u64 =
        std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    let count = f64::from(u32::try_from(messages).unwrap());
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{}: {:.0} messages/s, {:.1} µs of processor each, slowest batch {slowest:?}, {} bytes a message",
        if live { "live  " } else { "behind" },
        count / spent.as_secs_f64(),
        processed.as_secs_f64() * 1e6 / count,
        bytes / messages
    )
    .unwrap();
    ask(&ledger, &sample.unwrap(), &mut out);
}

/// How long questions take on what was just filled.
fn ask(ledger: &SqliteLedger, sample: &Envelope, out: &mut impl std::io::Write) {
    let by_key = MessageFilter {
        control_id: Some(String::from_utf8_lossy(&sample.control_id).into_owned()),
        ..MessageFilter::default()
    };
    let by_row = MessageFilter { facility: Some("default/hospital-3".into()), ..MessageFilter::default() };
    for (name, filter) in [("control id", by_key), ("facility", by_row)] {
        let begun = Instant::now();
        let page = ledger.search(&filter, &Paging::first(50)).unwrap();
        writeln!(out, "  search by {name}: {} found in {:?}", page.items.len(), begun.elapsed()).unwrap();
    }
    let begun = Instant::now();
    ledger.follow(sample.uid).unwrap();
    writeln!(out, "  follow: {:?}", begun.elapsed()).unwrap();
    let begun = Instant::now();
    let balance = ledger.balance(&Default::default()).unwrap();
    writeln!(
        out,
        "  balance of {} messages: {:?}, holds: {}",
        balance.total.accepted,
        begun.elapsed(),
        balance.holds()
    )
    .unwrap();
}
