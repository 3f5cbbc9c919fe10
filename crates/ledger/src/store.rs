//! What every implementation is made of, so that none of it is written twice: how records fold, how values are stored,
//! which rows are an answer, how a story is told. Nothing here is for those who ask a ledger.

pub use crate::choose::{has_delivery, in_order, of_deliveries, set_aside, waiting};
pub use crate::codes::*;
pub use crate::fold::*;
pub use crate::gather::*;
pub use crate::span::*;
pub use crate::statistics::Durations;
pub use crate::story::{Step, delivery_word};
pub use crate::tell::{Cut, Line, STEPS_MAX, tell};
pub mod keys {
    //! The numbers by which a message is found.
    pub use crate::key::*;
}
