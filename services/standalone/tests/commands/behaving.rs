//! What a sender and a receiver may rely on, through the whole engine: what is the same, in order, and once.

use barid_model::Name;
use barid_runtime::control::Commands as _;
use barid_runtime::control::protocol::*;

use crate::engine::{DOCUMENTS, Engine, by, until};
use crate::peers::{Sender, adt};

/// Control ids of what the registry accepted, once there are so many.
async fn arrived(engine: &Engine, count: usize) -> Vec<String> {
    until(&format!("{count} arrived"), async || {
        let ids = engine.registry.accepted();
        (ids.len() >= count).then_some(ids)
    })
    .await
}

/// An engine in the order of facilities.
async fn by_facility() -> Engine {
    let engine = Engine::start().await;
    engine.write("barid.yaml", &DOCUMENTS.replace("order: {by: patient}", "order: {by: facility}"));
    engine.reload().await;
    engine
}

/// Lets the held lanes go on, their heads tried again.
async fn release(engine: &Engine) {
    let request = ReleaseRequest { by: by(), destination: Name::local("strict"), lane: None, head: HeldHead::Retry };
    assert_eq!(engine.client().await.release(request).await.unwrap().done, 1);
}

#[tokio::test]
async fn o01_a_facilitys_messages_leave_in_the_order_they_were_acknowledged_over_any_connection() {
    let engine = by_facility().await;
    let mut senders: Vec<Sender> = (0..5).map(|_| engine.sender()).collect();
    let ids: Vec<String> = (0..50).map(|n| format!("M{n}")).collect();
    for (n, id) in ids.iter().enumerate() {
        // Another patient each time, and another connection: only the facility is the same.
        assert_eq!(senders[n % 5].send(&adt("A01", id, &format!("P{n}"))), "AA");
    }
    assert_eq!(arrived(&engine, 50).await, ids);
}

#[tokio::test]
async fn o02_a_patient_whose_message_is_held_delays_no_other() {
    let engine = Engine::start().await;
    engine.strict.refuse("held");
    let mut sender = engine.sender();
    for (id, patient) in [("held", "A"), ("behind", "A"), ("other", "B")] {
        assert_eq!(sender.send(&adt("A08", id, patient)), "AA");
    }
    engine.until_state(engine.uid("other").await, state::DELIVERED).await;
    engine.until_route(engine.uid("held").await, "strict", state::HELD).await;
    assert_eq!(engine.strict.accepted(), ["other"]);
}

#[tokio::test]
async fn o03_a_merge_waits_for_both_patients_and_both_wait_for_it() {
    let engine = Engine::start().await;
    engine.write("barid.yaml", &DOCUMENTS.replace("msg.event == 'A08'", "msg.event in ['A08', 'A40']"));
    engine.reload().await;
    engine.strict.refuse("a1");
    let mut sender = engine.sender();
    let merge = String::from_utf8(adt("A40", "merge", "A")).unwrap().replace("\rPV1", "\rMRG|B^^^CHN\rPV1");
    let messages = [
        adt("A08", "a1", "A"),
        adt("A08", "b1", "B"),
        merge.into_bytes(),
        adt("A08", "a2", "A"),
        adt("A08", "b2", "B"),
        adt("A08", "c", "C"),
    ];
    for message in &messages {
        assert_eq!(sender.send(message), "AA");
    }
    engine.until_route(engine.uid("c").await, "strict", state::DELIVERED).await;
    engine.until_route(engine.uid("b1").await, "strict", state::DELIVERED).await;
    engine.until_route(engine.uid("a1").await, "strict", state::HELD).await;
    let before = engine.strict.accepted();
    assert!(before == ["b1", "c"] || before == ["c", "b1"], "the merge and what follows it wait: {before:?}");
    engine.strict.accept();
    release(&engine).await;
    let all = until("all arrived", async || Some(engine.strict.accepted()).filter(|ids| ids.len() == 6)).await;
    let place = |id: &str| all.iter().position(|found| found == id).unwrap();
    assert!(place("a1") < place("merge") && place("b1") < place("merge"), "{all:?}");
    assert!(place("merge") < place("a2") && place("merge") < place("b2"), "{all:?}");
}

