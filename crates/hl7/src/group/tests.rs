//! Which segment belongs to which group.

use super::*;
use crate::tests::message;

fn places(kind: &str, body: &str) -> (Vec<String>, Vec<usize>) {
    let message = message(format!("MSH|^~\\&|A||||||{kind}|1|P|2.5.1\r{}\r", body.replace(' ', "\r")));
    let groups = Groups::of(&message).expect("known");
    let places = message.segments().enumerate().skip(1);
    (
        places.map(|(i, segment)| format!("{} {}", segment.id(), groups.place_of(i))).collect(),
        groups.misplaced().to_vec(),
    )
}

#[test]
fn p11_observations_and_notes_land_under_their_own_parents() {
    let (places, misplaced) =
        places("ORU^R01", "PID NTE PV1 ORC OBR NTE OBX NTE NTE OBX OBR OBX ORC OBR SPM OBX PID OBR OBX");
    assert_eq!(
        places,
        [
            "PID PATIENT_RESULT[1]/PATIENT[1]",
            "NTE PATIENT_RESULT[1]/PATIENT[1]",
            "PV1 PATIENT_RESULT[1]/PATIENT[1]/VISIT[1]",
            "ORC PATIENT_RESULT[1]/ORDER_OBSERVATION[1]",
            "OBR PATIENT_RESULT[1]/ORDER_OBSERVATION[1]",
            "NTE PATIENT_RESULT[1]/ORDER_OBSERVATION[1]",
            "OBX PATIENT_RESULT[1]/ORDER_OBSERVATION[1]/OBSERVATION[1]",
            "NTE PATIENT_RESULT[1]/ORDER_OBSERVATION[1]/OBSERVATION[1]",
            "NTE PATIENT_RESULT[1]/ORDER_OBSERVATION[1]/OBSERVATION[1]",
            "OBX PATIENT_RESULT[1]/ORDER_OBSERVATION[1]/OBSERVATION[2]",
            "OBR PATIENT_RESULT[1]/ORDER_OBSERVATION[2]",
            "OBX PATIENT_RESULT[1]/ORDER_OBSERVATION[2]/OBSERVATION[1]",
            "ORC PATIENT_RESULT[1]/ORDER_OBSERVATION[3]",
            "OBR PATIENT_RESULT[1]/ORDER_OBSERVATION[3]",
            "SPM PATIENT_RESULT[1]/ORDER_OBSERVATION[3]/SPECIMEN[1]",
            "OBX PATIENT_RESULT[1]/ORDER_OBSERVATION[3]/SPECIMEN[1]",
            "PID PATIENT_RESULT[2]/PATIENT[1]",
            "OBR PATIENT_RESULT[2]/ORDER_OBSERVATION[1]",
            "OBX PATIENT_RESULT[2]/ORDER_OBSERVATION[1]/OBSERVATION[1]",
        ]
    );
    assert!(misplaced.is_empty());
}

#[test]
fn p11_the_segment_that_begins_a_group_opens_a_new_repetition() {
    let (merge, _) = places("ADT^A40", "EVN PID MRG PID PD1 MRG");
    assert_eq!(
        merge,
        ["EVN ", "PID PATIENT[1]", "MRG PATIENT[1]", "PID PATIENT[2]", "PD1 PATIENT[2]", "MRG PATIENT[2]"]
    );
    let (roles, _) = places("ADT^A01", "EVN PID ROL PV1 ROL PR1 ROL PR1 IN1 IN2 ROL IN1");
    assert_eq!(
        roles[5..],
        [
            "PR1 PROCEDURE[1]",
            "ROL PROCEDURE[1]",
            "PR1 PROCEDURE[2]",
            "IN1 INSURANCE[1]",
            "IN2 INSURANCE[1]",
            "ROL INSURANCE[1]",
            "IN1 INSURANCE[2]"
        ]
    );
}

#[test]
fn p11_what_fits_nowhere_stays_in_place_and_is_reported() {
    let (places, misplaced) = places("ORU^R01", "PID OBR OBX ZPI PV1 NTE OBX");
    assert_eq!(
        places[3..],
        [
            "ZPI PATIENT_RESULT[1]/ORDER_OBSERVATION[1]/OBSERVATION[1]",
            "PV1 PATIENT_RESULT[1]/ORDER_OBSERVATION[1]/OBSERVATION[1]",
            "NTE PATIENT_RESULT[1]/ORDER_OBSERVATION[1]/OBSERVATION[1]",
            "OBX PATIENT_RESULT[1]/ORDER_OBSERVATION[1]/OBSERVATION[2]",
        ]
    );
    assert_eq!(misplaced, [4, 5]);
}

#[test]
fn the_segments_around_one_are_those_of_its_group() {
    let message = message("MSH|^~\\&|A||||||ORU^R01|1|P|2.5\rPID|1\rOBR|1\rOBX|1\rNTE|1\rOBX|2\rOBR|2\rOBX|1\r");
    let groups = Groups::of(&message).expect("known");
    assert_eq!(groups.around(2), Some(2..6));
    assert_eq!(groups.around(4), Some(3..5));
    assert_eq!(groups.around(0), Some(0..8));
    assert_eq!(groups.around(8), None);
}

#[test]
fn structures_without_groups_have_none() {
    assert!(Groups::of(&message("MSH|^~\\&|A||||||ZZZ^Z01|1|P|2.5\r")).is_none());
}
