-- Before when the log no longer held everything from which this was filled. What this has forgotten itself is none of it.
ALTER TABLE ledger ADD COLUMN rebuilt_before bigint;
