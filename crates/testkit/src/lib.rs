//! Both ends of the exchange, to try and to test what stands between them.
//!
//! [`sender`] is a client that sends until it is acknowledged and measures how long that takes; [`receiver`] is a system
//! that takes messages and misbehaves when asked to; [`generate`] makes messages; [`history`] judges what both ends saw;
//! [`process`] starts and kills the real program, [`servers`] those of others, [`mesh`] both together, on machines of a [`network`] and
//! with a [`clock`] of their own where a test wants that. The first three are also what `barid send` and `barid receive` do, so nothing here
//! may panic.

pub mod clock;
pub mod generate;
pub mod history;
pub mod mesh;
pub mod network;
pub mod process;
pub mod receiver;
pub mod sender;
pub mod servers;
