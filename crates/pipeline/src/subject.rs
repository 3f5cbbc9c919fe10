//! The names of the log's subjects and keys: one place, so that who writes and who reads cannot differ.
//!
//! A destination's and a facility's names are DNS labels (checked when the documents are compiled), so they can stand
//! in a subject. Nothing of a patient ever does (G7).

use barid_log::{Key, LogError, Subject};
use barid_model::record::Intake;
use barid_model::{Digest, MessageUid, Name, Partition, Revision};

/// IN of a partition: `in.03`, and `in.03.chained` for what the router wrote itself.
///
/// # Errors
/// None in practice: the name is made of digits.
pub fn intake(partition: Partition, intake: Intake) -> Result<Subject, LogError> {
    match intake {
        Intake::Received => Subject::new(format!("in.{partition}")),
        Intake::Chained => Subject::new(format!("in.{partition}.chained")),
    }
}

/// ROUTED of a partition: one record a message.
///
/// # Errors
/// None in practice.
pub fn routed(partition: Partition) -> Result<Subject, LogError> {
    Subject::new(format!("routed.{partition}"))
}

/// OUT of a destination and a partition.
///
/// # Errors
/// [`LogError::BadName`] where the destination's name is no DNS label.
pub fn out(destination: &Name, partition: Partition) -> Result<Subject, LogError> {
    Subject::new(format!("out.{}.{partition}", destination.subject_part()))
}

/// PARK of a destination: what waits, by lane.
///
/// # Errors
/// As [`out`].
pub fn park(destination: &Name) -> Result<Subject, LogError> {
    Subject::new(format!("park.{}", destination.subject_part()))
}

/// OUTCOME of a destination: one record a delivery.
///
/// # Errors
/// As [`out`].
pub fn outcome(destination: &Name) -> Result<Subject, LogError> {
    Subject::new(format!("outcome.{}", destination.subject_part()))
}

/// What was not accepted, kept apart up to a bound.
///
/// # Errors
/// None in practice.
pub fn refused() -> Result<Subject, LogError> {
    Subject::new("refused")
}

/// What people told the engine to do.
///
/// # Errors
/// None in practice.
pub fn command() -> Result<Subject, LogError> {
    Subject::new("command")
}

/// The router's commit of a partition.
///
/// # Errors
/// None in practice.
pub fn router_commit(partition: Partition) -> Result<Key, LogError> {
    Key::new(format!("commit.router.{partition}"))
}

/// The owner's commit of a destination.
///
/// # Errors
/// As [`out`].
pub fn delivery_commit(destination: &Name) -> Result<Key, LogError> {
    Key::new(format!("commit.delivery.{}", destination.subject_part()))
}

/// The duplicate memory's checkpoint of a partition.
///
/// # Errors
/// None in practice.
pub fn duplicates(partition: Partition) -> Result<Key, LogError> {
    Key::new(format!("duplicates.{partition}"))
}

/// A revision's closure, by its hash.
///
/// # Errors
/// None in practice.
pub fn revision(revision: Revision) -> Result<Key, LogError> {
    Key::new(format!("revision.{revision}"))
}

/// How a destination was declared last.
///
/// # Errors
/// As [`out`].
pub fn destination(name: &Name) -> Result<Key, LogError> {
    Key::new(format!("destination.{}", name.subject_part()))
}

/// The answer a waiting sender looks for.
///
/// # Errors
/// None in practice.
pub fn answer(key: Digest) -> Result<Key, LogError> {
    Key::new(format!("answer.{key}"))
}

/// What a person set on a channel or destination: paused, by whom, why. `kind` is `channel` or `destination`.
///
/// # Errors
/// As [`out`].
pub fn state(kind: &str, name: &Name) -> Result<Key, LogError> {
    Key::new(format!("state.{kind}.{}", name.subject_part()))
}

/// Keys of what was decided begin so.
pub const DECIDED: &str = "decided.";

/// That somebody has begun to decide on a message that was set aside before routing, and as what it is run again.
///
/// # Errors
/// None in practice.
pub fn decided(message: MessageUid) -> Result<Key, LogError> {
    Key::new(format!("{DECIDED}{message}"))
}

/// Keys of destinations that have too much waiting begin so.
pub const FULL: &str = "full.";

/// There while a destination has too much waiting: its owner says so, listeners refuse what leads there.
///
/// # Errors
/// As [`out`].
pub fn full(destination: &Name) -> Result<Key, LogError> {
    Key::new(format!("{FULL}{}", destination.subject_part()))
}
