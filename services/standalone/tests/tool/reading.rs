//! Verbs that read: status, messages, show, audit.

use std::time::Duration;

use barid_model::{Name, Revision};
use barid_runtime::admin::NotReady;
use barid_runtime::control::protocol::*;

use crate::binary::{barid_on, command};
use crate::engine::{Engine, Fake, NOW, RAW, UID, admin_address};

/// A status with something of everything.
pub(crate) fn status() -> Status {
    Status {
        version: "0.1.0".into(),
        pid: Some(42),
        state: EngineState::Running,
        started: Some(NOW.minus(Duration::from_secs(7_260))),
        now: NOW,
        admin: Some(admin_address()),
        not_ready: Vec::new(),
        snapshot: SnapshotStatus { number: 4, ..SnapshotStatus::default() },
        listeners: vec![ListenerStatus {
            name: Name::local("mllp"),
            kind: "mllps".into(),
            address: Some("0.0.0.0:2575".into()),
            connections: 3,
            connections_max: 1_024,
            accepted: 1_000,
            refused: 2,
            error: None,
        }],
        senders: senders(),
        channels: vec![ChannelStatus {
            name: Name::local("admissions"),
            revision: Revision::of(b"r"),
            state: "closed".into(),
            pause: Some(PauseStatus { actor: "moussa".into(), reason: "new form".into(), at: NOW }),
            accepted: 1_000,
            handed_on: 20,
        }],
        router: RouterStatus::default(),
        destinations: vec![destination()],
        certificates: vec![CertificateStatus {
            owner: "listener default/mllp".into(),
            subject: "CN=hie".into(),
            expires: NOW.plus(Duration::from_secs(5 * 86_400)),
        }],
        storage: StorageStatus {
            level: "noIntake".into(),
            free_bytes: 1 << 30,
            total_bytes: 1 << 34,
            ..StorageStatus::default()
        },
        live: Some(LiveStatus {
            minutes: 5,
            accepted: 77,
            away: Some("redis://h:6379/0: the connection has ended".into()),
            senders: vec![LiveSender { facility: "default/chn".into(), accepted: 77, ..LiveSender::default() }],
            ..LiveStatus::default()
        }),
        replicas: vec![ReplicaStatus {
            service: "delivery".into(),
            name: "delivery-1".into(),
            address: Some("10.0.0.7:7411".into()),
            state: "silent".into(),
            why: Some("it has not answered within 2 s".into()),
            snapshot: None,
        }],
    }
}

fn senders() -> Vec<SenderStatus> {
    vec![
        SenderStatus {
            facility: "default/chn".into(),
            display_name: Some("مستشفى نواكشوط".into()),
            verified: true,
            connections: 1,
            accepted: 1_000,
            refused: 2,
            last: Some(NOW.minus(Duration::from_secs(5))),
            silent: None,
        },
        SenderStatus {
            facility: "default/zouerat".into(),
            display_name: None,
            verified: true,
            connections: 0,
            accepted: 0,
            refused: 0,
            last: None,
            silent: Some(Silence { for_ms: 10_800_000, expected_every_ms: 3_600_000 }),
        },
    ]
}

fn destination() -> DestinationStatus {
    let pause = PauseStatus { actor: "fatima".into(), reason: "registry moves".into(), at: NOW };
    DestinationStatus {
        name: Name::local("client-registry"),
        kind: "mllp".into(),
        state: DestinationState::Paused,
        pause: Some(pause),
        connections: 1,
        endpoint: None,
        waiting: 17,
        oldest: Some(NOW.minus(Duration::from_secs(125))),
        parked: 2,
        held_lanes: 1,
        quarantined: 0,
        delivered: 900,
        last: None,
        error: Some("connection refused".into()),
        retry: None,
    }
}

