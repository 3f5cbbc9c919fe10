//! The words that travel between a tool and an engine. Field names are camelCase, times RFC 3339 in UTC, lengths of time in
//! milliseconds under names that end in `Ms`, hashes hexadecimal, names `namespace/name`; they are
//! the same in every `--json` output, and stay: fields are added, not renamed.
//!
//! No type here carries contents of a message but [`PayloadRequest`]'s answer and [`ResendRequest`], where a person asks for just that.

mod act;
mod audit;
mod configuration;
mod dry_run;
mod live;
mod message;
mod probe;
mod query;
mod replica;
mod status;

pub use act::{
    By, DeliverySelection, DiscardRequest, Done, HeldHead, LaneText, Missed, PauseMode, PauseRequest, PauseTarget,
    ReleaseRequest, ReloadRequest, Reloaded, ReplayRequest, ReplayRevision, Replayed, ReplayedMessage, RerunRequest,
    ResendRequest, Resent, ResumeRequest, Selection,
};
pub use audit::{Audit, AuditRequest, DeliveryBalance, Difference, MessageBalance};
pub use configuration::{DocumentRef, ExplainRequest, Explanation, ProblemView, Setting, SnapshotView};
pub use dry_run::{DryPieceView, DryRunRequest, DryRunView};
pub use live::{LiveChannel, LiveSender, LiveStatus};
pub use message::{
    DeliveryDetail, DeliverySummary, Event, Failing, MessageDetail, MessageRow, ParkedRow, PayloadKind, PayloadRequest,
    RefusedRow, state,
};
pub use probe::{MetView, ProbeRequest, Probed};
pub use query::{MessageQuery, PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX, Page, ParkedQuery, RefusedQuery};
pub use replica::{ChannelCounts, ReplicaReport, ReplicaStatus};
pub use status::{
    CertificateStatus, ChannelStatus, DestinationState, DestinationStatus, EngineState, ListenerStatus, PauseStatus,
    RouterStatus, SenderStatus, Silence, SnapshotStatus, Status, StorageStatus,
};
