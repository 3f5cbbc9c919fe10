//! Versions of the standard, and the nearest known one to what MSH-12 says.

/// A version whose rules are known. The order is that of publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "a version is its name")]
pub enum Version {
    V2_1,
    V2_2,
    V2_3,
    V2_3_1,
    V2_4,
    V2_5,
    V2_5_1,
    V2_6,
    V2_7,
    V2_7_1,
    V2_8,
    V2_8_1,
    V2_8_2,
}

const NAMES: [(Version, &str, [u16; 3]); 13] = [
    (Version::V2_1, "2.1", [2, 1, 0]),
    (Version::V2_2, "2.2", [2, 2, 0]),
    (Version::V2_3, "2.3", [2, 3, 0]),
    (Version::V2_3_1, "2.3.1", [2, 3, 1]),
    (Version::V2_4, "2.4", [2, 4, 0]),
    (Version::V2_5, "2.5", [2, 5, 0]),
    (Version::V2_5_1, "2.5.1", [2, 5, 1]),
    (Version::V2_6, "2.6", [2, 6, 0]),
    (Version::V2_7, "2.7", [2, 7, 0]),
    (Version::V2_7_1, "2.7.1", [2, 7, 1]),
    (Version::V2_8, "2.8", [2, 8, 0]),
    (Version::V2_8_1, "2.8.1", [2, 8, 1]),
    (Version::V2_8_2, "2.8.2", [2, 8, 2]),
];

impl Version {
    /// What is assumed where nothing is said.
    pub const ASSUMED: Self = Self::V2_5_1;

    /// The version a text names; none if it is not a known one.
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, known, _)| *known == name).map(|(version, ..)| *version)
    }

    /// The version a text names, or the nearest before it: `2.5.5` reads as 2.5.1, `2.9` as 2.8.2, anything that is no
    /// version as 2.5.1.
    pub fn nearest(name: &str) -> Self {
        if let Some(version) = Self::from_name(name) {
            return version;
        }
        let mut parts = name.trim().split('.').map(|part| part.parse::<u16>().ok());
        let (Some(Some(major)), Some(Some(minor))) = (parts.next(), parts.next()) else { return Self::ASSUMED };
        let wanted = [major, minor, parts.next().flatten().unwrap_or(0)];
        let before = NAMES.iter().rev().find(|(_, _, numbers)| *numbers <= wanted);
        before.map_or(Self::V2_1, |(version, ..)| *version)
    }

    /// As in MSH-12.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(version, ..)| *version == self).map_or("2.5.1", |(_, name, _)| name)
    }
}
