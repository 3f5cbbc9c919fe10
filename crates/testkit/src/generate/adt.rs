//! Admissions.

use super::names::{DOCTORS, WARDS, nk1, pid};
use super::random::Random;
use super::time;

const DIAGNOSES: &[&str] = &[
    "B54^Paludisme, sans précision^I10",
    "J18.9^Pneumopathie, sans précision^I10",
    "O80^Accouchement unique et spontané^I10",
    "S52.5^Fracture de l'extrémité inférieure du radius^I10",
    "E11.9^Diabète sucré de type 2^I10",
];
const EVENTS: &[(&str, &str)] = &[("A01", "ADT_A01"), ("A04", "ADT_A01"), ("A08", "ADT_A01"), ("A03", "ADT_A03")];

pub(super) fn write(facility: &str, control_id: &str, n: u64, patient: u64, random: &mut Random) -> String {
    let at = usize::try_from(random.below(EVENTS.len() as u64)).unwrap_or(0);
    let (event, structure) = EVENTS.get(at).copied().unwrap_or(("A01", "ADT_A01"));
    let when = time(n);
    let (ward, doctor) = (random.pick(WARDS), random.pick(DOCTORS));
    let class = random.pick(&["I", "O", "E"]);
    let (room, bed) = (100 + random.below(80), 1 + random.below(4));
    let visit = 50_000_000 + n;
    let mut text = format!(
        "MSH|^~\\&|HIS|{facility}|BARID|MSP|{when}+0000||ADT^{event}^{structure}|{control_id}|P|2.5|||AL|NE|MRT|UNICODE UTF-8|fr\r\
         EVN|{event}|{when}|||{doctor}|{when}\r"
    );
    text.push_str(&pid(facility, patient));
    text.push_str(&format!("PD1|||Centre de santé {ward}^^{}|{doctor}\r", 200 + random.below(100)));
    text.push_str(&nk1(patient));
    text.push_str(&format!(
        "PV1|1|{class}|{ward}^{room}^{bed}^{facility}||||{doctor}|{doctor}||{ward}||||1|||{doctor}||{visit}^^^{facility}|||||||\
         ||||||||||||||||||{when}\r\
         PV2|||^Admission pour bilan et surveillance||||{when}|||Hospitalisation demandée par le médecin traitant\r"
    ));
    for number in 1..=2 {
        let diagnosis = random.pick(DIAGNOSES);
        text.push_str(&format!("DG1|{number}||{diagnosis}||{when}|A|||||||||{number}|{doctor}\r"));
    }
    text.push_str("AL1|1|DA|^Pénicilline|MO|Éruption cutanée|20190412\r");
    text.push_str(&format!(
        "IN1|1|CNAM^Assurance maladie|CNAM|Caisse nationale d'assurance maladie|BP 2034^^Nouakchott^^^MRT||||||||||{}\r",
        random.pick(&["SALARIE", "RETRAITE", "AYANT DROIT"])
    ));
    text
}
