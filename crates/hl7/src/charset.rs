//! Character sets of MSH-18 (table 0211): names, decoding, encoding.
//!
//! 8859/1 and 8859/9 are the ISO sets, not the Windows ones that browsers read under those names. Nothing is replaced
//! silently: bytes that have no meaning in a set are reported by [`Charset::check`], characters that a set lacks by
//! [`Charset::encode`]. UTF-16 and UTF-32 hold block characters inside characters and cannot travel over MLLP.

mod table;

use std::borrow::Cow;

/// A character set that messages can be read and written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Charset {
    /// 7 bits; what an empty MSH-18 means.
    Ascii,
    /// `UNICODE UTF-8`.
    Utf8,
    /// 8859/1, Western European, with its C1 control characters.
    Iso8859_1,
    /// 8859/2, Central European.
    Iso8859_2,
    /// 8859/3, South European.
    Iso8859_3,
    /// 8859/4, North European.
    Iso8859_4,
    /// 8859/5, Cyrillic.
    Iso8859_5,
    /// 8859/6, Arabic.
    Iso8859_6,
    /// 8859/7, Greek.
    Iso8859_7,
    /// 8859/8, Hebrew.
    Iso8859_8,
    /// 8859/9, Turkish.
    Iso8859_9,
    /// 8859/15, Western European with the euro sign.
    Iso8859_15,
    /// Windows Western European; not in table 0211, but what many senders write.
    Windows1252,
    /// Windows Arabic; not in table 0211, but what many senders write.
    Windows1256,
}

/// A name that is no usable character set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CharsetError {
    /// Two and four byte units contain the bytes that frame and delimit messages.
    #[error("UTF-16 and UTF-32 cannot be framed or split safely; use `UNICODE UTF-8`")]
    Unframable,
    /// In table 0211, but not supported.
    #[error("this character set is not supported; use `UNICODE UTF-8`")]
    Unsupported,
    /// Not in table 0211 and no known synonym.
    #[error("this is no character set of table 0211; use `UNICODE UTF-8` or one of `8859/1` to `8859/9`, `8859/15`")]
    Unknown,
}

/// Letters and digits of the longest name known, and some more.
const LONGEST_NAME: usize = 24;

/// The letters and digits of a name in upper case, as many as a known name can have.
fn plain<'a>(name: &str, buffer: &'a mut [u8; LONGEST_NAME]) -> &'a str {
    let mut length = 0;
    let letters = name.bytes().filter(u8::is_ascii_alphanumeric);
    for (slot, byte) in buffer.iter_mut().zip(letters) {
        *slot = byte.to_ascii_uppercase();
        length += 1;
    }
    buffer.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
}

/// What to do with characters that the target set lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnUnmappable {
    /// Refuse.
    #[default]
    Fail,
    /// Write the character's UTF-8 bytes as `\X..\`.
    Hex,
    /// Write `?`.
    Replace,
}

impl Charset {
    /// Every set, for tables and tests.
    pub const ALL: [Self; 14] = [
        Self::Ascii,
        Self::Utf8,
        Self::Iso8859_1,
        Self::Iso8859_2,
        Self::Iso8859_3,
        Self::Iso8859_4,
        Self::Iso8859_5,
        Self::Iso8859_6,
        Self::Iso8859_7,
        Self::Iso8859_8,
        Self::Iso8859_9,
        Self::Iso8859_15,
        Self::Windows1252,
        Self::Windows1256,
    ];

    /// Reads a name of table 0211 or one of the synonyms seen in messages; case, spaces and punctuation are ignored.
    pub fn from_name(name: &str) -> Result<Self, CharsetError> {
        let mut buffer = [0; LONGEST_NAME];
        let plain = plain(name, &mut buffer);
        match plain {
            "ASCII" | "USASCII" | "ISOIR6" | "ISO646" | "ISO646US" | "ANSIX341968" => Ok(Self::Ascii),
            "UTF8" | "UNICODEUTF8" | "UNICODE" | "ISOIR192" => Ok(Self::Utf8),
            "WINDOWS1252" | "CP1252" | "ANSI" => Ok(Self::Windows1252),
            "WINDOWS1256" | "CP1256" => Ok(Self::Windows1256),
            "UNICODEUTF16" | "UTF16" | "UTF16LE" | "UTF16BE" | "UNICODEUTF32" | "UTF32" | "UCS2" => {
                Err(CharsetError::Unframable)
            }
            "ISOIR14" | "ISOIR87" | "ISOIR159" | "GB180302000" | "GB18030" | "KSX1001" | "BIG5" | "CNS116431992"
            | "JISX0202" | "JAS2020" => Err(CharsetError::Unsupported),
            _ => Self::iso_part(plain).ok_or(CharsetError::Unknown),
        }
    }

