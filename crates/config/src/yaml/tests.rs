//! Trees keep places, and refuse what would be guessed.
