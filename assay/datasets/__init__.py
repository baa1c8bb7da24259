"""One file = one kind of data."""
