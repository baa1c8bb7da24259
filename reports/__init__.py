"""Documents made from snapshots, signatures, revocation, verification page."""
