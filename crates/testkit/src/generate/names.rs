//! Names, streets and wards we made up, in French, Arabic and transcription. A patient's data follow from the
//! patient's number alone, so that all messages about one agree.

use super::random::Random;

const FAMILY: &[&str] = &[
    "Ould Abdallah",
    "Mint Sidi",
    "Diallo",
    "Lefèvre",
    "Bâ",
    "N'Diaye",
    "Garçon",
    "Coulibaly",
    "El Hadrami",
    "Béranger",
    "ولد أحمد",
    "بنت محمود",
    "السالم",
    "Traoré",
    "O'Neill",
    "Müller",
];
const GIVEN: &[&str] = &[
    "Mohamed",
    "Aïcha",
    "Fatimetou",
    "Étienne",
    "Zoé",
    "Ibrahim",
    "Mariem",
    "François",
    "خديجة",
    "يوسف",
    "فاطمة",
    "Noëlle",
    "Cheikh",
    "Aminétou",
];
const STREETS: &[&str] = &[
    "12 Avenue du Général de Gaulle",
    "Îlot K 114",
    "Rue de l'Hôpital 7",
    "شارع جمال عبد الناصر 21",
    "Quartier Tevragh Zeina 33",
];
const CITIES: &[&str] = &["Nouakchott", "Nouadhibou", "Rosso", "Kiffa", "Atar", "نواكشوط"];
pub(super) const WARDS: &[&str] = &["MED", "CHIR", "PED", "MAT", "URG", "REA"];
pub(super) const DOCTORS: &[&str] =
    &["1042^Sow^Hélène^^^Dr", "1077^Ould Cheikh^Ahmed^^^Dr", "1103^Bénard^René^^^Pr", "1150^مرزوق^سلمى^^^Dr"];

pub(super) fn patient_id(patient: u64) -> String {
    format!("{:07}", 1_000_000 + patient)
}

/// PID, as the seventh of the standard has it.
pub(super) fn pid(facility: &str, patient: u64) -> String {
    let mut random = Random::new(patient.wrapping_mul(0xD6E8_FEB8_6659_FD93));
    let id = patient_id(patient);
    let national = 1_000_000_000 + random.below(8_999_999_999);
    let (family, given, middle) = (random.pick(FAMILY), random.pick(GIVEN), random.pick(GIVEN));
    let born = format!("{}{:02}{:02}", 1930 + random.below(95), 1 + random.below(12), 1 + random.below(28));
    let sex = random.pick(&["F", "M"]);
    let (street, city) = (random.pick(STREETS), random.pick(CITIES));
    let phone = 22_000_000 + random.below(19_999_999);
    let mother = random.pick(FAMILY);
    format!(
        "PID|1||{id}^^^{facility}&1.2.3.4.5&ISO^MR~{national}^^^MRT^NI||{family}^{given}^{middle}^^^^L||{born}|{sex}|||\
         {street}^^{city}^^^MRT^H||^PRN^PH^^222^^{phone}||FRE|M|||{national}|||{mother}|{city}||||MRT||||N\r"
    )
}

/// NK1: somebody to call.
pub(super) fn nk1(patient: u64) -> String {
    let mut random = Random::new(patient.wrapping_mul(0xA076_1D64_78BD_642F));
    let (family, given) = (random.pick(FAMILY), random.pick(GIVEN));
    let phone = 32_000_000 + random.below(9_999_999);
    format!(
        "NK1|1|{family}^{given}|SPO^Conjoint^HL70063|{}^^{}^^^MRT|^PRN^PH^^222^^{phone}|||||\r",
        random.pick(STREETS),
        random.pick(CITIES)
    )
}
