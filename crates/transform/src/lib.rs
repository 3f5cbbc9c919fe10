//! Mappings and the apply stage: what a channel and its routes change in a message.

pub mod document;
