//! The log over NATS JetStream: the mesh's implementation of [`barid_log::Log`].
//!
//! * `name` and `assets` say which streams there are; `block` is what one JetStream message holds, `object` what is too large for it.
//! * `line` is a subject as this process sees it; `shared` gives appends their place, `pump` sends them and settles what is in doubt, `end` proves where a subject ends.
//! * `read` reads, with `marks`, `cache` and, from far behind, `ahead`; `tail` hears what others append, `heard` keeps it for who reads it; `keys` is keyed state, `trim` and `orphans` give room back, `survey` sees how much is left.
//! * `lease` says who owns what; it needs only the trait.
//! * `users` says which user of the servers may do what.
//! * `proof` asks the servers whether they sync before they acknowledge.
//!
//! All that is decided is decided by the leader of a stream; all that this process remembers may be wrong and is corrected by the first refusal.

mod ahead;
mod assets;
mod block;
mod cache;
mod end;
mod heard;
mod identity;
mod keys;
mod lease;
mod line;
mod link;
mod log;
mod marks;
mod name;
mod object;
mod options;
mod orphans;
mod proof;
mod pump;
mod read;
mod shared;
mod survey;
mod tail;
mod trim;
mod users;
mod watchers;

pub use self::lease::{Claim, Claiming, Contact, Member, Terms, forget_claims, owner, preferred, present};
pub use self::log::{NatsLog, Status};
pub use self::name::Family;
pub use self::options::{Connect, OpenError, Options, Sizes};
pub use self::proof::{Proof, Server};
pub use self::survey::{StorageStatus, StreamStatus};
pub use self::users::{Rights, Role, accounts, inbox};
