//! Expressions over HL7 messages: read, checked against a closed set of names, and run within a bound.
//!
//! The language is CEL (the Common Expression Language), as Kubernetes uses it. An expression is read into a syntax
//! tree ([`Program::compile`]), every name, type and HL7 path in it is checked, and what is left is a small tree of
//! nodes that is evaluated against [`Facts`]. A program that compiles cannot fail on a misspelt name at run time; what
//! can still fail (a text that is no number, the bound on steps) is an [`EvalError`] without data.
//!
//! Why not the interpreter of crate `cel`: it has no bound on steps, builds a map of all it may be asked for, and its
//! generated parser overflows a 2 MiB stack at twenty nested brackets, which ends the process. It is the oracle of our
//! tests instead: the same text has to give the same result in both. What differs, on purpose:
//! * `null` is HL7's delete indicator, the text `""`, so that `msg['PID-19'] == null` asks for it and a mapping sets it;
//! * texts that are not there are empty, never an error: fields, and labels that a facility does not have;
//! * the arguments that are paths, patterns and time zones are literals, so that they can be checked once;
//! * no unsigned numbers and no bytes: nothing in a message has those types.
//!
//! No clock, no randomness, no I/O. What a message means is `hl7`'s, what a facility is `config`'s.

mod address;
mod budget;
mod check;
pub mod date;
mod error;
mod facts;
mod function;
mod kind;
mod lex;
mod message_facts;
mod node;
mod parse;
mod program;
mod run;
mod scope;
mod suggest;
mod syntax;
mod value;
mod variable;

#[cfg(test)]
mod tests;

pub use address::{Address, Item, ItemKind};
pub use budget::Budget;
pub use error::{EvalError, ExprError, Failure};
pub use facts::{Facts, Fields, NoMessage};
pub use function::{FUNCTIONS, FunctionEntry};
pub use kind::Type;
pub use message_facts::{AnswerFacts, DeliveryFacts, FacilityFacts, MessageFacts};
pub use program::{Program, SOURCE_BYTES_MAX};
pub use scope::{Constants, Place, Scope};
pub use suggest::did_you_mean;
pub use value::Value;
pub use variable::{VARIABLES, Variable, VariableEntry};
