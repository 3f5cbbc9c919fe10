//! Tests of the whole: see `tests/all`. This library is empty on purpose; nothing may depend on it.
