//! Where a span stands: trace, span, and whether the trace is kept; and its text form (W3C trace context, level 2).

use std::cell::Cell;
use std::fmt::Write as _;
use std::hash::BuildHasher as _;

/// The only length of a `traceparent` of version 00.
const HEADER_BYTES: usize = 55;
/// The flag of a trace that is kept.
const SAMPLED: u8 = 1;

/// A trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// A span within its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

impl TraceId {
    /// From its bytes; none for zeros, which are no id.
    #[must_use]
    pub fn new(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The bits that are random in every version of an id, message identities included: the last seven bytes.
    pub(crate) fn random_bits(self) -> u64 {
        self.0.iter().skip(9).fold(0, |bits, byte| bits << 8 | u64::from(*byte))
    }
}

impl std::fmt::Display for TraceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        hex(f, &self.0)
    }
}

impl SpanId {
    /// A new one, at random.
    #[must_use]
    pub fn random() -> Self {
        thread_local! {
            /// The state of a small generator: ids must differ, they need not be secret.
            static STATE: Cell<u64> = Cell::new(std::hash::RandomState::new().hash_one(0_u8));
        }
        STATE.with(|state| {
            let next = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
            state.set(next);
            let mixed = (next ^ next >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            Self((mixed ^ mixed >> 31).max(1).to_be_bytes())
        })
    }

    /// From its bytes; none for zeros, which are no id.
    #[must_use]
    pub fn new(bytes: [u8; 8]) -> Option<Self> {
        (bytes != [0; 8]).then_some(Self(bytes))
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl std::fmt::Display for SpanId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        hex(f, &self.0)
    }
}

/// What a span hands on to those that follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Context {
    /// The trace.
    pub trace: TraceId,
    /// The span.
    pub span: SpanId,
    /// Whether the trace is kept.
    pub sampled: bool,
}

impl Context {
    /// Reads a `traceparent`; none where it is none.
    #[must_use]
    pub fn read(header: &str) -> Option<Self> {
        let version = header.get(..2)?;
        // A later version may say more after what is known.
        let known = version != "ff" && (header.len() == HEADER_BYTES || version != "00" && header.len() > HEADER_BYTES);
        let dashes = [2, 35, 52].iter().all(|at| header.as_bytes().get(*at) == Some(&b'-'));
        if !known || !dashes {
            return None;
        }
        let (mut trace, mut span, mut flags) = ([0; 16], [0; 8], [0; 1]);
        unhex(header.get(3..35)?, &mut trace)?;
        unhex(header.get(36..52)?, &mut span)?;
        unhex(header.get(53..55)?, &mut flags)?;
        let [flags] = flags;
        Some(Self { trace: TraceId::new(trace)?, span: SpanId::new(span)?, sampled: flags & SAMPLED != 0 })
    }

    /// As `traceparent`.
    #[must_use]
    pub fn header(&self) -> String {
        let mut text = String::with_capacity(HEADER_BYTES);
        // Writing to a string cannot fail.
        write!(text, "00-{}-{}-{:02x}", self.trace, self.span, u8::from(self.sampled)).unwrap_or_default();
        text
    }
}

fn hex(f: &mut std::fmt::Formatter<'_>, bytes: &[u8]) -> std::fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Reads lower-case hexadecimal, the only one that is allowed.
fn unhex(text: &str, bytes: &mut [u8]) -> Option<()> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(())
}
