"""Audit methods, one file each, grouped by pillar."""
