//! The compiler, through documents as people write them.
