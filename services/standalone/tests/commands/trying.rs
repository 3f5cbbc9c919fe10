//! A dry run tells what then happens, and nothing happens by it.

use barid_model::{Name, Timestamp};
use barid_runtime::control::protocol::*;
use barid_runtime::control::{Commands as _, ErrorKind};
use bytes::Bytes;

use crate::engine::{DOCUMENTS, Engine, by};
use crate::peers::adt;

const RECEIVED: Timestamp = Timestamp::from_millis(1_795_345_200_000);

fn request(raw: &[u8]) -> DryRunRequest {
    DryRunRequest {
        channel: Name::local("admissions"),
        listener: None,
        facility: None,
        raw: Bytes::copy_from_slice(raw),
        received: RECEIVED,
        revision: None,
    }
}

fn piece<'a>(view: &'a DryRunView, route: &str) -> &'a DryPieceView {
    view.pieces.iter().find(|piece| piece.route == route).unwrap_or_else(|| panic!("no {route} in {view:?}"))
}

#[tokio::test]
async fn g6_a_dry_run_says_what_is_written_and_where_and_then_it_is_so() {
    let engine = Engine::start().await;
    let client = engine.client().await;
    let raw = adt("A08", "D1", "A");
    let target = PauseTarget::Destination(Name::local("strict"));
    client.pause(PauseRequest { by: by(), target: target.clone(), mode: PauseMode::Paused }).await.unwrap();
    let view = client.dry_run(request(&raw)).await.unwrap();
    assert!(view.accepted && view.notes.is_empty() && view.set_aside.is_none() && !view.filtered, "{view:?}");
    assert_eq!((view.listener.clone(), view.ack.as_deref()), (Some(Name::local("in")), Some("AA")));
    let ends: Vec<_> = view.pieces.iter().map(|piece| (&*piece.route, &*piece.end)).collect();
    assert_eq!(ends, [("files", "written"), ("registry", "written"), ("strict", "written")]);
    assert_eq!(piece(&view, "registry").note, None);
    assert_eq!(piece(&view, "strict").note.as_deref(), Some("the destination is paused by command"));

    // Nothing of it was accepted, stored or sent.
    let audit = engine.audit().await;
    assert_eq!((audit.messages.accepted, audit.deliveries.routed), (0, 0));
    assert!(
        engine.registry.accepted().is_empty()
            && client.messages(MessageQuery::default()).await.unwrap().rows.is_empty()
    );

    assert_eq!(engine.sender().send(&raw), "AA");
    client.resume(ResumeRequest { by: by(), target }).await.unwrap();
    let uid = engine.uid("D1").await;
    let detail = engine.until_state(uid, state::DELIVERED).await;
    assert_eq!(detail.lanes, view.lanes);
    let partition = format!("in.{:02}@", view.partition.unwrap());
    assert!(detail.place.as_ref().is_some_and(|place| place.starts_with(&partition)), "{:?}", detail.place);
    assert_eq!(piece(&view, "registry").subject, Some(format!("out.default.registry.{:02}", view.partition.unwrap())));
    for route in ["files", "registry", "strict"] {
        let which = PayloadKind::Transformed { route: route.into(), part: 0, run: None };
        let sent = client.payload(PayloadRequest { uid, which }).await.unwrap();
        assert_eq!(sent, piece(&view, route).payload, "{route}");
    }
}

#[tokio::test]
async fn g6_a_dry_run_tells_filters_refusals_earlier_revisions_and_what_is_not_there() {
    let engine = Engine::start().await;
    let client = engine.client().await;
    let view = client.dry_run(request(&adt("A01", "D1", "A"))).await.unwrap();
    assert_eq!((&*piece(&view, "strict").end, piece(&view, "strict").subject.as_ref()), ("filtered", None));
    let before = view.revision;

    let changed = DOCUMENTS.replace("'MPI'", "string(int(msg['PID-5']))");
    engine.write("barid.yaml", &changed);
    engine.reload().await;
    let view = client.dry_run(request(&adt("A01", "D1", "A"))).await.unwrap();
    assert_ne!(view.revision, before);
    assert_eq!(piece(&view, "registry").end, "setAside");
    assert!(!piece(&view, "registry").findings.is_empty());
    let then =
        client.dry_run(DryRunRequest { revision: Some(before), ..request(&adt("A01", "D1", "A")) }).await.unwrap();
    assert_eq!((then.revision, &*piece(&then, "registry").end), (before, "written"));
    assert!(String::from_utf8_lossy(&piece(&then, "registry").payload).contains("|MPI|"));

    let refused = client.dry_run(request(b"PID|1||1\r")).await.unwrap();
    assert!(!refused.accepted && refused.partition.is_none() && !refused.findings.is_empty(), "{refused:?}");
    let target = PauseTarget::Channel(Name::local("admissions"));
    client.pause(PauseRequest { by: by(), target, mode: PauseMode::Closed }).await.unwrap();
    let closed = client.dry_run(request(&adt("A01", "D1", "A"))).await.unwrap();
    assert_eq!(closed.notes, ["it would be refused now: the channel is closed"]);

    for wrong in [
        DryRunRequest { channel: Name::local("nowhere"), ..request(b"") },
        DryRunRequest { listener: Some(Name::local("nowhere")), ..request(b"") },
        DryRunRequest { facility: Some(Name::local("nowhere")), ..request(b"") },
        DryRunRequest { revision: Some(barid_model::Revision::of(b"nothing")), ..request(b"") },
    ] {
        let error = client.dry_run(wrong).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
    }
}
