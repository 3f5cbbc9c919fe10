//! Expressions (CEL) over HL7 messages: read, checked against a closed set of names, and run within a bound.

pub mod date;
