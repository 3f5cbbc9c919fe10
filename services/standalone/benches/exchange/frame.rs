//! Messages and answers in the fewest steps, so that what is measured is not the measuring: templates with a place for the control id, answers found by
//! searching for it. Both ends of the benchmark and the bare echo use it.

use barid_testkit::generate::Generator;

/// First room for reading: some frames.
pub(crate) const READ_BYTES: usize = 16 << 10;
/// Bytes of a control id: `B`, the run, the facility's number and the message's.
pub(crate) const ID_BYTES: usize = 20;
/// Different messages of a facility.
const TEMPLATES: u64 = 64;

/// The frames of one facility.
pub(crate) struct Frames {
    facility: usize,
    templates: Vec<(Vec<u8>, usize)>,
}

impl Frames {
    /// Admissions of about 1.3 kB from the facility of this number.
    pub(crate) fn new(facility: usize) -> Self {
        let generator = Generator::new(facility as u64 + 1, &format!("F{facility:02}"));
        let template = |n| {
            let message = generator.message(n);
            let at = memchr::memmem::find(&message.bytes, message.control_id.as_bytes()).expect("MSH-10");
            let (head, tail) = (&message.bytes[..at], &message.bytes[at + message.control_id.len()..]);
            let frame = [b"\x0b", head, &[b'0'; ID_BYTES], tail, b"\x1c\r"].concat();
            (frame, at + 1)
        };
        Self { facility, templates: (0..TEMPLATES).map(template).collect() }
    }

    /// The frame of a message: its number counts over all facilities of a run.
    pub(crate) fn write(&self, run: u32, number: u64, out: &mut Vec<u8>) {
        let (template, at) = &self.templates[usize::try_from(number % TEMPLATES).expect("few")];
        out.clear();
        out.extend_from_slice(template);
        let id = format!("B{run:04}-{:02}-{number:011}", self.facility);
        out[*at..*at + ID_BYTES].copy_from_slice(id.as_bytes());
    }

    /// Bytes of a frame, about.
    pub(crate) fn bytes(&self) -> usize {
        self.templates.iter().map(|(frame, _)| frame.len()).sum::<usize>() / self.templates.len()
    }
}

/// What a control id says.
#[derive(Clone, Copy)]
pub(crate) struct Id {
    pub(crate) run: u32,
    pub(crate) facility: usize,
    pub(crate) number: u64,
}

/// Reads a control id of ours.
pub(crate) fn read_id(id: &[u8]) -> Option<Id> {
    let number = |range| std::str::from_utf8(id.get(range)?).ok()?.parse::<u64>().ok();
    let (run, facility, number) = (number(1..5)?, number(6..8)?, number(9..ID_BYTES)?);
    Some(Id { run: u32::try_from(run).ok()?, facility: usize::try_from(facility).ok()?, number })
}

/// Where the first frame ends.
pub(crate) fn end(bytes: &[u8]) -> Option<usize> {
    let at = memchr::memchr(0x1c, bytes)?;
    (bytes.len() > at + 1).then_some(at + 2)
}

/// MSH-10 of a frame.
pub(crate) fn control_id(frame: &[u8]) -> &[u8] {
    let mut bars = memchr::memchr_iter(b'|', frame).skip(8);
    let (start, end) = (bars.next().map_or(0, |bar| bar + 1), bars.next().unwrap_or(0));
    frame.get(start..end).unwrap_or_default()
}

/// The positive answer to a frame.
pub(crate) fn answer(frame: &[u8]) -> Vec<u8> {
    let head = b"\x0bMSH|^~\\&|BENCH|BENCH|HIS|HIS|20260101000000||ACK|1|P|2.5\rMSA|AA|";
    [head, control_id(frame), b"\r\x1c\r"].concat()
}

/// The control id that a positive answer (AA, CA) names.
pub(crate) fn accepted(answer: &[u8]) -> Option<&[u8]> {
    let after = answer.get(memchr::memmem::find(answer, b"\rMSA|")? + 5..)?;
    (after.starts_with(b"AA|") || after.starts_with(b"CA|")).then(|| after.get(3..3 + ID_BYTES))?
}
