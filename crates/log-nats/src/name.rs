//! Where things are in JetStream: streams, subjects, and the bucket of keys.
//!
//! Every R3 stream is a Raft group with a disk queue of its own, so there are few: one a family of subjects, one for large payloads, one for keys. The family
//! is a token of the NATS subject, so that a stream takes all subjects of its family, those of tomorrow too, and a service's user can be limited to it.

use barid_log::{Key, Subject};

/// Longest name of an installation: it is part of each stream's name.
const MAX_NAME: usize = 32;

/// A family of subjects: what shares a stream, and its limit in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// `in`, `refused`: what senders gave.
    In,
    /// `out`, `routed`: what routers made of it.
    Out,
    /// `park`: what waits for long.
    Park,
    /// `outcome` and all others: small records that end custody.
    Outcome,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::In, Self::Out, Self::Park, Self::Outcome];

    /// The family of a subject or of the beginning of one, by its first token.
    pub(crate) fn of(subject: &str) -> Self {
        match subject.split('.').next() {
            Some("in" | "refused") => Self::In,
            Some("out" | "routed") => Self::Out,
            Some("park") => Self::Park,
            _ => Self::Outcome,
        }
    }

    /// Its token in names.
    pub(crate) fn token(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Park => "park",
            Self::Outcome => "outcome",
        }
    }

    pub(crate) fn index(self) -> usize {
        match self {
            Self::In => 0,
            Self::Out => 1,
            Self::Park => 2,
            Self::Outcome => 3,
        }
    }
}

/// All names of one installation.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    installation: String,
}

impl Names {
    /// Names for an installation; none if the name cannot be part of a stream's.
    pub(crate) fn new(installation: &str) -> Option<Self> {
        let right = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let fits = (1..=MAX_NAME).contains(&installation.len()) && installation.bytes().all(right);
        fits.then(|| Self { installation: installation.to_owned() })
    }

    /// The stream of a family.
    pub(crate) fn stream(&self, family: Family) -> String {
        format!("barid-{}-{}", self.installation, family.token())
    }

    /// Everything a family's stream takes.
    pub(crate) fn stream_subjects(&self, family: Family) -> String {
        format!("barid.{}.{}.>", self.installation, family.token())
    }

    /// The stream of large payloads.
    pub(crate) fn objects(&self) -> String {
        format!("barid-{}-objects", self.installation)
    }

    /// Everything the stream of large payloads takes.
    pub(crate) fn objects_subjects(&self) -> String {
        format!("barid.{}.objects.>", self.installation)
    }

    /// The stream behind the bucket of keys, named as NATS tools expect it.
    pub(crate) fn keys(&self) -> String {
        format!("KV_barid-{}", self.installation)
    }

    /// Everything the bucket takes.
    pub(crate) fn keys_subjects(&self) -> String {
        format!("{}>", self.keys_prefix())
    }

    /// What all keys begin with.
    pub(crate) fn keys_prefix(&self) -> String {
        format!("$KV.barid-{}.", self.installation)
    }

    /// The NATS subject of a subject of the log.
    pub(crate) fn address(&self, subject: &Subject) -> String {
        format!("{}{subject}", self.address_prefix(Family::of(subject.as_str())))
    }

    /// What the NATS subjects of a family begin with.
    pub(crate) fn address_prefix(&self, family: Family) -> String {
        format!("barid.{}.{}.", self.installation, family.token())
    }

    /// Where a chunk of a large payload is.
    pub(crate) fn chunk(&self, subject: &Subject, id: &str, chunk: usize) -> String {
        format!("barid.{}.objects.{subject}.{id}-{chunk}", self.installation)
    }

    /// What the chunks of a family's large payloads begin with: one a first token of its subjects.
    pub(crate) fn objects_prefix(&self, family: Family) -> Vec<String> {
        let tokens: &[&str] = match family {
            Family::In => &["in.", "refused."],
            Family::Out => &["out.", "routed."],
            Family::Park => &["park."],
            Family::Outcome => &["outcome.", "command."],
        };
        tokens.iter().map(|token| format!("barid.{}.objects.{token}", self.installation)).collect()
    }

    /// Chunks of the large payloads of subjects that begin so.
    pub(crate) fn objects_under(&self, first: &str) -> String {
        format!("barid.{}.objects.{first}.>", self.installation)
    }

    /// The subject of the log that a chunk belongs to, and its payload's id.
    pub(crate) fn of_chunk(&self, address: &str) -> Option<(Subject, String)> {
        let objects = self.objects_subjects();
        let (subject, chunk) = address.strip_prefix(objects.trim_end_matches('>'))?.rsplit_once('.')?;
        let id = chunk.split_once('-').map_or(chunk, |(id, _)| id);
        Some((Subject::new(subject).ok()?, id.to_owned()))
    }

    /// All large payloads of a subject.
    pub(crate) fn objects_of(&self, subject: &Subject) -> String {
        format!("barid.{}.objects.{subject}.*", self.installation)
    }

    /// Where a key is.
    pub(crate) fn key(&self, key: &Key) -> String {
        format!("{}{key}", self.keys_prefix())
    }

    /// Where the identity is: a name that no checked key has.
    pub(crate) fn identity(&self) -> String {
        format!("{}!identity", self.keys_prefix())
    }
}
