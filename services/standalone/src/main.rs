//! The binary `barid`.
fn main() {}
