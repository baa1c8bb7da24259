"""Models behind addresses: called by the supervisor, never by the child."""
