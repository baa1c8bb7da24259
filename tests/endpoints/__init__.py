"""Models behind addresses, against a real local server."""
