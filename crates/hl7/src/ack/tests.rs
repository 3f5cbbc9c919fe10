//! What `ack` promises, by behaviour.

use bytes::Bytes;

use super::*;
use crate::tests::{message, path, refused};
use crate::{Finding, Header, Path, error_code};

fn request(msh_15_16: &str, version: &str) -> Header {
    let raw = format!("MSH|^~\\&|HIS^1.2^ISO|CHN&x|REG|MSP|1||ADT^A08^ADT_A01|007 \\F\\|T|{version}|||{msh_15_16}\r");
    message(raw).header().clone()
}

fn answer(request: &Header, code: AckCode, findings: &[Finding]) -> String {
    let answer = Answer {
        request,
        code,
        findings,
        application: "BARID",
        facility: "MSP",
        control_id: "ACK1",
        timestamp: "20261122100000+0000",
    };
    String::from_utf8(answer.build().to_vec()).expect("UTF-8")
}

fn standard(conditions: &str, disposition: Disposition) -> Option<AckCode> {
    reply(Mode::Standard, &request(conditions, "2.5"), false, disposition)
}

const ALL: [Disposition; 3] = [Disposition::Accepted, Disposition::Error, Disposition::Rejected];

#[test]
fn a01_both_empty_is_original_mode_and_one_alone_is_warned_about() {
    assert!(mode_finding(&request("|", "2.5")).is_none());
    assert!(mode_finding(&request("AL|NE", "2.5")).is_none());
    assert_eq!(mode_finding(&request("AL|", "2.5")).expect("warned").path, Some(Path::msh(16)));
    assert_eq!(mode_finding(&request("|AL", "2.5")).expect("warned").path, Some(Path::msh(15)));
    assert_eq!(mode_finding(&request("X|AL", "2.5")).expect("warned").code, error_code::TABLE_VALUE);
    assert_eq!(standard("AL|", Disposition::Accepted), Some(AckCode::CA));
    assert_eq!(standard("|AL", Disposition::Accepted), Some(AckCode::AA));
}

#[test]
fn a02_original_mode_answers_aa_ae_ar() {
    assert_eq!(ALL.map(|d| standard("|", d)), [Some(AckCode::AA), Some(AckCode::AE), Some(AckCode::AR)]);
    for (code, disposition) in [
        (error_code::MESSAGE_TYPE, Disposition::Rejected),
        (error_code::EVENT, Disposition::Rejected),
        (error_code::PROCESSING_ID, Disposition::Rejected),
        (error_code::VERSION, Disposition::Rejected),
        (error_code::REQUIRED_FIELD_MISSING, Disposition::Error),
        (error_code::DUPLICATE_KEY, Disposition::Error),
        (error_code::INTERNAL, Disposition::Error),
        (error_code::ACCEPTED, Disposition::Accepted),
    ] {
        assert_eq!(Disposition::of_code(code), disposition);
    }
    let warning = Finding::warning(error_code::VERSION, "r", "t");
    let error = Finding::error(error_code::DATA_TYPE, "r", "t");
    let reject = Finding::error(error_code::EVENT, "r", "t");
    assert_eq!(Disposition::of_findings(std::slice::from_ref(&warning)), Disposition::Accepted);
    assert_eq!(Disposition::of_findings(&[warning, error.clone()]), Disposition::Error);
    assert_eq!(Disposition::of_findings(&[error, reject]), Disposition::Rejected);
}

#[test]
fn a03_enhanced_mode_answers_ca_ce_cr_with_empty_conditions() {
    assert_eq!(ALL.map(|d| standard("AL|NE", d)), [Some(AckCode::CA), Some(AckCode::CE), Some(AckCode::CR)]);
    let ack = message(answer(&request("AL|NE", "2.5"), AckCode::CA, &[]));
    assert_eq!((ack.text(&path("MSH-15")), ack.text(&path("MSH-16"))), ("".into(), "".into()));
    assert_eq!(ack.text(&path("MSA-1")), "CA");
}

