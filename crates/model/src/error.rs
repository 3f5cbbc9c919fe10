//! The closed set of error classes: what a caller may do about a failure.
//!
//! Each component has its own error enum; this is the one question all of them answer. It is mapped once to HL7
//! acknowledgement codes and HTTP statuses at the listeners, and to gRPC codes in the mesh.

/// What a caller may do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// Nothing is wrong with the request: the same one may succeed later (HL7 207, HTTP 503).
    Retryable,
    /// The request itself is wrong: the same one will fail again (HL7 AE/AR with its code, HTTP 4xx).
    Rejected,
    /// The component cannot go on: the process has to stop or a person has to act (HL7 207, HTTP 500).
    Fatal,
}
