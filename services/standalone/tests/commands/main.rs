//! Commands on an engine that runs: the built binary with real listeners and receivers, spoken to over its socket.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod agreeing;
mod asking;
mod behaving;
mod deciding;
mod engine;
mod forgetting;
mod measuring;
mod overflowing;
mod pausing;
mod peers;
mod reading;
mod rebuilding;
mod reloading;
mod removing;
mod replaying;
mod trying;