#[test]
fn a05_every_mode_condition_and_disposition_has_its_reply() {
    let (aa, ae, ar) = (Some(AckCode::AA), Some(AckCode::AE), Some(AckCode::AR));
    let (ca, ce, cr) = (Some(AckCode::CA), Some(AckCode::CE), Some(AckCode::CR));
    let table = [
        // MSH-15, MSH-16, standard, always
        ("|", [aa, ae, ar], [aa, ae, ar]),
        ("AL|", [ca, ce, cr], [ca, ce, cr]),
        ("NE|", [None, None, None], [aa, ae, ar]),
        ("ER|", [None, ce, cr], [aa, ce, cr]),
        ("SU|", [ca, None, None], [ca, ae, ar]),
        ("XX|", [aa, ae, ar], [aa, ae, ar]),
        ("NE|AL", [aa, ae, ar], [aa, ae, ar]),
        ("|ER", [None, ae, ar], [aa, ae, ar]),
        ("|SU", [aa, None, None], [aa, ae, ar]),
        ("NE|NE", [None, None, None], [aa, ae, ar]),
        ("AL|AL", [ca, ce, cr], [ca, ce, cr]),
        ("XX|NE", [None, None, None], [aa, ae, ar]),
    ];
    for (conditions, standard, always) in table {
        let header = request(conditions, "2.5");
        let replies = |mode| ALL.map(|disposition| reply(mode, &header, false, disposition));
        assert_eq!(replies(Mode::Standard), standard, "standard {conditions}");
        assert_eq!(replies(Mode::Always), always, "always {conditions}");
        assert_eq!(replies(Mode::Original), [aa, ae, ar], "original {conditions}");
        assert_eq!(replies(Mode::CommitOnly), [ca, ce, cr], "commitOnly {conditions}");
    }
}

#[test]
fn a06_the_answer_goes_back_with_the_request_own_names_delimiters_and_version() {
    let ack = answer(&request("|", "2.5^FRA"), AckCode::AA, &[]);
    assert_eq!(
        ack,
        "MSH|^~\\&|REG|MSP|HIS^1.2^ISO|CHN&x|20261122100000+0000||ACK^A08^ACK|ACK1|T|2.5^FRA\rMSA|AA|007 \\F\\\r"
    );
    let odd = message("MSH@*%$!@A@B@@@1@@ADT*A08@9@P@2.3\r");
    assert_eq!(
        answer(odd.header(), AckCode::AE, &[]),
        "MSH@*%$!@BARID@MSP@A@B@20261122100000+0000@@ACK*A08@ACK1@P@2.3\rMSA@AE@9\r"
    );
}

#[test]
fn a06_the_message_type_follows_the_version() {
    for (version, expected) in
        [("2.1", "ACK"), ("2.2", "ACK^A08"), ("2.3", "ACK^A08"), ("2.3.1", "ACK^A08^ACK"), ("2.8", "ACK^A08^ACK")]
    {
        assert_eq!(message(answer(&request("|", version), AckCode::AA, &[])).text(&path("MSH-9")), expected);
    }
    let no_event = message("MSH|^~\\&|A|B|||1||ORU|9|P|2.5\r");
    assert_eq!(message(answer(no_event.header(), AckCode::AA, &[])).text(&path("MSH-9")), "ACK");
}

#[test]
fn a07_msa_2_is_the_control_id_verbatim() {
    for id in ["007", " 7 ", "a\\F\\b", "a^b", "\\", "é"] {
        let request = message(format!("MSH|^~\\&|A|B|||1||ADT^A08|{id}|P|2.5||||||UNICODE UTF-8\r"));
        let ack = read(Bytes::from(answer(request.header(), AckCode::AA, &[]))).expect("readable");
        assert_eq!(ack.control_id, id.as_bytes());
    }
}

#[test]
fn a08_an_empty_control_id_is_error_101() {
    let request = message("MSH|^~\\&|A|B|||1||ADT^A08||P|2.5\r");
    let finding = missing_control_id(request.header()).expect("missing");
    assert_eq!((finding.code, finding.path), (101, Some(Path::msh(10))));
    assert!(missing_control_id(message("MSH|^~\\&|||||||ADT|1\r").header()).is_none());
    let ack = answer(request.header(), AckCode::AE, &[finding]);
    assert!(
        ack.contains("\rERR||MSH^1^10|101^Required field missing^HL70357|E||||the message control id is empty"),
        "{ack}"
    );
}

