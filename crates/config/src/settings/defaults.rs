//! What holds where nothing is written. The descriptions of the documents' fields name these values; a test compares.

use std::time::Duration;

/// Bytes of one message: a scanned document in base64 fits.
pub const MESSAGE_BYTES: u64 = 16 * 1024 * 1024;
/// Connections of a listener: three times the facilities of a small country.
pub const CONNECTIONS: u32 = 1_024;
/// A connection that sends nothing for so long is closed; many senders are quiet for minutes, none for longer without reconnecting.
pub const IDLE: Duration = Duration::from_secs(600);
/// How long one frame may take: 16 MiB over 2 Mbit/s.
pub const FRAME: Duration = Duration::from_secs(60);
/// Bytes kept of a refused message: enough to see what it was.
pub const REFUSED_BYTES: u64 = 64 * 1024;
/// Unanswered frames of a connection.
pub const PIPELINE: u16 = 64;
/// How long a destination may take to answer.
pub const TIMEOUT: Duration = Duration::from_secs(30);
/// First pause before a destination is tried again.
pub const RETRY_INITIAL: Duration = Duration::from_secs(1);
/// Longest pause: a destination that came back waits no longer.
pub const RETRY_MAX: Duration = Duration::from_secs(300);
/// How often in a row a message may get no answer while others are answered: one lost answer in ten thousand would make
/// this happen by chance once in 10^20 messages.
pub const RETRY_UNANSWERED: u32 = 5;
/// Messages that may wait for a destination: a week of a large hospital.
pub const BACKLOG_MESSAGES: u64 = 1_000_000;
/// Connections to an HTTP destination.
pub const HTTP_CONNECTIONS: u16 = 4;
/// How long message bytes are kept.
pub const PAYLOAD_RETENTION: Duration = Duration::from_secs(30 * 86_400);
/// How long everything else is kept.
pub const METADATA_RETENTION: Duration = Duration::from_secs(2 * 365 * 86_400);
/// How long a resend is recognised.
pub const DUPLICATE_WINDOW: Duration = Duration::from_secs(86_400);
/// How long a sender waits for a destination's answer.
pub const ACK_TIMEOUT: Duration = Duration::from_secs(30);
/// Where patient identifiers are.
pub const PATIENT_PATH: &str = "PID-3";
/// Charset of bytes that say nothing and are not UTF-8.
pub const FALLBACK_CHARSET: &str = "windows-1252";
/// Time zone of a facility.
pub const TIME_ZONE: &str = "UTC";
/// The name of a file: sorts by time, cannot clash.
pub const FILE_NAME: &str = "message.uid + '-' + delivery.route + '-' + string(delivery.part) + '.hl7'";
/// Header that carries a delivery's id.
pub const IDEMPOTENCY_HEADER: &str = "Idempotency-Key";
/// Who may read a file destination's files: messages are patient data, so its owner alone.
pub const FILE_MODE: u32 = 0o600;
