//! Finding the bytes that matter at the field level: the field separator and line ends, in one pass.
//!
//! Blocks of 64 bytes without any are skipped with a test that the compiler turns into vector instructions, so a
//! base64 document costs next to nothing; in the others eight bytes at a time are compared in one register.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;
/// CR and LF are two of the eight bytes that these bits have in common; the others are rare, and looked at twice.
const LINE_END_MASK: u64 = 0xF8F8_F8F8_F8F8_F8F8;
const LINE_END: u8 = 0x08;
const BLOCK: usize = 64;

/// Calls `hit` with the offset of each field separator, CR and LF, in order, until it returns an error.
pub(crate) fn scan<E>(bytes: &[u8], field: u8, mut hit: impl FnMut(usize, u8) -> Result<(), E>) -> Result<(), E> {
    let (blocks, tail) = bytes.as_chunks::<BLOCK>();
    for (i, block) in blocks.iter().enumerate() {
        let any = block.iter().fold(false, |any, &b| any | (b == field) | (b == b'\r') | (b == b'\n'));
        if any {
            words(block, i * BLOCK, field, &mut hit)?;
        }
    }
    let start = blocks.len() * BLOCK;
    for (i, &byte) in tail.iter().enumerate() {
        if matters(byte, field) {
            hit(start + i, byte)?;
        }
    }
    Ok(())
}

#[inline(always)]
fn matters(byte: u8, field: u8) -> bool {
    byte == field || byte == b'\r' || byte == b'\n'
}

#[inline(always)]
fn words<E>(
    block: &[u8; BLOCK],
    start: usize,
    field: u8,
    hit: &mut impl FnMut(usize, u8) -> Result<(), E>,
) -> Result<(), E> {
    let (words, _) = block.as_chunks::<8>();
    for (i, bytes) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*bytes);
        let mut found = candidates(word, field);
        while found != 0 {
            let at = (found.trailing_zeros() / 8) as usize;
            let byte = (word >> (at * 8)) as u8;
            if matters(byte, field) {
                hit(start + i * 8 + at, byte)?;
            }
            found &= found - 1;
        }
    }
    Ok(())
}

/// The high bit of each byte that may matter; none that does is missing.
#[inline(always)]
fn candidates(word: u64, field: u8) -> u64 {
    let separators = zeros(word ^ (LOW * u64::from(field)));
    let line_ends = zeros((word & LINE_END_MASK) ^ (LOW * u64::from(LINE_END)));
    (separators | line_ends) & HIGH
}

/// The high bit of each byte that is zero, and perhaps of some above one.
#[inline(always)]
fn zeros(x: u64) -> u64 {
    x.wrapping_sub(LOW) & !x
}

#[cfg(test)]
mod tests;