#[test]
fn a09_msa_3_holds_text_before_2_7_only() {
    let findings = [Finding::error(error_code::DATA_TYPE, "r", "a text")];
    for (version, text) in [("2.3", "a text"), ("2.6", "a text"), ("2.7", ""), ("2.8", "")] {
        assert_eq!(message(answer(&request("|", version), AckCode::AE, &findings)).text(&path("MSA-3")), text);
    }
}

#[test]
fn a10_err_has_the_shape_of_its_version() {
    let findings = [
        Finding::error(error_code::TABLE_VALUE, "r", "first").at(path("PID-11")),
        Finding::error(error_code::DATA_TYPE, "r", "second").at(path("OBX[2]-5[3].4.1")),
        Finding::warning(error_code::SEGMENT_SEQUENCE, "r", "third").at(path("ZZZ")),
        Finding::error(error_code::SEGMENT_SEQUENCE, "r", "fourth").on_line(7),
    ];
    for version in ["2.1", "2.3", "2.4"] {
        let ack = answer(&request("|", version), AckCode::AE, &findings);
        assert!(ack.ends_with("\rERR|PID^1^11^103~OBX^2^5^102~^^^100\r"), "{ack}");
    }
    for version in ["2.5", "2.5.1", "2.7", "2.8.2"] {
        let ack = answer(&request("|", version), AckCode::AE, &findings);
        let errs: Vec<&str> = ack.split('\r').filter(|line| line.starts_with("ERR")).collect();
        assert_eq!(
            errs,
            [
                "ERR||PID^1^11|103^Table value not found^HL70357|E||||first",
                "ERR||OBX^2^5^3^4^1|102^Data type error^HL70357|E||||second",
                "ERR||ZZZ^1|100^Segment sequence error^HL70357|W||||third",
                "ERR|||100^Segment sequence error^HL70357|E||||line 7: fourth",
            ]
        );
    }
}

#[test]
fn a10_the_number_of_problems_is_bounded() {
    let findings = vec![Finding::error(error_code::DATA_TYPE, "r", "t"); 1_000];
    let ack = answer(&request("|", "2.5"), AckCode::AE, &findings);
    assert_eq!(ack.matches("ERR|").count(), MOST_ERRORS);
}

#[test]
fn a11_each_code_of_table_0357_has_its_text() {
    let codes = [0, 100, 101, 102, 103, 104, 198, 199, 200, 201, 202, 203, 204, 205, 206, 207];
    for code in codes {
        let findings = [Finding::error(code, "r", "t")];
        let ack = read(Bytes::from(answer(&request("|", "2.5"), AckCode::AE, &findings))).expect("readable");
        assert_eq!(ack.error_codes, [code.to_string()]);
        assert_eq!(ack.message.text(&path("ERR-3.2")), error_code::describe(code));
    }
    let texts: std::collections::BTreeSet<&str> = codes.iter().map(|code| error_code::describe(*code)).collect();
    assert_eq!(texts.len(), codes.len());
}

#[test]
fn a13_an_answer_to_a_bad_message_holds_no_value_of_it() {
    let error = refused("MSH|^~\\&|A|B|||1||ADT^A08|9|P|2.5\rPID|||SECRET\rSECRET NAME\r");
    let ack = answer(&error.header, AckCode::application(error.disposition()), &[error.finding()]);
    assert!(!ack.contains("SECRET"));
    assert!(ack.contains("line 3: ") && ack.contains("|9|") && ack.contains("MSA|AE|9"), "{ack}");
}

#[test]
fn a15_an_acknowledgement_is_answered_only_if_it_asks() {
    let ack = message("MSH|^~\\&|A|B|||1||ACK^A08^ACK|9|P|2.5\rMSA|AA|1\r");
    let response = message("MSH|^~\\&|A|B|||1||RSP^K22|9|P|2.5|||AL|NE\rMSA|AA|1\r");
    assert!(is_acknowledgement(&ack) && is_acknowledgement(&response));
    assert!(!is_acknowledgement(&message("MSH|^~\\&|A|B|||1||ADT^A08|9|P|2.5\r")));
    for mode in [Mode::Standard, Mode::Always, Mode::Original, Mode::CommitOnly] {
        assert_eq!(reply(mode, ack.header(), true, Disposition::Accepted), None);
        assert_eq!(reply(mode, response.header(), true, Disposition::Accepted), Some(AckCode::CA));
    }
}

