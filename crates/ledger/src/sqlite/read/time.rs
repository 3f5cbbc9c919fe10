//! Cursors that are a message's uid.

use barid_model::MessageUid;

use crate::Cursor;
use crate::sqlite::fault::Fault;

pub(in crate::sqlite) use crate::span::{Span, floor, just_below, of};

/// The uid in a cursor.
pub(in crate::sqlite) fn read_uid(cursor: &Cursor) -> Result<MessageUid, Fault> {
    MessageUid::read(&cursor.0).ok_or_else(|| bad_cursor(cursor))
}

/// The cursor is of another question.
pub(in crate::sqlite) fn bad_cursor(cursor: &Cursor) -> Fault {
    Fault::invalid(format!("cursor {:?} is not one that this question gave: begin again without it", cursor.0))
}
