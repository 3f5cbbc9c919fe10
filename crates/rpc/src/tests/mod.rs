//! The contract suite: one table of cases against a stage in this process, over gRPC in this process, and over TCP with and
//! without TLS; then what only a remote stage can suffer.

mod cases;
mod faults;
mod house;
pub(crate) mod tls;
mod waiting;
