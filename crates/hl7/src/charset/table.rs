//! The upper halves of the single byte sets.
//!
//! `encoding_rs` supplies those where the web's reading is the standard's; 8859/1 and 8859/9 are made here, since the
//! web reads them as windows-1252 and windows-1254.

use std::sync::OnceLock;

use encoding_rs::Encoding;

use super::Charset;

/// The characters of bytes 0x80 to 0xFF, all of the basic plane; 0 where the set has none.
pub(super) struct Upper {
    units: [u16; 128],
    complete: bool,
}

impl Upper {
    fn new(units: [u16; 128]) -> Self {
        Self { units, complete: units.iter().all(|&unit| unit != 0) }
    }

    /// Whether every byte has a character.
    pub(super) fn complete(&self) -> bool {
        self.complete
    }

    pub(super) fn char(&self, byte: u8) -> Option<char> {
        let unit = *self.units.get(usize::from(byte.checked_sub(0x80)?))?;
        if unit == 0 { None } else { char::from_u32(u32::from(unit)) }
    }

    pub(super) fn byte(&self, c: char) -> Option<u8> {
        let unit = u16::try_from(u32::from(c)).ok().filter(|unit| *unit >= 0x80)?;
        let at = self.units.iter().position(|&other| other == unit)?;
        u8::try_from(at + 0x80).ok()
    }
}

/// The upper half of a set; none for ASCII and UTF-8.
pub(super) fn of(charset: Charset) -> Option<&'static Upper> {
    static TABLES: [OnceLock<Upper>; 12] = [const { OnceLock::new() }; 12];
    let (slot, source) = match charset {
        Charset::Ascii | Charset::Utf8 => return None,
        Charset::Iso8859_1 => (0, None),
        Charset::Iso8859_9 => (1, None),
        Charset::Iso8859_2 => (2, Some(encoding_rs::ISO_8859_2)),
        Charset::Iso8859_3 => (3, Some(encoding_rs::ISO_8859_3)),
        Charset::Iso8859_4 => (4, Some(encoding_rs::ISO_8859_4)),
        Charset::Iso8859_5 => (5, Some(encoding_rs::ISO_8859_5)),
        Charset::Iso8859_6 => (6, Some(encoding_rs::ISO_8859_6)),
        Charset::Iso8859_7 => (7, Some(encoding_rs::ISO_8859_7)),
        Charset::Iso8859_8 => (8, Some(encoding_rs::ISO_8859_8)),
        Charset::Iso8859_15 => (9, Some(encoding_rs::ISO_8859_15)),
        Charset::Windows1252 => (10, Some(encoding_rs::WINDOWS_1252)),
        Charset::Windows1256 => (11, Some(encoding_rs::WINDOWS_1256)),
    };
    let cell = TABLES.get(slot)?;
    Some(cell.get_or_init(|| match source {
        Some(encoding) => from_web(encoding),
        None => latin(charset == Charset::Iso8859_9),
    }))
}

fn from_web(encoding: &'static Encoding) -> Upper {
    Upper::new(std::array::from_fn(|i| {
        let byte = [u8::try_from(i + 0x80).unwrap_or(0)];
        let text = encoding.decode_without_bom_handling_and_without_replacement(&byte);
        let c = text.and_then(|text| text.chars().next());
        c.and_then(|c| u16::try_from(u32::from(c)).ok()).unwrap_or(0)
    }))
}

/// 8859/1 is Unicode's own first page; 8859/9 differs in six Turkish letters.
fn latin(turkish: bool) -> Upper {
    Upper::new(std::array::from_fn(|i| {
        let byte = u16::try_from(i + 0x80).unwrap_or(0);
        match byte {
            0xD0 if turkish => 0x011E,
            0xDD if turkish => 0x0130,
            0xDE if turkish => 0x015E,
            0xF0 if turkish => 0x011F,
            0xFD if turkish => 0x0131,
            0xFE if turkish => 0x015F,
            _ => byte,
        }
    }))
}
