//! Messages that are sent again as new ones: replay and resend.

use barid_model::Name;
use barid_runtime::control::protocol::*;
use barid_runtime::control::{Commands as _, ErrorKind};
use bytes::Bytes;

use crate::engine::{DOCUMENTS, Engine, by, until};
use crate::peers::adt;

fn replay(select: Selection) -> ReplayRequest {
    ReplayRequest { by: by(), select, revision: ReplayRevision::Now, limit: 1_000, dry_run: false }
}

fn of_patient(patient: &str) -> Selection {
    Selection::Query(Box::new(MessageQuery { patient: Some(patient.to_owned()), ..MessageQuery::default() }))
}

#[tokio::test]
async fn o05_a_replay_keeps_the_order_of_every_lane_and_is_marked_as_one() {
    let engine = Engine::start().await;
    let mut sender = engine.sender();
    let ids: Vec<String> = (0..40).map(|n| format!("M{n}")).collect();
    for id in &ids {
        assert_eq!(sender.send(&adt("A01", id, "A")), "AA");
    }
    sender.send(&adt("A01", "other", "B"));
    engine.until_state(engine.uid("other").await, state::DELIVERED).await;
    engine.until_state(engine.uid("M39").await, state::DELIVERED).await;
    let client = engine.client().await;
    let dry = ReplayRequest { dry_run: true, ..replay(of_patient("A")) };
    assert_eq!(client.replay(dry).await.unwrap().matched, 40);
    let few = ReplayRequest { limit: 39, ..replay(of_patient("A")) };
    assert_eq!(client.replay(few).await.unwrap_err().kind, ErrorKind::Invalid);
    let everything = Selection::Query(Box::default());
    assert_eq!(client.replay(replay(everything)).await.unwrap_err().kind, ErrorKind::Invalid);

    let replayed = client.replay(replay(of_patient("A"))).await.unwrap();
    assert_eq!((replayed.matched, replayed.made, replayed.missed.len()), (40, 40, 0));
    let pair = &replayed.messages[39];
    let detail = engine.until_state(pair.uid.unwrap(), state::DELIVERED).await;
    assert_eq!((detail.row.cause.as_str(), detail.parents.clone()), ("replayed", vec![pair.from]));
    assert_eq!(detail.reason.as_deref(), Some("fatima: the registry was wrong"));
    assert_eq!(detail.row.control_id, "M39", "and no resend is seen in it");
    until("the parent names its child", async || {
        client.show(pair.from).await.unwrap().children.contains(&pair.uid.unwrap()).then_some(())
    })
    .await;
    let came: Vec<String> = engine.registry.accepted().into_iter().filter(|id| id != "other").collect();
    assert_eq!(came, [ids.clone(), ids].concat());
    let audit = engine.audit().await;
    assert_eq!((audit.messages.accepted, audit.messages.duplicate), (81, 0));
}

#[tokio::test]
async fn a_replay_runs_under_the_revision_of_now_or_of_then() {
    let engine = Engine::start().await;
    engine.sender().send(&adt("A01", "M1", "A"));
    let uid = engine.uid("M1").await;
    engine.until_state(uid, state::DELIVERED).await;
    engine.write("barid.yaml", &DOCUMENTS.replace("'MPI'", "'NEW'"));
    engine.reload().await;
    let client = engine.client().await;
    for (revision, application) in [(ReplayRevision::Now, "NEW"), (ReplayRevision::Then, "MPI")] {
        let request = ReplayRequest { revision, ..replay(Selection::Uids(vec![uid])) };
        let child = client.replay(request).await.unwrap().messages[0].uid.unwrap();
        engine.until_state(child, state::DELIVERED).await;
        let last = engine.registry.messages().pop().unwrap();
        assert!(last.starts_with(format!("MSH|^~\\&|HIS|CHN|{application}|").as_bytes()), "{revision:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_replayed_is_told_with_the_reason() {
    let engine = Engine::start().await;
    engine.sender().send(&adt("A01", "M1", "A"));
    let uid = engine.uid("M1").await;
    engine.until_state(uid, state::DELIVERED).await;
    let client = engine.client().await;
    let nobody = barid_model::MessageUid::new(barid_model::Timestamp::default());
    let replayed = client.replay(replay(Selection::Uids(vec![uid, nobody, uid]))).await.unwrap();
    assert_eq!((replayed.matched, replayed.made), (2, 1));
    assert_eq!(replayed.missed[0].id, nobody.to_string());
    let target = PauseTarget::Channel(Name::local("admissions"));
    client.pause(PauseRequest { by: by(), target, mode: PauseMode::Closed }).await.unwrap();
    let refused = client.replay(replay(Selection::Uids(vec![uid]))).await.unwrap();
    assert!(refused.made == 0 && refused.missed[0].why.contains("closed"), "{refused:?}");
}

#[tokio::test]
async fn an_edited_message_is_sent_as_a_child_and_the_original_stays() {
    let engine = Engine::start().await;
    let original = adt("A01", "M1", "A");
    engine.sender().send(&original);
    let uid = engine.uid("M1").await;
    engine.until_state(uid, state::DELIVERED).await;
    let client = engine.client().await;
    let resend = |raw: Vec<u8>| ResendRequest { by: by(), uid, raw: Bytes::from(raw) };
    assert_eq!(client.resend(resend(original.clone())).await.unwrap_err().kind, ErrorKind::Invalid);
    let error = client.resend(resend(b"no HL7 at all".to_vec())).await.unwrap_err();
    assert!(error.kind == ErrorKind::Conflict && error.text.contains("not acceptable"), "{error:?}");

    let edited = adt("A01", "M1", "B");
    let child = client.resend(resend(edited.clone())).await.unwrap().uid;
    let detail = engine.until_state(child, state::DELIVERED).await;
    assert_eq!((detail.row.cause.as_str(), detail.parents.clone()), ("edited", vec![uid]));
    assert_ne!(detail.lanes, client.show(uid).await.unwrap().lanes, "its lane is the other patient's");
    let raw = async |uid| client.payload(PayloadRequest { uid, which: PayloadKind::Raw }).await.unwrap();
    assert_eq!((raw(uid).await, raw(child).await), (original.clone().into(), edited.into()));
    assert_eq!(engine.sender().send(&original), "AA", "its sender's own resend is still known as one");
    assert_eq!(engine.registry.accepted().len(), 2);
    engine.audit().await;
}
