//! What a plain scalar means, and where that depends on who reads it.
//!
//! YAML 1.1 and 1.2 disagree about `01`, `NO`, `1:30` and more, and readers of both are in use. Barid changes nothing:
//! where text is meant, anything that some reader takes for something else has to stand in quotes.

/// What a plain scalar means to all readers, or that they disagree.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar<'a> {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number in plain decimal.
    Int(i128),
    /// A number with a fraction or exponent.
    Float(f64),
    /// Some readers take it for this, others for text or for another value.
    Ambiguous(&'static str),
    /// Text.
    Text(&'a str),
}

/// What a plain scalar means.
pub(crate) fn plain(text: &str) -> Scalar<'_> {
    match text {
        "" | "~" | "null" => return Scalar::Null,
        "true" => return Scalar::Bool(true),
        "false" => return Scalar::Bool(false),
        "Null" | "NULL" => return Scalar::Ambiguous("nothing"),
        "=" | "<<" => return Scalar::Ambiguous("a special key"),
        _ => {}
    }
    if is_word_bool(text) {
        return Scalar::Ambiguous("true or false");
    }
    if let Some(number) = decimal(text) {
        return number;
    }
    if is_odd_number(text) {
        return Scalar::Ambiguous("a number");
    }
    if is_base_sixty(text) {
        return Scalar::Ambiguous("a number to the base of sixty");
    }
    if is_date(text) {
        return Scalar::Ambiguous("a date");
    }
    Scalar::Text(text)
}

/// YAML 1.1's many words for true and false, but for `true` and `false`.
fn is_word_bool(text: &str) -> bool {
    const WORDS: [&str; 6] = ["y", "yes", "on", "n", "no", "off"];
    // `no`, `No` and `NO`, but not `nO`.
    let rest = text.get(1..).unwrap_or_default();
    let is_cased = text.bytes().all(|b| b.is_ascii_uppercase()) || rest.bytes().all(|b| b.is_ascii_lowercase());
    (is_cased && WORDS.iter().any(|word| word.eq_ignore_ascii_case(text)))
        || ["True", "TRUE", "False", "FALSE"].contains(&text)
}

/// A number that every reader reads alike: `0`, `-12`, `3.5`, `1.0e+3`.
fn decimal(text: &str) -> Option<Scalar<'_>> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let whole = digits.bytes().take_while(u8::is_ascii_digit).count();
    if whole == 0 || (whole > 1 && digits.starts_with('0')) {
        return None;
    }
    let (_, rest) = digits.split_at_checked(whole)?;
    if rest.is_empty() {
        return text.parse().ok().map(Scalar::Int);
    }
    let fraction = rest.strip_prefix('.')?;
    let count = fraction.bytes().take_while(u8::is_ascii_digit).count();
    let (_, exponent) = fraction.split_at_checked(count)?;
    let signed = exponent.strip_prefix(['e', 'E']).and_then(|after| after.strip_prefix(['+', '-']));
    let plain_exponent =
        exponent.is_empty() || signed.is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()));
    (count > 0 && plain_exponent).then(|| text.parse().ok().map(Scalar::Float))?
}

/// What some reader takes for a number: `01`, `0o7`, `0x1F`, `1_000`, `+1`, `.5`, `5.`, `1e3`, `.inf`.
fn is_odd_number(text: &str) -> bool {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let lower = body.to_ascii_lowercase();
    if [".inf", ".nan"].contains(&lower.as_str()) {
        return true;
    }
    let radix = |prefix: &str, ok: fn(u8) -> bool| {
        lower
            .strip_prefix(prefix)
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| ok(b) || b == b'_'))
    };
    if radix("0x", |b| b.is_ascii_hexdigit()) || radix("0o", |b| b.is_ascii_digit()) || radix("0b", |b| b < b'2') {
        return true;
    }
    let mut parts = lower.splitn(2, 'e');
    let (mantissa, exponent) = (parts.next().unwrap_or(""), parts.next());
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let dots = mantissa.bytes().filter(|b| *b == b'.').count();
    let numeric = digits > 0 && dots <= 1 && mantissa.bytes().all(|b| b.is_ascii_digit() || b == b'_' || b == b'.');
    let starts = mantissa.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let exponent = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['-', '+']).unwrap_or(e);
        !e.is_empty() && e.bytes().all(|b| b.is_ascii_digit())
    });
    numeric && starts && exponent
}

/// `1:30`, `12:30:45`, `1:30.5`: digits to the base of sixty for YAML 1.1.
fn is_base_sixty(text: &str) -> bool {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let body = match body.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|b| b.is_ascii_digit() || b == b'_') => whole,
        Some(_) => return false,
        None => body,
    };
    let mut parts = body.split(':');
    let first =
        parts.next().is_some_and(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit() || b == b'_'));
    let mut count = 0;
    let rest = parts.all(|part| {
        count += 1;
        (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
    });
    first && rest && count > 0
}

/// `2026-11-22`, with or without a time: a date for YAML 1.1.
fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let (Some(year), Some(month), Some(rest)) = (parts.next(), parts.next(), parts.next()) else { return false };
    let digits = |part: &str, from: usize, to: usize| {
        (from..=to).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
    };
    let day = rest.bytes().take_while(u8::is_ascii_digit).count();
    let after = rest.as_bytes().get(day);
    digits(year, 4, 4)
        && digits(month, 1, 2)
        && (1..=2).contains(&day)
        && matches!(after, None | Some(b'T' | b't' | b' ' | b'\t'))
}
