//! What `charset` promises, by behaviour.

use super::*;

const ARABIC: &str = "محمد ولد عبد الله";

#[test]
fn c02_names_and_synonyms_are_known() {
    for (name, expected) in [
        ("UNICODE UTF-8", Charset::Utf8),
        ("UTF-8", Charset::Utf8),
        ("utf8", Charset::Utf8),
        ("UNICODE", Charset::Utf8),
        ("ISO_IR 100", Charset::Iso8859_1),
        ("ISO-IR-100", Charset::Iso8859_1),
        ("ISO IR 127", Charset::Iso8859_6),
        ("ISO IR6", Charset::Ascii),
        ("8859/1", Charset::Iso8859_1),
        ("8859-1", Charset::Iso8859_1),
        ("ISO8859-1", Charset::Iso8859_1),
        ("iso-8859-15", Charset::Iso8859_15),
        ("ISO/IEC 8859/9", Charset::Iso8859_9),
        ("windows-1252", Charset::Windows1252),
        ("CP1256", Charset::Windows1256),
        ("ASCII", Charset::Ascii),
    ] {
        assert_eq!(Charset::from_name(name), Ok(expected), "{name}");
    }
    for charset in Charset::ALL {
        assert_eq!(Charset::from_name(charset.hl7_name()), Ok(charset));
    }
}

#[test]
fn m18_sets_that_cannot_be_framed_are_refused_by_name() {
    for name in ["UNICODE UTF-16", "UNICODE UTF-32", "utf-16le", "UCS-2"] {
        assert_eq!(Charset::from_name(name), Err(CharsetError::Unframable), "{name}");
    }
    assert_eq!(Charset::from_name("BIG-5"), Err(CharsetError::Unsupported));
    assert_eq!(Charset::from_name("ISO IR 999"), Err(CharsetError::Unknown));
    assert_eq!(Charset::from_name("8859/10"), Err(CharsetError::Unknown));
}

#[test]
fn c06_8859_1_is_the_iso_set_and_not_the_windows_one() {
    let bytes = [0x85, 0x92, 0xA0];
    assert_eq!(Charset::Iso8859_1.decode(&bytes), "\u{85}\u{92}\u{A0}");
    assert_eq!(Charset::Windows1252.decode(&bytes), "…’\u{A0}");
    assert_eq!(Charset::Iso8859_9.decode(&[0x85, 0xFD, 0xDD]), "\u{85}ıİ");
    assert_eq!(Charset::Iso8859_9.decode(b"\xD0\xDD\xDE\xF0\xFD\xFE\xE9"), "ĞİŞğışé");
    assert_eq!(Charset::Iso8859_1.encode("€"), None);
    assert_eq!(Charset::Iso8859_1.encode("\u{85}").as_deref(), Some(&[0x85][..]));
}

#[test]
fn c09_french_and_arabic_survive_where_the_set_has_them() {
    let both = |charset: Charset, text: &str| charset.encode(text).map(|bytes| charset.decode(&bytes).into_owned());
    for charset in [Charset::Utf8, Charset::Iso8859_1, Charset::Iso8859_15, Charset::Windows1252] {
        assert_eq!(both(charset, "Aïssata Hôpital").as_deref(), Some("Aïssata Hôpital"));
    }
    for charset in [Charset::Utf8, Charset::Iso8859_15, Charset::Windows1252] {
        assert_eq!(both(charset, "œŒ€").as_deref(), Some("œŒ€"));
    }
    assert_eq!(both(Charset::Iso8859_1, "œ"), None);
    for charset in [Charset::Utf8, Charset::Iso8859_6, Charset::Windows1256] {
        assert_eq!(both(charset, ARABIC).as_deref(), Some(ARABIC));
    }
    assert_eq!(both(Charset::Iso8859_15, "Nouadhibou – Hôpital"), None, "the dash is in windows-1252 and UTF-8 only");
    let marks = "\u{200F}١٢٣\u{200E} e\u{301} \u{E9}";
    assert_eq!(both(Charset::Utf8, marks).as_deref(), Some(marks), "marks and both normal forms stay");
}

#[test]
fn every_byte_of_every_single_byte_set_reads_and_writes_back() {
    for charset in Charset::ALL.into_iter().filter(|charset| *charset != Charset::Utf8) {
        for byte in 0..=255u8 {
            if charset.check(&[byte]) {
                let text = charset.decode(&[byte]).into_owned();
                assert_eq!(charset.encode(&text).as_deref(), Some(&[byte][..]), "{charset:?} {byte:#x}");
            } else {
                assert_eq!(charset.decode(&[byte]), "\u{FFFD}");
            }
        }
    }
}