#[tokio::test]
async fn o04_what_is_refused_filtered_or_set_aside_takes_no_place_in_the_line() {
    let engine = by_facility().await;
    let filter = "  order: {by: facility}\n  filter: \"msg['PID-3.1'] != 'FILTERED'\"\n";
    engine.write("barid.yaml", &DOCUMENTS.replace("  order: {by: patient}\n", filter));
    engine.reload().await;
    engine.registry.refuse("aside");
    let mut sender = engine.sender();
    assert_eq!(sender.send(&adt("A01", "aside", "A")), "AA");
    assert_eq!(sender.send(&adt("A01", "", "A")), "AE");
    assert_eq!(sender.send(&adt("A01", "filtered", "FILTERED")), "AA");
    assert_eq!(sender.send(&adt("A01", "next", "A")), "AA");
    assert_eq!(arrived(&engine, 1).await, ["next"]);
    let uid = engine.uid("aside").await;
    engine.until_state(uid, state::QUARANTINED).await;
    engine.until_state(engine.uid("filtered").await, state::FILTERED).await;
    // Run again it goes at the end, and the ledger says that it is another run.
    assert_eq!(sender.send(&adt("A01", "later", "A")), "AA");
    arrived(&engine, 2).await;
    engine.registry.accept();
    let select = DeliverySelection::Message { uid, route: None };
    engine.client().await.rerun(RerunRequest { by: by(), select, limit: 1, dry_run: false }).await.unwrap();
    assert_eq!(arrived(&engine, 3).await, ["next", "later", "aside"]);
    assert_eq!(engine.until_route(uid, "registry", state::DELIVERED).await.run, 1);
    engine.audit().await;
}

#[tokio::test]
async fn o04_a_held_message_stops_its_lane_and_keeps_its_place() {
    let engine = by_facility().await;
    engine.strict.refuse("held");
    let mut sender = engine.sender();
    for id in ["held", "second", "third"] {
        assert_eq!(sender.send(&adt("A08", id, id)), "AA");
    }
    let elsewhere = String::from_utf8(adt("A08", "elsewhere", "A")).unwrap().replace("|HIS|CHN|", "|HIS|HND|");
    assert_eq!(sender.send(elsewhere.as_bytes()), "AA");
    engine.until_state(engine.uid("elsewhere").await, state::DELIVERED).await;
    let uid = engine.uid("held").await;
    engine.until_route(uid, "strict", state::HELD).await;
    assert_eq!(engine.strict.accepted(), ["elsewhere"]);
    engine.strict.accept();
    release(&engine).await;
    let all = until("all arrived", async || Some(engine.strict.accepted()).filter(|ids| ids.len() == 4)).await;
    assert_eq!(all, ["elsewhere", "held", "second", "third"], "at its old place");
}

#[tokio::test]
async fn d01_a_resend_is_delivered_once_beyond_a_restart_and_other_bytes_are_205() {
    let mut engine = Engine::start().await;
    assert_eq!(engine.sender().send(&adt("A01", "M1", "A")), "AA");
    assert_eq!(engine.sender().send(&adt("A01", "M1", "A")), "AA");
    assert_eq!(engine.sender().send(&adt("A01", "M1", "B")), "AE");
    engine.restart().await;
    let mut sender = engine.sender();
    assert_eq!(sender.send(&adt("A01", "M1", "A")), "AA");
    // The restarted engine may not know at once what it had; then what differs is accepted and set aside, not dropped.
    let other = sender.send(&adt("A01", "M1", "C"));
    assert_eq!(sender.send(&adt("A01", "last", "A")), "AA");
    engine.until_state(engine.uid("last").await, state::DELIVERED).await;
    assert_eq!(engine.registry.accepted(), ["M1", "last"]);
    let audit = engine.audit().await;
    assert_eq!(audit.deliveries.quarantined, u64::from(other == "AA"), "{other}: {audit:?}");
}

