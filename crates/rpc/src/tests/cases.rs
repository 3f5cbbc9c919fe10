//! The table: every message of the examples, and what they lack, gives the same result whichever way a stage is called.

use std::sync::Arc;

use barid_model::stage::StageError;
use barid_transform::{Applied, RouteOutput};
use barid_validate::{CertificateFacts, ParseInput, Peer, Verdict};

use super::house::{Callers, House, Replica, adt, examples, local, patient, piped, remote, within};
use super::tls::Authority;
use crate::Options;

/// All ways a stage is called, the one in this process first.
async fn all(house: &House) -> (Vec<Callers>, Vec<Replica>) {
    let authority = Authority::new("mesh");
    let tls = authority.tls("localhost");
    let plain = Replica::start(house.services(), None);
    let secure = Replica::start(house.services(), Some(Arc::clone(&tls)));
    let named = crate::Target::Name(format!("localhost:{}", secure.address.port()));
    let secret = Options { tls: Some(tls), ..patient() };
    let callers = vec![
        local(),
        piped(house, &patient()).await,
        remote("gRPC over TCP", vec![plain.target()], &patient()).await,
        remote("gRPC over mTLS", vec![named], &secret).await,
    ];
    (callers, vec![plain, secure])
}

/// Everything of a verdict that can be compared.
fn seen(verdict: &Result<Verdict, StageError>) -> String {
    let header = |header: &barid_hl7::Header| {
        format!("{:?} {:?} {:?} {:?}", header.raw(), header.charset(), header.delimiters(), header.control_id())
    };
    match verdict {
        Ok(Verdict::Accept(a)) => format!("{:?} {} {:?} {}", a.envelope, header(&a.header), a.ack, a.is_response),
        Ok(Verdict::Reject(r)) => format!("{r:?} {}", header(&r.header)),
        Ok(Verdict::NoReply(unanswered)) => format!("{unanswered:?}"),
        Err(error) => format!("{error:?}"),
    }
}

/// What one way of calling gave: verdicts as they are compared, and outputs.
type Results = (Vec<String>, Vec<Result<Applied, StageError>>);

fn messages() -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for folder in ["hospital/messages", "laboratory/messages"] {
        for entry in std::fs::read_dir(examples(folder)).unwrap() {
            let path = entry.unwrap().path();
            found.push((path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()));
        }
    }
    found.sort();
    assert!(found.len() > 30, "the examples are found");
    found
}