#[test]
fn c08_the_answer_carries_msh_18_when_it_is_not_ascii() {
    let plain = message("MSH|^~\\&|A|B|||1||ADT^A08|9|P|2.5||||||8859/1\r");
    assert_eq!(message(answer(plain.header(), AckCode::AA, &[])).text(&path("MSH-18")), "");
    let raw = b"MSH|^~\\&|A|H\xD4P|||1||ADT^A08|9|P|2.5||||||8859/1\r";
    let latin = Answer {
        request: message(raw).header(),
        code: AckCode::AA,
        findings: &[],
        application: "B",
        facility: "Hôpital",
        control_id: "1",
        timestamp: "2",
    }
    .build();
    let latin = crate::tests::parsed(&latin);
    assert!(latin.findings.is_empty(), "{:?}", latin.findings);
    assert_eq!(latin.message.text(&path("MSH-18")), "8859/1");
    assert_eq!(latin.message.text(&path("MSH-4")), "Hôpital");
    assert_eq!(latin.message.text(&path("MSH-6")), "HÔP");
    let undeclared = message("MSH|^~\\&|A|HÔP|||1||ADT^A08|9|P|2.5\r");
    let ack = message(answer(undeclared.header(), AckCode::AA, &[]));
    assert_eq!((ack.text(&path("MSH-18")), ack.text(&path("MSH-6"))), ("UNICODE UTF-8".into(), "HÔP".into()));
}

#[test]
fn m11_what_is_no_message_gets_a_minimal_rejection() {
    let error = refused("INVALID PAYLOAD");
    let ack = answer(&error.header, AckCode::application(error.disposition()), &[error.finding()]);
    assert!(ack.starts_with("MSH|^~\\&|BARID|MSP|||20261122100000+0000||ACK|ACK1|P|2.5.1\rMSA|AR||"), "{ack}");
}

#[test]
fn a_header_with_few_delimiters_still_gets_an_answer() {
    let request = message("MSH|^|A|B|||1||ADT^A08|9|P|2.5\r");
    let findings = [Finding::error(error_code::DATA_TYPE, "r", "a | b").at(path("PID-3"))];
    let ack = answer(request.header(), AckCode::AE, &findings);
    assert!(ack.contains("\rMSA|AE|9|a   b\rERR||PID^1^3|102^Data type error^HL70357|E||||a   b\r"), "{ack}");
}

#[test]
fn a_reply_is_read_with_its_codes_and_text() {
    let raw = "MSH|^~\\&|R|S|||1||ACK^A08|7|P|2.5\rMSA|AE|42\rERR||PID^1^3|204^Unknown key^HL70357|E||||no such patient\rERR|||101|E\r";
    let ack = read(Bytes::from_static(raw.as_bytes())).expect("readable");
    assert_eq!((ack.code, &ack.control_id[..], ack.text()), (AckCode::AE, &b"42"[..], "no such patient".to_owned()));
    assert_eq!(ack.error_codes, ["204", "101"]);
    let old = read(Bytes::from_static(b"MSH|^~\\&|R|S|||1||ACK|7|P|2.3\nMSA|AR|42|text\nERR|PID^1^11^103&x~^^^207\n"));
    let old = old.expect("readable");
    assert_eq!((old.code, old.text().as_str()), (AckCode::AR, "text"));
    assert_eq!(old.error_codes, ["103", "207"]);
}

#[test]
fn m22_garbage_is_never_an_acknowledgement() {
    for raw in [
        &b""[..],
        b"garbage",
        b"MSA|AA|1\r",
        b"MSH|^~\\&|A\r",
        b"MSH|^~\\&|A\rMSA|AA|1\rMSA|AA|2\r",
        b"MSH|^~\\&|A\rMSA|OK|1\r",
        b"MSH|^~\\&|A\rMSA||1\r",
        b"MSH|^~\\&|A\rMSA|AA|1\rtext\r",
        b"\x06",
    ] {
        assert!(read(Bytes::copy_from_slice(raw)).is_err(), "{raw:?}");
    }
    let shown = format!("{:?}", read(Bytes::from_static(b"MSH|^~\\&|A\rMSA|AE|1|Abdallah\r")).expect("readable"));
    assert!(!shown.contains("Abdallah"));
}
