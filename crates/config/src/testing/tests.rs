//! Test cases against channels that are right and wrong.