    fn iso_part(plain: &str) -> Option<Self> {
        if let Some(registration) = plain.strip_prefix("ISOIR") {
            return Self::by_registration(registration.parse().ok()?);
        }
        let rest = plain.strip_prefix("ISO").or_else(|| plain.strip_prefix("IEC")).unwrap_or(plain);
        let rest = rest.strip_prefix("IEC").unwrap_or(rest);
        match rest {
            "88591" | "LATIN1" => Some(Self::Iso8859_1),
            "88592" | "LATIN2" => Some(Self::Iso8859_2),
            "88593" => Some(Self::Iso8859_3),
            "88594" => Some(Self::Iso8859_4),
            "88595" => Some(Self::Iso8859_5),
            "88596" => Some(Self::Iso8859_6),
            "88597" => Some(Self::Iso8859_7),
            "88598" => Some(Self::Iso8859_8),
            "88599" | "LATIN5" => Some(Self::Iso8859_9),
            "885915" | "LATIN9" => Some(Self::Iso8859_15),
            _ => None,
        }
    }

    /// By number in the ISO 2375 register, as in `ISO_IR 100`.
    fn by_registration(number: u16) -> Option<Self> {
        match number {
            100 => Some(Self::Iso8859_1),
            101 => Some(Self::Iso8859_2),
            109 => Some(Self::Iso8859_3),
            110 => Some(Self::Iso8859_4),
            144 => Some(Self::Iso8859_5),
            127 => Some(Self::Iso8859_6),
            126 => Some(Self::Iso8859_7),
            138 => Some(Self::Iso8859_8),
            148 => Some(Self::Iso8859_9),
            203 => Some(Self::Iso8859_15),
            _ => None,
        }
    }

    /// By the final byte of `ESC 2D F`, which puts a 96 character set into the upper half (`\C2D47\` is Arabic).
    pub(crate) fn by_final_byte(byte: u8) -> Option<Self> {
        match byte {
            b'A' => Some(Self::Iso8859_1),
            b'B' => Some(Self::Iso8859_2),
            b'C' => Some(Self::Iso8859_3),
            b'D' => Some(Self::Iso8859_4),
            b'L' => Some(Self::Iso8859_5),
            b'G' => Some(Self::Iso8859_6),
            b'F' => Some(Self::Iso8859_7),
            b'H' => Some(Self::Iso8859_8),
            b'M' => Some(Self::Iso8859_9),
            b'b' => Some(Self::Iso8859_15),
            _ => None,
        }
    }

    /// What MSH-18 says of a message in this set.
    pub fn hl7_name(self) -> &'static str {
        match self {
            Self::Ascii => "ASCII",
            Self::Utf8 => "UNICODE UTF-8",
            Self::Iso8859_1 => "8859/1",
            Self::Iso8859_2 => "8859/2",
            Self::Iso8859_3 => "8859/3",
            Self::Iso8859_4 => "8859/4",
            Self::Iso8859_5 => "8859/5",
            Self::Iso8859_6 => "8859/6",
            Self::Iso8859_7 => "8859/7",
            Self::Iso8859_8 => "8859/8",
            Self::Iso8859_9 => "8859/9",
            Self::Iso8859_15 => "8859/15",
            Self::Windows1252 => "windows-1252",
            Self::Windows1256 => "windows-1256",
        }
    }

    /// Whether every byte has a meaning in this set.
    pub fn check(self, bytes: &[u8]) -> bool {
        match (self, table::of(self)) {
            (Self::Utf8, _) => simdutf8::basic::from_utf8(bytes).is_ok(),
            (_, None) => bytes.is_ascii(),
            (_, Some(upper)) => {
                upper.complete() || bytes.is_ascii() || bytes.iter().all(|&b| b < 0x80 || upper.char(b).is_some())
            }
        }
    }

    /// As text. Bytes without a meaning become U+FFFD, so check first where that matters.
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        if bytes.is_ascii() || self == Self::Utf8 {
            return String::from_utf8_lossy(bytes);
        }
        let upper = table::of(self);
        Cow::Owned(bytes.iter().map(|&b| decode_byte(upper, b)).collect())
    }

    /// Appends one character; false if the set lacks it (and then nothing is written).
    pub fn encode_char(self, c: char, out: &mut Vec<u8>) -> bool {
        if c.is_ascii() {
            out.push(c as u8);
            return true;
        }
        match (self, table::of(self)) {
            (Self::Utf8, _) => {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                true
            }
            (_, Some(upper)) => match upper.byte(c) {
                Some(byte) => {
                    out.push(byte);
                    true
                }
                None => false,
            },
            (_, None) => false,
        }
    }

    /// As bytes; none if the set lacks a character.
    pub fn encode(self, text: &str) -> Option<Cow<'_, [u8]>> {
        if text.is_ascii() || self == Self::Utf8 {
            return Some(Cow::Borrowed(text.as_bytes()));
        }
        let mut out = Vec::with_capacity(text.len());
        text.chars().all(|c| self.encode_char(c, &mut out)).then_some(Cow::Owned(out))
    }
}

fn decode_byte(upper: Option<&table::Upper>, byte: u8) -> char {
    if byte < 0x80 {
        return char::from(byte);
    }
    upper.and_then(|upper| upper.char(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests;
