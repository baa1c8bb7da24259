"""Remedy runs, lineage, candidates."""
