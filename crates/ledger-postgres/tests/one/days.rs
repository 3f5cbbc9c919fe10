//! A partition a day: made ahead, dropped whole, and never with what waits for a person.

use barid_ledger::contract::ask::{story, uids};
use barid_ledger::contract::world::{Piece, World};
use barid_ledger::{Ledger, MessageFilter, Pruned, Retention, State};
use barid_ledger_postgres::PostgresLedger;
use barid_model::{MessageUid, Outcome, Timestamp};

use crate::support::{options, runtime, server};

const DAY: u64 = 86_400_000;

fn query(sql: &str) -> String {
    runtime().block_on(server().query(sql)).unwrap().trim().to_owned()
}

/// The partitions of a table, the default one aside.
fn days(schema: &str, table: &str) -> usize {
    let sql = format!(
        "SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = '{schema}.{table}'::regclass AND c.relname NOT LIKE '%_rest'"
    );
    query(&sql).parse().unwrap()
}

fn rest(schema: &str, table: &str) -> usize {
    query(&format!("SELECT count(*) FROM {schema}.{table}_rest")).parse().unwrap()
}

fn all(ledger: &dyn Ledger) -> Vec<MessageUid> {
    uids(ledger, &MessageFilter::default())
}

fn sweep(ledger: &dyn Ledger, retention: &Retention) -> Pruned {
    let mut sum = Pruned::default();
    let mut after = None;
    for _ in 0..1_000 {
        let step = ledger.prune(retention, after.as_ref(), 10).unwrap();
        sum.messages += step.messages;
        sum.deliveries += step.deliveries;
        match step.next {
            Some(next) => after = Some(next),
            None => return sum,
        }
    }
    panic!("the sweep has no end");
}

#[test]
fn a_message_lies_in_the_partition_of_its_day() {
    let (options, schema) = options(server());
    let ledger = PostgresLedger::open(options).unwrap();
    let mut world = World::default();
    for _ in 0..3 {
        world.deliver();
        world.wait(DAY);
    }
    world.apply(&ledger);
    for table in ["message", "delivery", "step", "message_key"] {
        assert_eq!((days(&schema, table), rest(&schema, table)), (3, 0), "{table}");
    }
    assert_eq!(all(&ledger).len(), 3);
}

#[test]
fn the_days_to_come_are_there_before_they_are_needed() {
    let (options, schema) = options(server());
    let ledger = PostgresLedger::open(options).unwrap();
    let today = Timestamp::from_millis(query("SELECT (extract(epoch FROM now()) * 1000)::bigint").parse().unwrap());
    let mut world = World::default();
    world.now = today;
    world.deliver();
    world.apply(&ledger);
    assert!(days(&schema, "message") >= 4, "today and three more");
}

#[test]
fn a_message_of_a_day_that_cannot_be_is_kept_all_the_same() {
    let (options, schema) = options(server());
    let ledger = PostgresLedger::open(options).unwrap();
    let mut world = World::default();
    let usual = world.deliver();
    world.wait(DAY * 365 * 200);
    let strange = world.deliver();
    world.apply(&ledger);
    assert_eq!(all(&ledger), [strange, usual]);
    assert_eq!((days(&schema, "message"), rest(&schema, "message")), (1, 1));
    assert_eq!(story(&ledger, strange).message.state, State::Delivered);
}

#[test]
fn a_day_past_its_retention_is_dropped_whole_and_what_waits_stays() {
    let (options, schema) = options(server());
    let ledger = PostgresLedger::open(options).unwrap();
    let mut world = World::default();
    for _ in 0..30 {
        world.deliver();
    }
    let waits = world.accept();
    world.route(waits, &["registry"]);
    world.quarantine(Piece::new(waits, "registry"));
    let aside = world.accept();
    world.set_aside(aside, 207);
    world.wait(DAY);
    world.deliver();
    world.wait(DAY);
    let limit = world.now;
    let new = world.deliver();
    world.apply(&ledger);
    let told = story(&ledger, waits);
    let pruned = sweep(&ledger, &Retention::all(limit));
    assert_eq!((pruned.messages, pruned.deliveries), (31, 31));
    assert_eq!(all(&ledger), [new, aside, waits]);
    assert_eq!((days(&schema, "message"), rest(&schema, "message"), rest(&schema, "delivery")), (1, 2, 1));
    // It is found and followed as before, and decided on.
    assert_eq!(story(&ledger, waits), told);
    assert_eq!(ledger.waiting().unwrap().deliveries(), 1);
    assert_eq!(ledger.delivery(Piece::new(waits, "registry").id()).unwrap().unwrap().state, State::Quarantined);
    world.end(Piece::new(waits, "registry"), Outcome::Discarded);
    world.command("discard", &aside.to_string());
    world.apply(&ledger);
    assert_eq!(story(&ledger, waits).message.state, State::Discarded);
    assert_eq!(story(&ledger, aside).message.state, State::Discarded);
    sweep(&ledger, &Retention::all(limit));
    assert_eq!(all(&ledger), [new]);
    for table in ["message", "delivery", "step", "message_key"] {
        assert_eq!((days(&schema, table), rest(&schema, table)), (1, 0), "{table}");
    }
}

#[test]
fn a_day_of_which_one_channel_is_kept_longer_stays_and_its_other_messages_go() {
    let (options, schema) = options(server());
    let ledger = PostgresLedger::open(options).unwrap();
    let mut world = World::default();
    let begin = world.now;
    world.deliver();
    let kept = world.accept_as(|envelope| envelope.channel = Some(barid_model::Name::local("kept")));
    world.route(kept, &["registry"]);
    world.end(Piece::new(kept, "registry"), Outcome::Delivered);
    world.wait(DAY * 2);
    world.apply(&ledger);
    let retention = Retention { before: world.now, channels: vec![(barid_model::Name::local("kept"), begin)] };
    sweep(&ledger, &retention);
    assert_eq!(all(&ledger), [kept]);
    assert_eq!(days(&schema, "message"), 1);
}
