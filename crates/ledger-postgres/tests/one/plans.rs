//! What people ask for most is answered by indexes: no day is read through.

use std::time::{Duration, Instant};

use barid_ledger::contract::rebuild::history;
use barid_ledger::filter::Key;
use barid_ledger::{DeliveryFilter, Ledger, MessageFilter, Paging, State};
use barid_ledger_postgres::PostgresLedger;
use barid_model::{DeliveryId, Outcome};

use crate::support::{options, runtime, server};

fn query(sql: &str) -> String {
    runtime().block_on(server().query(sql)).unwrap().trim().to_owned()
}

/// Scans of whole partitions and look-ups by index so far, of what the schema has of days.
fn scans(schema: &str) -> (u64, u64) {
    let sql = format!(
        "SELECT sum(seq_scan) || ' ' || sum(idx_scan) FROM pg_stat_user_tables
         WHERE schemaname = '{schema}' AND relname LIKE '%\\_day%'"
    );
    let text = query(&sql);
    let (seq, idx) = text.split_once(' ').unwrap();
    (seq.parse().unwrap(), idx.parse().unwrap())
}

#[test]
fn the_usual_searches_read_no_day_through() {
    let (options, schema) = options(server());
    let ledger = PostgresLedger::open(options.clone()).unwrap();
    let mut world = history(20, 40);
    for day in 0..3 {
        for number in 0..1_500 {
            let uid = world.accept();
            world.route(uid, &["registry"]);
            let piece = barid_ledger::contract::world::Piece::new(uid, "registry");
            if number % 300 == 7 { world.quarantine(piece) } else { world.end(piece, Outcome::Delivered) }
        }
        world.wait(86_400_000 * u64::from(day < 2));
    }
    for records in world.records.chunks(3_000) {
        barid_ledger::contract::world::apply(&ledger, records);
    }
    query(&format!("ANALYZE {schema}.message, {schema}.delivery, {schema}.step, {schema}.message_key"));
    drop(ledger);
    // Another process: what the first did is not counted with what is asked now.
    let ledger = PostgresLedger::open(options).unwrap();
    let uid = world.uids()[2_000];
    let some = ledger.message(uid).unwrap().unwrap().accepted.unwrap();
    let first = Paging::first(20);
    let message = |change: &dyn Fn(&mut MessageFilter)| {
        let mut filter = MessageFilter::default();
        change(&mut filter);
        filter
    };
    let searches = [
        ("control id", message(&|f| f.control_id = Some(some.control_id.clone()))),
        ("key", message(&|f| f.keys = vec![Key { name: "patient".into(), value: "aa".into() }])),
        ("newest", MessageFilter::default()),
        ("channel", message(&|f| f.channel = some.channel.clone())),
        ("set aside", message(&|f| f.state = Some(State::Quarantined))),
        ("under way", message(&|f| f.state = Some(State::InFlight))),
        ("held", message(&|f| f.state = Some(State::Held))),
        ("not routed", message(&|f| f.state = Some(State::NotYetRouted))),
        (
            "a minute",
            message(&|f| {
                f.from = Some(some.received);
                f.to = Some(some.received.plus(Duration::from_secs(60)));
            }),
        ),
    ];
    let before = settled(&schema);
    for round in 0..8 {
        // From the sixth time on a statement has its plan for good.
        for (_, filter) in &searches {
            ledger.search(filter, &first).unwrap();
        }
        ledger.follow(world.uids()[500 + round]).unwrap();
        ledger.delivery(DeliveryId::of(uid, "registry", 0, 0)).unwrap();
        ledger.waiting().unwrap();
        ledger.quarantine(&DeliveryFilter::default(), &first).unwrap();
        let filter = DeliveryFilter { states: vec![State::Quarantined], ..DeliveryFilter::default() };
        ledger.deliveries(&filter, &first).unwrap();
        ledger.deliveries(&DeliveryFilter::default(), &first).unwrap();
    }
    drop(ledger);
    let after = settled(&schema);
    assert!(after.1 > before.1, "the indexes were used: {before:?} {after:?}");
    assert_eq!(after.0, before.0, "a day was read through: {}", worst(&schema));
}

/// The counts, when they change no more: sessions tell them late.
fn settled(schema: &str) -> (u64, u64) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut last = scans(schema);
    loop {
        std::thread::sleep(Duration::from_millis(1_500));
        let now = scans(schema);
        if now == last {
            return now;
        }
        assert!(Instant::now() < deadline, "somebody goes on reading");
        last = now;
    }
}

fn worst(schema: &str) -> String {
    query(&format!(
        "SELECT relname || ': ' || seq_scan FROM pg_stat_user_tables
         WHERE schemaname = '{schema}' AND relname LIKE '%\\_day%' ORDER BY seq_scan DESC LIMIT 8"
    ))
}