/// What the examples lack.
fn odd() -> Vec<(String, Vec<u8>)> {
    let msh = |rest: &str| format!("MSH|^~\\&|SIH|CHN|BARID|MSP|20261122101500||{rest}\r").into_bytes();
    let many = |event: &str| {
        [msh(&format!("DFT^{event}^DFT_P03|M1|P|2.5")), b"EVN|P03|20261122101500\rPID|1||1^^^CHN^PI\r".to_vec()]
            .concat()
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing at all", Vec::new()),
        ("no message", b"PID|1||1\r".to_vec()),
        ("cut in its header", b"MSH|^~".to_vec()),
        ("line feeds before and within", [b"\n\r\n".to_vec(), adt("LF")].concat().iter().map(|b| if *b == b'\r' { b'\n' } else { *b }).collect()),
        ("not UTF-8, undeclared", adt("X").iter().map(|b| if *b == 0xc3 { 0xe9 } else { *b }).collect()),
        ("no control id", msh("ADT^A01^ADT_A01||P|2.5")),
        ("a training message", msh("ADT^A01^ADT_A01|T1|T|2.5")),
        ("a version of the future", msh("ADT^A01^ADT_A01|V1|P|9.9")),
        ("an acknowledgement", [msh("ACK|A1|P|2.5"), b"MSA|AA|1\r".to_vec()].concat()),
        ("an answer that wants none", [msh("ACK^A01^ACK|A2|P|2.5|||NE|NE"), b"MSA|AA|1\r".to_vec()].concat()),
        ("a stranger", b"MSH|^~\\&|WHO|KNOWS|B|M|20261122101500||ADT^A01|S1|P|2.5\r".to_vec()),
        ("a query", [msh("QBP^Q22^QBP_Q21|Q1|P|2.5"), b"QPD|Q22|1|@PID.3.1^1\r".to_vec()].concat()),
        ("other delimiters", b"MSH$%*!@$SIH$CHN$BARID$MSP$20261122$$ADT%A01%ADT_A01$D1$P$2.5\rEVN$A01$20261122\rPID$1$$1%%%CHN%PI\rPV1$1$I\r".to_vec()),
        ("a mapping that fails", [msh("BAR^P01^BAR_P01|B1|P|2.5"), b"EVN|P01\rPID|1||1^^^CHN^PI\rPV1|1|Z\r".to_vec()].concat()),
        ("many routes", many("P03")),
        ("filtered", many("P99")),
        ("it crashes", adt("CRASH-HERE")),
    ];
    cases.into_iter().map(|(name, raw)| (name.to_owned(), raw)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_gets_the_same_verdict_and_outputs_whichever_way_the_stages_are_called() {
    let house = House::new();
    let (callers, _replicas) = all(&house).await;
    let cases: Vec<(String, Vec<u8>)> = messages().into_iter().chain(odd()).collect();
    let names: Vec<&String> = cases.iter().map(|(name, _)| name).collect();
    let inputs: Vec<ParseInput> = cases.iter().map(|(_, raw)| house.input(raw)).collect();
    let mut first: Option<Results> = None;
    for caller in callers {
        let verdicts = within(caller.parse.call(inputs.clone())).await;
        let said: Vec<String> = verdicts.iter().map(seen).collect();
        let accepted = verdicts.into_iter().zip(&inputs).filter_map(|(verdict, input)| match verdict {
            Ok(Verdict::Accept(accepted)) if accepted.envelope.channel.is_some() => {
                Some(house.apply_input(accepted.envelope, &input.raw))
            }
            _ => None,
        });
        let applied = within(caller.apply.call(accepted.collect())).await;
        let Some((verdicts, outputs)) = &first else {
            assert!(said.iter().any(|verdict| verdict.contains("Crashed")));
            check(&applied);
            first = Some((said, applied));
            continue;
        };
        for ((name, expected), said) in names.iter().zip(verdicts).zip(&said) {
            assert_eq!(expected, said, "{}: {name}", caller.way);
        }
        assert_eq!(outputs, &applied, "{}", caller.way);
    }
}

/// The table has what it is meant to have.
fn check(applied: &[Result<Applied, StageError>]) {
    let routes = || {
        applied.iter().filter_map(|applied| match applied {
            Ok(Applied::Routed(routes)) => Some(routes),
            _ => None,
        })
    };
    let outputs = || routes().flatten().map(|route| &route.output);
    assert!(applied.len() > 30);
    assert!(applied.iter().any(|applied| matches!(applied, Ok(Applied::Filtered { .. }))));
    assert!(applied.iter().any(|applied| matches!(applied, Ok(Applied::Failed(_)))));
    assert!(outputs().any(|output| matches!(output, RouteOutput::Filtered)));
    assert!(outputs().any(|output| matches!(output, RouteOutput::Failed(_))));
    assert!(routes().any(|routes| routes.len() == 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_connection_proves_arrives_whole_and_each_message_keeps_its_own_peer() {
    let house = House::new();
    let certificate = CertificateFacts {
        dns_names: vec!["chn.example.mr".to_owned()],
        common_name: Some("chn".to_owned()),
        organization: None,
        fingerprint: [9; 32],
    };
    let peers = [
        Arc::new(Peer { origin: "192.0.2.1:1".into(), address: "192.0.2.1".parse().ok(), ..Peer::default() }),
        Arc::new(Peer {
            origin: "[2001:db8::1]:2".into(),
            address: "2001:db8::1".parse().ok(),
            certificate: Some(Arc::new(certificate)),
            tokens: vec!["default/secret/token".into()],
        }),
    ];
    let inputs: Vec<ParseInput> = (0..6).map(|i| house.input_from(&adt(&format!("P{i}")), &peers[i % 2])).collect();
    let verdicts = within(piped(&house, &patient()).await.parse.call(inputs.clone())).await;
    for (i, verdict) in verdicts.iter().enumerate() {
        let Ok(Verdict::Accept(accepted)) = verdict else { panic!("{verdict:?}") };
        assert_eq!(accepted.envelope.origin, &*peers[i % 2].origin);
        assert_eq!(accepted.envelope.uid, inputs[i].uid);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_megabytes_arrive_unaltered_and_what_nobody_changed_does_not_travel_back() {
    let house = House::new();
    let (callers, _replicas) = all(&house).await;
    let report = "JVBERi0xLjQK".repeat(10 * 1024 * 1024 / 12);
    let raw = format!(
        "MSH|^~\\&|LABO|CHN-LAB|BARID|MSP|20261122101500||ORU^R01^ORU_R01|BIG|P|2.5\rPID|1||1^^^CHN^PI\rOBR|1|A|B|1^Report\rOBX|1|ED|1^Report||^application^pdf^Base64^{report}||||||F\r"
    );
    let mut first = None;
    for caller in callers {
        let input = house.input(raw.as_bytes());
        let verdict = within(caller.parse.call(vec![input.clone()])).await.remove(0);
        let Ok(Verdict::Accept(accepted)) = verdict else { panic!("{}: {verdict:?}", caller.way) };
        assert_eq!(accepted.envelope.digest, input.raw.digest(), "{}", caller.way);
        let envelope = barid_model::Envelope { uid: barid_model::MessageUid::from_bytes([1; 16]), ..accepted.envelope };
        let applied = within(caller.apply.call(vec![house.apply_input(envelope, &input.raw)])).await.remove(0).unwrap();
        let Applied::Routed(routes) = &applied else { panic!("{}", caller.way) };
        let RouteOutput::Sent(pieces) = &routes[0].output else { panic!("{}", caller.way) };
        assert_eq!(pieces[0].as_ptr(), input.raw.as_ptr(), "{}: the very bytes that came in", caller.way);
        assert_eq!(first.get_or_insert(applied.clone()), &applied, "{}", caller.way);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_messages_in_one_call_come_back_in_their_order() {
    let house = House::new();
    let caller = piped(&house, &patient()).await;
    let inputs: Vec<ParseInput> = (0..1_000).map(|i| house.input(&adt(&format!("N{i}")))).collect();
    let verdicts = within(caller.parse.call(inputs)).await;
    assert_eq!(verdicts.len(), 1_000);
    for (i, verdict) in verdicts.into_iter().enumerate() {
        let Ok(Verdict::Accept(accepted)) = verdict else { panic!("{i}") };
        assert_eq!(accepted.envelope.control_id, format!("N{i}"));
    }
}
