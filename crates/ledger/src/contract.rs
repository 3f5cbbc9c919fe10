//! The contract every ledger keeps.
