use std::time::Duration;

use barid_hl7::ack::AckCode;

use super::answer::Replier;
use super::*;

#[test]
fn faults_are_read_from_text() {
    let read = |text: &str| text.parse::<Rule>();
    let cases = [
        ("delay=500ms", Which::All, Act::Delay(Duration::from_millis(500))),
        ("delay=2s@every=10", Which::Every(10), Act::Delay(Duration::from_secs(2))),
        ("close@first=3", Which::First(3), Act::Close),
        ("reject=AE", Which::All, Act::Reject(AckCode::AE, 207)),
        ("reject=AR/203@id=42", Which::ControlId(b"42".to_vec()), Act::Reject(AckCode::AR, 203)),
        ("status=503/30@prefix=CHN-", Which::Prefix(b"CHN-".to_vec()), Act::Status(503, 30)),
        ("twice", Which::All, Act::Twice),
    ];
    for (text, which, act) in cases {
        assert_eq!(read(text), Ok(Rule { which, act }), "{text}");
    }
    for text in ["", "delay", "delay=5", "reject=AA", "reject=XX", "twice@every=0", "twice@some=1", "status=9"] {
        let error = read(text).unwrap_err();
        assert!(error.to_string().contains("are") || error.to_string().contains("stands"), "{error}");
    }
}

#[test]
fn every_and_first_count_by_arrival() {
    let picked = |which: Which| -> Vec<u64> {
        let faults = Faults::on(which, Act::Close);
        (0..7).filter(|order| faults.act(*order, b"CHN-1").is_some()).collect()
    };
    assert_eq!(picked(Which::Every(3)), [2, 5]);
    assert_eq!(picked(Which::First(2)), [0, 1]);
    assert_eq!(picked(Which::Prefix(b"CHN".to_vec())).len(), 7);
    assert_eq!(picked(Which::ControlId(b"CHN".to_vec())).len(), 0);
}

#[test]
fn a_query_is_answered_with_a_response_and_each_answer_names_the_arrival_it_is_for() {
    let answer = |text: &'static str, order| {
        let payload = bytes::Bytes::from_static(text.as_bytes());
        let replier = Replier { header: &barid_hl7::Header::read(&payload), payload: &payload, order };
        String::from_utf8(replier.accepted().to_vec()).unwrap()
    };
    let query =
        answer("MSH|^~\\&|A|B|C|D|20261122||QBP^Q22^QBP_Q21|Q1|P|2.5\rQPD|Q22^Find^HL7|T7|@PID.3.1^7\rRCP|I\r", 4);
    assert!(query.contains("|RSP^K22^RSP_K22|R4|P|2.5\rMSA|AA|Q1\rQAK|T7|NF\rQPD|Q22^Find^HL7|T7|"), "{query}");
    let other = answer("MSH|^~\\&|A|B|C|D|20261122||ADT^A01^ADT_A01|M1|P|2.5\rPID|1\r", 0);
    assert!(other.contains("|ACK^A01^ACK|R0|P|2.5\rMSA|AA|M1\r") && !other.contains("QAK"), "{other}");
}
