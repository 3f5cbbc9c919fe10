//! Messages as hospitals send them, made from a seed: the same seed gives the same bytes on every machine and day.
//!
//! Admissions of about 1.3 kB and laboratory reports of about 3.3 kB, with French and Arabic names that we made up, in
//! UTF-8. Control ids carry the facility and count up, so that a history can tell order by looking at them.

mod adt;
mod names;
mod oru;
mod random;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use random::Random;

/// What is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// ADT^A01, A04, A08 and A03, about 1.3 kB.
    #[default]
    Admission,
    /// ORU^R01 with a blood count, about 3.3 kB.
    Report,
}

/// A message and what a history needs to know of it.
#[derive(Clone)]
pub struct Generated {
    /// MSH-10.
    pub control_id: String,
    /// PID-3.1.
    pub patient: String,
    /// The message, segments ended by CR.
    pub bytes: Bytes,
}

impl std::fmt::Debug for Generated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Generated({}, {} B)", self.control_id, self.bytes.len())
    }
}

/// Makes the messages of one facility.
#[derive(Debug, Clone)]
pub struct Generator {
    seed: u64,
    facility: String,
    patients: u64,
    kind: Kind,
}

impl Generator {
    /// Messages of a facility, by its MSH-4.
    #[must_use]
    pub fn new(seed: u64, facility: &str) -> Self {
        Self { seed, facility: facility.to_owned(), patients: 500, kind: Kind::Admission }
    }

    /// Makes another kind.
    #[must_use]
    pub fn of(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// Spreads over this many patients instead of 500; at least one.
    #[must_use]
    pub fn patients(self, patients: u64) -> Self {
        Self { patients: patients.max(1), ..self }
    }

    /// The n-th message. Any order, any number of times: it depends on nothing else.
    #[must_use]
    pub fn message(&self, n: u64) -> Generated {
        let mut random = Random::new(self.seed ^ n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let patient = random.below(self.patients);
        let control_id = format!("{}-{n:08}", self.facility);
        let text = match self.kind {
            Kind::Admission => adt::write(&self.facility, &control_id, n, patient, &mut random),
            Kind::Report => oru::write(&self.facility, &control_id, n, patient, &mut random),
        };
        Generated { control_id, patient: names::patient_id(patient), bytes: Bytes::from(text.into_bytes()) }
    }
}

/// `20261122` and so on: message n of a day that has one a second.
fn time(n: u64) -> String {
    let (day, second) = (1 + n / 86_400 % 28, n % 86_400);
    format!("202611{day:02}{:02}{:02}{:02}", second / 3600, second / 60 % 60, second % 60)
}
