//! The words that nearly all messages share (`ADT`, `A01`, `ADT_A01`, `2.5.1`), so that an envelope shares them too
//! instead of allocating its own.

use std::collections::HashSet;
use std::sync::Arc;

/// Message codes with the highest event number in use.
const CODES: [(&str, &str, u32); 14] = [
    ("ADT", "A", 62),
    ("ORU", "R", 32),
    ("ORM", "O", 1),
    ("OMG", "O", 19),
    ("OML", "O", 40),
    ("ORL", "O", 44),
    ("ORR", "O", 2),
    ("MDM", "T", 11),
    ("SIU", "S", 28),
    ("DFT", "P", 11),
    ("BAR", "P", 12),
    ("VXU", "V", 4),
    ("RDE", "O", 25),
    ("MFN", "M", 16),
];
const OTHERS: [&str; 24] = [
    "ACK", "MCF", "QBP", "QRY", "RSP", "QCN", "QSB", "VXQ", "ADR", "RAS", "RDS", "RGV", "PPR", "OUL", "Q11", "Q21",
    "Q22", "Q23", "K11", "K21", "K22", "K23", "R22", "W01",
];
const VERSIONS: [&str; 13] =
    ["2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1", "2.8.2"];

/// Known words, shared.
pub(crate) struct Words {
    known: HashSet<Arc<str>>,
    empty: Arc<str>,
}

impl Words {
    pub(crate) fn new() -> Self {
        let mut known: HashSet<Arc<str>> = HashSet::new();
        for (code, letter, last) in CODES {
            known.insert(code.into());
            for number in 1..=last {
                known.insert(format!("{letter}{number:02}").into());
                known.insert(format!("{code}_{letter}{number:02}").into());
            }
        }
        known.extend(OTHERS.into_iter().chain(VERSIONS).map(Arc::from));
        Self { known, empty: "".into() }
    }

    /// The word, shared where it is known.
    pub(crate) fn get(&self, word: &str) -> Arc<str> {
        if word.is_empty() {
            return Arc::clone(&self.empty);
        }
        match self.known.get(word) {
            Some(shared) => Arc::clone(shared),
            None => word.into(),
        }
    }

    /// Whether it is a known word.
    pub(crate) fn knows(&self, word: &str) -> bool {
        self.known.contains(word)
    }
}
