//! Laboratory reports: a blood count with some chemistry.

use super::names::{DOCTORS, WARDS, pid};
use super::random::Random;
use super::time;

/// LOINC code, name, unit, reference range, lowest value, span, decimals.
const TESTS: &[(&str, &str, &str, &str, u64, u64, usize)] = &[
    ("6690-2", "Leucocytes", "10*3/uL", "4.0-10.0", 30, 90, 1),
    ("789-8", "Hématies", "10*6/uL", "4.2-5.7", 32, 27, 1),
    ("718-7", "Hémoglobine", "g/dL", "12.0-16.5", 80, 90, 1),
    ("4544-3", "Hématocrite", "%", "37-49", 25, 30, 0),
    ("787-2", "Volume globulaire moyen", "fL", "80-98", 70, 35, 0),
    ("785-6", "TCMH", "pg", "27-32", 22, 14, 0),
    ("777-3", "Plaquettes", "10*3/uL", "150-400", 80, 400, 0),
    ("770-8", "Polynucléaires neutrophiles", "%", "45-70", 30, 55, 0),
    ("736-9", "Lymphocytes", "%", "20-40", 10, 40, 0),
    ("5905-5", "Monocytes", "%", "2-10", 1, 12, 0),
    ("2345-7", "Glycémie", "mmol/L", "3.9-6.1", 30, 90, 1),
    ("2160-0", "Créatinine", "umol/L", "60-110", 45, 140, 0),
    ("3094-0", "Urée", "mmol/L", "2.5-7.5", 15, 90, 1),
    ("2951-2", "Sodium", "mmol/L", "136-145", 128, 22, 0),
    ("2823-3", "Potassium", "mmol/L", "3.5-5.1", 28, 30, 1),
    ("1742-6", "ALAT", "U/L", "7-40", 8, 90, 0),
    ("1920-8", "ASAT", "U/L", "8-40", 8, 90, 0),
    ("1988-5", "Protéine C réactive", "mg/L", "0-5", 0, 120, 0),
    ("4537-7", "Vitesse de sédimentation", "mm/h", "0-20", 1, 90, 0),
    ("32700-7", "Recherche d'hématozoaires", "", "", 0, 0, 0),
];

pub(super) fn write(facility: &str, control_id: &str, n: u64, patient: u64, random: &mut Random) -> String {
    let when = time(n);
    let (ward, doctor) = (random.pick(WARDS), random.pick(DOCTORS));
    let (order, filler) = (70_000_000 + n, 90_000_000 + n);
    let mut text = format!(
        "MSH|^~\\&|LIS|{facility}|BARID|MSP|{when}+0000||ORU^R01^ORU_R01|{control_id}|P|2.5.1|||AL|NE|MRT|UNICODE UTF-8|fr\r"
    );
    text.push_str(&pid(facility, patient));
    text.push_str(&format!(
        "PV1|1|I|{ward}^{}^1^{facility}||||{doctor}||||||||||||{}^^^{facility}\r\
         ORC|RE|{order}^{facility}|{filler}^LABO||CM||||{when}|||{doctor}\r\
         OBR|1|{order}^{facility}|{filler}^LABO|58410-2^Numération formule sanguine^LN|||{when}||||||Fièvre depuis trois \
         jours|{when}||{doctor}||||||{when}||HM|F\r",
        100 + random.below(80),
        50_000_000 + n,
    ));
    for (number, test) in TESTS.iter().enumerate() {
        text.push_str(&obx(number + 1, *test, &when, random));
    }
    text.push_str(
        "NTE|1|L|Résultats validés par le biologiste; à interpréter selon le contexte clinique. النتائج مؤكدة\r",
    );
    text
}

type Test = (&'static str, &'static str, &'static str, &'static str, u64, u64, usize);

fn obx(number: usize, (code, name, unit, range, low, span, decimals): Test, when: &str, random: &mut Random) -> String {
    if span == 0 {
        let found = random.pick(&["Absence", "Présence de Plasmodium falciparum"]);
        return format!("OBX|{number}|ST|{code}^{name}^LN||{found}||||||F|||{when}||1007^Kane^Odile||||{when}\r");
    }
    let drawn = low + random.below(span);
    let value = if decimals == 0 { drawn.to_string() } else { format!("{}.{}", drawn / 10, drawn % 10) };
    let flag = random.pick(&["N", "N", "N", "H", "L"]);
    format!(
        "OBX|{number}|NM|{code}^{name}^LN||{value}|{unit}^{unit}^UCUM|{range}|{flag}|||F|||{when}||1007^Kane^Odile||||{when}\r"
    )
}
