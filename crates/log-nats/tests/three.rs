//! The log keeps the contract on three servers, with three copies of everything.

mod support;

mod contract {
    use super::support::Servers;
    barid_log::log_contract!(Servers::new(3));
}
