//! Every error names its place, its field and the remedy.