#[tokio::test]
async fn d01_without_a_window_every_sending_is_delivered() {
    let engine = Engine::start().await;
    let documents =
        DOCUMENTS.replace("  order: {by: patient}\n", "  order: {by: patient}\n  duplicates: {window: 0s}\n");
    engine.write("barid.yaml", &documents);
    engine.reload().await;
    for _ in 0..3 {
        assert_eq!(engine.sender().send(&adt("A01", "M1", "A")), "AA");
    }
    assert_eq!(arrived(&engine, 3).await, ["M1"; 3]);
}

#[tokio::test]
async fn m16_m17_m01_what_came_is_kept_and_what_leaves_ends_every_segment_with_cr() {
    let engine = Engine::start().await;
    let standard = String::from_utf8(adt("A01", "std", "A")).unwrap();
    for (id, end) in [("lf", "\n"), ("crlf", "\r\n")] {
        let raw = standard.replace("|std|", &format!("|{id}|")).replace('\r', end);
        let raw = raw.trim_end();
        assert_eq!(engine.sender().send(raw.as_bytes()), "AA");
        let uid = engine.uid(id).await;
        engine.until_state(uid, state::DELIVERED).await;
        let kept = engine.client().await.payload(PayloadRequest { uid, which: PayloadKind::Raw }).await.unwrap();
        assert_eq!(kept, raw.as_bytes());
        let sent = engine.registry.messages().pop().unwrap();
        let expected = standard.replace("|std|", &format!("|{id}|")).replace("|CHN|X|", "|CHN|MPI|");
        assert_eq!(String::from_utf8(sent).unwrap(), expected);
    }
}

#[tokio::test]
async fn c09_c07_a_name_in_two_scripts_arrives_as_it_was_or_in_the_set_of_the_destination() {
    let engine = Engine::start().await;
    let documents = DOCUMENTS.replace(
        "  onReject: quarantine\n",
        "  onReject: quarantine\n  outbound: {charset: 8859/6, onUnmappable: fail}\n",
    );
    let name = "Ould Abdallah^Mohamed^^^^^L^A~ولد عبد الله^محمد^^^^^L^I";
    let message = |id: &str, name: &str| String::from_utf8(adt("A08", id, "A")).unwrap().replace("Sow^Zaïnab", name);
    assert_eq!(engine.sender().send(message("utf8", name).as_bytes()), "AA");
    engine.until_state(engine.uid("utf8").await, state::DELIVERED).await;
    assert_eq!(engine.strict.messages().pop().unwrap(), message("utf8", name).as_bytes());
    engine.write("barid.yaml", &documents);
    engine.reload().await;
    assert_eq!(engine.sender().send(message("arabic", name).as_bytes()), "AA");
    engine.until_state(engine.uid("arabic").await, state::DELIVERED).await;
    let sent = engine.registry.messages().pop().unwrap();
    let arabic = b"~\xE8\xE4\xCF \xD9\xC8\xCF \xC7\xE4\xE4\xE7^\xE5\xCD\xE5\xCF^".as_slice();
    assert!(sent.windows(arabic.len()).any(|bytes| bytes == arabic), "in 8859/6");
    assert!(sent.windows(7).any(|bytes| bytes == b"|8859/6"), "and MSH-18 says so");
    let french = message("french", "Sow^Zaïnab");
    assert_eq!(engine.sender().send(french.as_bytes()), "AA");
    engine.until_route(engine.uid("french").await, "registry", state::QUARANTINED).await;
    let waiting = engine.parked().await;
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    assert_eq!(waiting[0].destination, Some(Name::local("registry")));
    assert!(!engine.log().contains("Abdallah"));
}
