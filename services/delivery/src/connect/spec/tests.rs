use std::collections::BTreeMap;

use barid_config::{Sources, compile};
use barid_model::Name;
use barid_testkit::receiver::{Act, Faults, Options, Protocol, Receiver};

use super::*;
use crate::connect::secret::FileSecrets;
use crate::connect::tests::{answered, failure, message};
use crate::connect::{AnswerClass, GUARD, TransportKind, Verdict};

fn destination(spec: &str) -> Arc<DestinationSpec> {
    let text = format!("kind: Destination\nmetadata: {{name: registry}}\nspec: {spec}\n");
    let compiled = compile(&Sources::from_texts([("registry.yaml", text.as_str())]), None);
    assert!(compiled.is_good(), "{:?}", compiled.problems);
    Arc::clone(&compiled.snapshot.destinations[&Name::local("registry")])
}

fn environment(data: &std::path::Path) -> Environment {
    let environment = BTreeMap::from([("TOKEN".to_owned(), "abc".to_owned())]);
    Environment { secrets: Arc::new(FileSecrets::new(data, environment)), data: data.to_owned(), guard: GUARD }
}

#[tokio::test]
async fn an_mllp_document_becomes_a_connector_with_its_timeout_and_answers() {
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let spec = destination(&format!(
        "{{mllp: {{endpoints: [\"{}\"]}}, timeout: 150ms, onReject: hold,
           answers: [{{when: \"answer.error == '205'\", then: delivered}}]}}",
        receiver.address()
    ));
    let directory = tempfile::tempdir().unwrap();
    let connector = connector(&spec, &environment(directory.path())).unwrap();
    let mut slot = connector.open();
    let out = message("1");
    let judged = |sent| answers(&spec).judge(&out, &sent, 1, false);
    assert_eq!(judged(slot.send(&out).await), Verdict::Delivered);
    receiver.set_faults(Faults::always("reject=AR/205".parse::<barid_testkit::receiver::Rule>().unwrap().act));
    assert_eq!(judged(slot.send(&message("2")).await), Verdict::Delivered);
    receiver.set_faults(Faults::always("reject=AR/101".parse::<barid_testkit::receiver::Rule>().unwrap().act));
    assert!(matches!(judged(slot.send(&message("3")).await), Verdict::Hold(_)));
    receiver.set_faults(Faults::always(Act::Silent));
    let error = failure(slot.send(&message("4")).await);
    assert_eq!((error.kind, error.text.contains("150 ms")), (TransportKind::Timeout, true), "{error}");
}

#[tokio::test]
async fn an_http_document_becomes_a_connector_with_its_headers() {
    let receiver = Receiver::start(Options { protocol: Protocol::Http, ..Options::default() }).await.unwrap();
    let spec = destination(&format!(
        "{{http: {{url: \"http://{}/in\", headers: [{{name: x-type, value: \"msg.type\"}}], auth: {{bearer: {{env: TOKEN}}}}}}}}",
        receiver.address()
    ));
    let directory = tempfile::tempdir().unwrap();
    let connector = connector(&spec, &environment(directory.path())).unwrap();
    let out = message("1");
    assert_eq!(answered(connector.open().send(&out).await).class, AnswerClass::Accepted);
    assert_eq!(receiver.received()[0].idempotency_key, Some(out.id().to_string()));
}

#[tokio::test]
async fn a_file_document_writes_inside_the_data_directory() {
    let spec = destination("{file: {directory: archive, name: \"msg.type + '/' + msg.controlId + '.hl7'\"}}");
    let directory = tempfile::tempdir().unwrap();
    let connector = connector(&spec, &environment(directory.path())).unwrap();
    answered(connector.open().send(&message("42")).await);
    assert!(directory.path().join("archive/ADT/42.hl7").is_file());
    assert!(connector.status().target.ends_with("archive"));
}

#[tokio::test]
async fn a_file_document_without_a_name_gives_each_delivery_its_own() {
    let spec = destination("{file: {directory: archive}}");
    let directory = tempfile::tempdir().unwrap();
    let connector = connector(&spec, &environment(directory.path())).unwrap();
    for id in ["1", "2"] {
        answered(connector.open().send(&message(id)).await);
    }
    assert_eq!(std::fs::read_dir(directory.path().join("archive")).unwrap().count(), 2);
}

#[test]
fn the_content_type_names_the_charset_only_where_it_is_certain() {
    assert_eq!(content_type(None), "application/hl7-v2");
    assert_eq!(content_type(Some("UNICODE UTF-8")), "application/hl7-v2; charset=utf-8");
    assert_eq!(content_type(Some("8859/15")), "application/hl7-v2; charset=iso-8859-15");
    assert_eq!(content_type(Some("windows-1256")), "application/hl7-v2; charset=windows-1256");
}
