"""Organisations, members, roles, tokens."""