#[test]
fn status_shows_connections_queues_and_what_needs_a_person() {
    let engine = Engine::start();
    let ran = barid_on(engine.data(), &["status"]).well();
    for expected in [
        "barid 0.1.0 running since 2026-11-22 07:59:00.000",
        "0.0.0.0:2575",
        "3/1024",
        "مستشفى نواكشوط",
        "silent: default/zouerat for 3 h 0 m, expected every 1 h 0 m",
        "destination client-registry: connection refused",
        "certificate of listener default/mllp (CN=hie) expires in 5 d 0 h",
        "disk space: noIntake",
        "2 m 5 s",
        "paused by fatima",
        "closed by moussa",
        "delivery-1",
        "silent",
        "it has not answered within 2 s",
        "! Redis is away, each listener limits rates by itself: redis://h:6379/0: the connection has ended",
        "in the last 5 minutes: 77 accepted, 0 refused, 0 sent again",
    ] {
        assert!(ran.text().contains(expected), "{expected} in {}", ran.text());
    }
    let json = barid_on(engine.data(), &["status", "--json"]).well().json();
    assert_eq!(json["destinations"][0]["heldLanes"], 1);
    assert_eq!(json["senders"][1]["silent"]["forMs"], 10_800_000);
}

#[test]
fn status_of_an_engine_that_is_not_ready_ends_with_4() {
    let engine = Engine::with(Fake { state: EngineState::Draining, ..Fake::default() });
    assert!(barid_on(engine.data(), &["status"]).with(4).text().contains("draining"));
    assert_eq!(NotReady { part: "log".into(), why: "recovering".into() }.part, "log");
}

#[test]
fn status_without_an_engine_says_where_it_looked_and_ends_with_4() {
    let empty = tempfile::tempdir().unwrap();
    let ran = barid_on(&empty.path().join("missing"), &["status"]).with(4);
    assert!(ran.stderr.contains("missing") && ran.stderr.contains("barid run"), "{}", ran.stderr);
    let ran = barid_on(&empty.path().join("missing"), &["status", "--json"]).with(4);
    let error: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(error["error"]["code"], 4);
}

#[test]
fn messages_are_asked_for_by_what_is_given_and_shown_in_a_table() {
    let engine = Engine::start();
    let ran = barid_on(
        engine.data(),
        &[
            "messages",
            "--since",
            "2026-11-22 09:00",
            "--channel",
            "regions/admissions",
            "--type",
            "ADT^A01",
            "--patient",
            "4711",
            "--key",
            "visit=V1",
        ],
    )
    .well();
    assert!(ran.text().contains("2026-11-22 10:00:02.000") && ran.text().contains("registry:held"), "{}", ran.text());
    assert!(!ran.text().contains('\x1b'), "a control id does not drive the terminal");
    let asked = engine.last();
    for expected in ["regions/admissions", "ADT^A01", "4711", "(\"visit\", \"V1\")", "limit: Some(50)"] {
        assert!(asked.contains(expected), "{expected} in {asked}");
    }
}

#[test]
fn json_messages_are_one_object_a_line_over_as_many_pages_as_it_takes() {
    let engine = Engine::with(Fake { messages: 2_500, ..Fake::default() });
    let lines = barid_on(engine.data(), &["messages", "--json", "-n", "2300"]).well().lines();
    assert_eq!(lines.len(), 2_300);
    assert_eq!(lines[2_299]["controlId"], "MSG\u{1b}[2J2299");
    assert_eq!(engine.told.lock().len(), 3, "pages of at most 1,000");
}

#[test]
fn more_than_asked_for_is_said_beside_the_table() {
    let engine = Engine::start();
    let ran = barid_on(engine.data(), &["messages", "-n", "2"]).well();
    assert!(ran.stderr.contains("more match"), "{}", ran.stderr);
}

#[test]
fn a_reader_that_stops_reading_is_no_failure() {
    let engine = Engine::with(Fake { messages: 50_000, ..Fake::default() });
    let mut child = command()
        .arg("--data")
        .arg(engine.data())
        .args(["messages", "--json", "-n", "50000"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(0), String::new()));
}

