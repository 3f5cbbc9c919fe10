//! Finding the bytes that matter at the field level: the field separator and line ends, in one pass.
//!
//! Blocks of 64 bytes without any are skipped with a test that the compiler turns into vector instructions, so a
//! base64 document costs next to nothing; in the others eight bytes at a time are compared in one register.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;
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
        if byte == field || byte == b'\r' || byte == b'\n' {
            hit(start + i, byte)?;
        }
    }
    Ok(())
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
        let mut found = equal(word, field) | equal(word, b'\r') | equal(word, b'\n');
        while found != 0 {
            let at = (found.trailing_zeros() / 8) as usize;
            hit(start + i * 8 + at, (word >> (at * 8)) as u8)?;
            found &= found - 1;
        }
    }
    Ok(())
}

/// The high bit of each byte of `word` that equals `byte`, exactly.
#[inline(always)]
fn equal(word: u64, byte: u8) -> u64 {
    let x = word ^ (LOW * u64::from(byte));
    !(((x & !HIGH) + !HIGH) | x) & HIGH
}

#[cfg(test)]
mod tests;
