use barid_hl7::{Limits, Message, Path};

use super::*;

fn parsed(generated: &Generated) -> Message {
    let parsed = Message::parse(generated.bytes.clone(), &Limits::default()).unwrap();
    assert!(parsed.findings.is_empty(), "{:?}", parsed.findings);
    parsed.message
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let make = |seed| Generator::new(seed, "CHN").message(7).bytes;
    assert_eq!(make(1), make(1));
    assert_ne!(make(1), make(2));
}

#[test]
fn messages_are_clean_hl7_of_the_size_of_real_ones() {
    for (kind, code, from, to) in [(Kind::Admission, "ADT", 1_150, 1_500), (Kind::Report, "ORU", 2_900, 3_700)] {
        let generator = Generator::new(3, "CHN").of(kind);
        for n in 0..200 {
            let generated = generator.message(n);
            let message = parsed(&generated);
            assert_eq!(message.header().message_code(), code);
            assert_eq!(message.header().control_id(), generated.control_id.as_bytes());
            assert_eq!(message.text(&Path::parse("PID-3.1").unwrap()), generated.patient);
            assert_eq!(message.header().sending_facility(), "CHN");
            assert!((from..to).contains(&generated.bytes.len()), "{} bytes", generated.bytes.len());
        }
    }
}

#[test]
fn control_ids_count_up_and_patients_come_back() {
    let generator = Generator::new(9, "LAB").patients(5);
    assert_eq!(generator.message(0).control_id, "LAB-00000000");
    assert_eq!(generator.message(12).control_id, "LAB-00000012");
    let patients: std::collections::BTreeSet<_> = (0..100).map(|n| generator.message(n).patient).collect();
    assert_eq!(patients.len(), 5);
}

#[test]
fn what_is_known_of_a_patient_is_the_same_in_every_message() {
    let (admissions, reports) = (Generator::new(1, "CHN").patients(1), Generator::new(2, "CHN").patients(1));
    let name = |generated: Generated| parsed(&generated).text(&Path::parse("PID-5").unwrap()).into_owned();
    assert_eq!(name(admissions.message(1)), name(reports.of(Kind::Report).message(80)));
}
