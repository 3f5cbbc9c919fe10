//! The log over NATS JetStream: the mesh's implementation of [`barid_log::Log`].
#![allow(dead_code, reason = "grows")]
mod block;
mod link;
mod name;
mod object;
mod options;
