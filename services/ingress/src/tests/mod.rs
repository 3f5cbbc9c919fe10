//! Behaviour seen from outside: bytes in, bytes out.

mod acknowledge;
mod codes;
mod drain;
mod framing;
mod http;
mod limits;
mod reload;
mod tls;

mod house;
mod memory;
mod order;
mod wire;
