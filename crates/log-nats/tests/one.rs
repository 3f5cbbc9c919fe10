//! The log keeps the contract on one server.

mod support;

mod contract {
    use super::support::Servers;
    barid_log::log_contract!(Servers::new(1));
}
