"""The gate: what may come in, cleaning, conversion, profile."""
