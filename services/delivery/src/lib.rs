//! Delivery: the last hop, from the log's OUT to a system that receives.
//!
//! [`connect`] speaks the receivers' languages: one message in, one answer or one failure out, with no memory of what
//! was sent before. Order, windows, parking and the record of outcomes are not its business.

pub mod connect;
