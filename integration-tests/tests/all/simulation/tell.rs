//! What a log holds at the end of a history, in words, for who looks for a fault.

use std::sync::Arc;

use barid_log::{Log, Position, ReadLimit, Subject};
use barid_model::record::{InRecord, Intake, OutRecord, OutcomeRecord, ParkEvent, Record as _};
use barid_model::{Name, Partitions};
use barid_pipeline::subject;
use bytes::Bytes;

/// All that is readable of a subject.
pub(super) async fn records(log: &dyn Log, subject: &Subject) -> Vec<(u64, Bytes)> {
    let mut next = Position(1);
    let mut all = Vec::new();
    loop {
        let batch = log.read(subject, next, ReadLimit::default()).await.unwrap();
        all.extend(batch.entries.iter().map(|entry| (entry.position.0, entry.record.clone())));
        if batch.next <= next {
            return all;
        }
        next = batch.next;
    }
}

/// Prints IN, and of each destination OUT, the commit, PARK and OUTCOME.
pub(super) async fn tell(log: &Arc<dyn Log>, destinations: &[Name], partitions: Partitions) {
    for partition in partitions.all() {
        for (position, bytes) in records(&**log, &subject::intake(partition, Intake::Received).unwrap()).await {
            let envelope = InRecord::decode(bytes).unwrap().envelope;
            println!("in {partition} {position} {} {:?} again {:?}", envelope.uid, envelope.lanes, envelope.control_id);
        }
    }
    for destination in destinations {
        for partition in partitions.all() {
            for (position, bytes) in records(&**log, &subject::out(destination, partition).unwrap()).await {
                let record = OutRecord::decode(bytes).unwrap();
                println!("{destination} out {partition} {position} {} {} {:?}", record.id, record.uid, record.source);
            }
        }
        let commit = log.get(&subject::delivery_commit(destination).unwrap()).await.unwrap();
        println!("{destination} commit {:?}", commit.map(|(_, bytes)| bytes));
        for (position, bytes) in records(&**log, &subject::park(destination).unwrap()).await {
            match ParkEvent::decode(bytes).unwrap() {
                ParkEvent::Parked(record) => {
                    let (why, delivery) = (record.why, &record.delivery);
                    println!(
                        "{destination} park {position} {why:?} {} out {:?} {:?} attempts {} doubt {}",
                        delivery.id, record.out, delivery.lanes, record.attempts, record.possible_duplicate
                    );
                }
                event => println!("{destination} park {position} {event:?}"),
            }
        }
        for (position, bytes) in records(&**log, &subject::outcome(destination).unwrap()).await {
            let record = OutcomeRecord::decode(bytes).unwrap();
            println!(
                "{destination} outcome {position} {} out {:?} park {:?} {:?}",
                record.id, record.out, record.park, record.outcome
            );
        }
    }
}
