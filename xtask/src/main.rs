//! The tasks of people and CI.
fn main() {}