#[test]
fn refused_and_parked_messages_have_lists_of_their_own_with_the_reason() {
    let engine = Engine::start();
    let refused = barid_on(engine.data(), &["messages", "--refused"]).well();
    assert!(refused.text().contains("103 PV1-2: the value is not in its table"), "{}", refused.text());
    let parked =
        barid_on(engine.data(), &["messages", "--parked", "--why", "held", "--destination", "client-registry"]).well();
    assert!(parked.text().contains("0000000000000abc"), "the lane that release takes: {}", parked.text());
    assert!(engine.last().contains("why: Some(\"held\")"), "{}", engine.last());
}

#[test]
fn show_tells_the_way_and_never_the_contents() {
    let engine = Engine::start();
    let ran = barid_on(engine.data(), &["show", UID]).well();
    for expected in ["in.03@7", "client-registry", "the destination may have it twice", "through mllp", "1.2 KiB"] {
        assert!(ran.text().contains(expected), "{expected} in {}", ran.text());
    }
    assert!(!ran.text().contains("Zaïnab") && !ran.text().contains("A7"), "{}", ran.text());
}

#[test]
fn show_raw_writes_the_very_bytes_and_the_other_forms_ask_for_theirs() {
    let engine = Engine::start();
    assert_eq!(barid_on(engine.data(), &["show", UID, "--raw"]).well().stdout, RAW);
    barid_on(engine.data(), &["show", UID, "--transformed", "registry", "--run", "1"]).well();
    assert!(engine.last().contains("Transformed") && engine.last().contains("Some(1)"), "{}", engine.last());
    barid_on(engine.data(), &["show", UID, "--answer", "registry"]).well();
    assert!(engine.last().contains("Answer"), "{}", engine.last());
    let tree = barid_on(engine.data(), &["show", UID, "--tree"]).well();
    assert!(tree.text().contains("Patient name") && tree.text().contains("بنت أحمد"), "{}", tree.text());
}

#[test]
fn an_unknown_message_ends_with_9_and_an_unreadable_uid_with_2() {
    let engine = Engine::start();
    let ran = barid_on(engine.data(), &["show", "019ab3c4-0000-7000-8000-00000000ffff"]).with(9);
    assert!(ran.stderr.contains("no message"), "{}", ran.stderr);
    barid_on(engine.data(), &["show", "42"]).with(2);
}

#[test]
fn audit_prints_the_balance_and_ends_with_7_where_it_does_not_hold() {
    let engine = Engine::start();
    let ran = barid_on(engine.data(), &["audit"]).well();
    assert!(ran.text().contains("the balance holds") && ran.text().contains("delivered"), "{}", ran.text());
    let broken = Engine::with(Fake { holds: false, ..Fake::default() });
    let ran = barid_on(broken.data(), &["audit", "--deep"]).with(7);
    assert!(ran.text().contains("DOES NOT HOLD") && ran.text().contains("= 4, which is not 5"), "{}", ran.text());
    assert!(broken.last().contains("deep: true"));
}

#[test]
fn a_list_that_finds_nothing_says_which_name_there_is_not() {
    let engine = Engine::with(Fake { messages: 0, ..Fake::default() });
    for (option, value, text) in [
        ("--channel", "nobody", "no such channel nobody; there is none"),
        ("--destination", "nobody", "no such destination nobody; there is none"),
        ("--listener", "nobody", "no such listener nobody; there is none"),
        ("--key", "visit=1", "no such search key visit; there are: patient"),
    ] {
        let ran = barid_on(engine.data(), &["messages", option, value]).with(9);
        assert!(ran.stderr.contains(text), "{option}: {}", ran.stderr);
    }
    assert!(barid_on(engine.data(), &["messages", "--key", "patient=1"]).well().text().is_empty());
    barid_on(engine.data(), &["messages", "--type", "ADT"]).well();
}
