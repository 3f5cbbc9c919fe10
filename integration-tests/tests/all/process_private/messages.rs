//! Messages in which everything about the patient is a canary, and the search for it.

/// What all canaries begin with, in any letter case.
const STEM: &str = "Kanarienvogel";

/// The canary of one place, so that a failure tells which.
pub(super) fn canary(place: &str) -> String {
    format!("{STEM}{place}")
}

/// A message about a patient.
pub(super) fn message(event: &str, id: &str) -> String {
    let c = canary;
    format!(
        "MSH|^~\\&|APP|FAC|BARID|MSP|20261122101500||ADT^{event}|{id}|P|2.5\rEVN|{event}|20261122101500\r\
         PID|1|{}|{}^^^FAC^PI~{}^^^NAT^NI|{}|{}^{}^{}||19700101|F|{}||{}^^{}^^{}||{}|{}||||{}|{}\r\
         NK1|1|{}^{}|MTH|{}|{}\rPV1|1|I|W^1^2||||{}^{}||||||||||||{}\r\
         OBX|1|TX|1^Note||{}\rNTE|1||{}\rZPI|1|{}^{}\r",
        c("pid2"),
        c("id"),
        c("national"),
        c("alternate"),
        c("family"),
        c("given"),
        c("middle"),
        c("alias"),
        c("street"),
        c("city"),
        c("zip"),
        c("phone"),
        c("work"),
        c("account"),
        c("ssn"),
        c("kin"),
        c("kingiven"),
        c("kinstreet"),
        c("kinphone"),
        c("doctorid"),
        c("doctor"),
        c("visit"),
        c("observation"),
        c("note"),
        c("free"),
        c("text"),
    )
}

/// What of a text tells of a patient, with what stands around it.
pub(super) fn tells(bytes: &[u8]) -> Option<String> {
    // As text, as a list of numbers and as hexadecimal digits: the ways bytes are printed.
    let stem = STEM.as_bytes();
    let numbers = stem.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let digits: String = stem.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    let at = [STEM.to_lowercase(), numbers, digits].iter().find_map(|form| text.find(form))?;
    let around = at.saturating_sub(300)..(at + 200).min(text.len());
    Some(String::from_utf8_lossy(&text.as_bytes()[around]).into_owned())
}

/// Fails where a text tells of a patient; says what and where.
pub(super) fn is_clean(place: &str, bytes: &[u8]) {
    if let Some(told) = tells(bytes) {
        panic!("{place} tells of a patient: …{told}…");
    }
}
